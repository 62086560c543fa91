// AMX (Sapphire Rapids and later): bfloat16 tiles, centroids in the rows of the product and pool
// rows in its columns, so that the epilogue is the one of AVX-512.
#include <immintrin.h>

#include "kernel.h"

#ifndef ALLY_FAST_EMULATE_AMX  // the native tests bring tiles in plain C++
#define AMX_CONFIGURE(config) _tile_loadconfig(config)
#define AMX_RELEASE() _tile_release()
#define AMX_ZERO(tile) _tile_zero(tile)
#define AMX_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define AMX_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#define AMX_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#endif

namespace ally_fast {
namespace {

#include "kernel_impl.h"
#include "simd_avx512.h"

struct Amx : Avx512 {
  static constexpr int kCentroids = 32;  // two tiles of sixteen
  static constexpr int kLaneFeatures = 2, kStepMultiple = 16;
};

// Tiles of 16 centroids x 16 words, one after the other along the features.
void pack_centroid_tiles(const float* values, int64_t k, int64_t k_padded, int64_t d,
                         uint32_t* packed, float* rounded) {
  const int64_t steps = steps_of<Amx>(d), used = (d + 1) / 2;
  for (int64_t c = 0; c < k_padded; ++c) {
    uint32_t* out = packed + c / 16 * 16 * steps + c % 16 * 16;
    for (int64_t step = 0; step < steps; ++step) {
      const bool real = c < k && step < used;
      out[step / 16 * 256 + step % 16] =
          real ? pack_word<Amx>(values + c * d, step, d, rounded + c * d) : 0u;
    }
  }
}

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {0};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Calls finish(c, r, dots) for each 32 centroids from c and 32 rows from r; dots[centroid][row].
template <class Finish>
void for_each_tile(const PackedCentroids& table, const uint32_t* rows, int64_t begin, int64_t end,
                   const Finish& finish) {
  const int64_t steps = steps_of<Amx>(table.d);
  alignas(64) float dots[32][32];
  const TileConfig config;
  AMX_CONFIGURE(&config);
  for (int64_t c = begin; c < end; c += 32) {
    const uint32_t* upper = table.packed + c * steps;
    const uint32_t* lower = upper + 16 * steps;
    for (int r = 0; r < kBlock; r += 32) {
      AMX_ZERO(0);
      AMX_ZERO(1);
      AMX_ZERO(2);
      AMX_ZERO(3);
      for (int64_t step = 0; step < steps; step += 16) {
        AMX_LOAD(4, upper + step * 16, 64);
        AMX_LOAD(5, lower + step * 16, 64);
        AMX_LOAD(6, rows + step * kBlock + r, kBlock * 4);
        AMX_LOAD(7, rows + step * kBlock + r + 16, kBlock * 4);
        AMX_DOT(0, 4, 6);
        AMX_DOT(1, 4, 7);
        AMX_DOT(2, 5, 6);
        AMX_DOT(3, 5, 7);
      }
      AMX_STORE(0, &dots[0][0], 128);
      AMX_STORE(1, &dots[0][16], 128);
      AMX_STORE(2, &dots[16][0], 128);
      AMX_STORE(3, &dots[16][16], 128);
      finish(c, r, dots);
    }
  }
  AMX_RELEASE();
}

__m512 lower_bound(const PackedCentroids& table, int64_t c, __m512 error, const float* dots) {
  const __m512 free_of_rows = Amx::subtract_product(Amx::broadcast(table.half_norm[c]), error,
                                                    Amx::broadcast(table.norm[c]));
  return _mm512_add_ps(free_of_rows, Amx::load(dots));
}

void track_tiles(const PackedCentroids& table, const uint32_t* rows, const float* error,
                 int64_t begin, int64_t end, float* best, float* second, int32_t* index) {
  for_each_tile(table, rows, begin, end, [&](int64_t c, int r, const float (*dots)[32]) {
    for (int v = 0; v < 32; v += 16) {
      const int at = r + v;
      const __m512 errors = Amx::load(error + at);
      __m512 low = Amx::load(best + at), next = Amx::load(second + at);
      __m512i place = Amx::load_int(index + at);
      for (int j = 0; j < 32; ++j) {
        const __m512 score = lower_bound(table, c + j, errors, dots[j] + v);
        const __mmask16 smaller = Amx::less(score, low);
        next = Amx::min(next, Amx::max(low, score));
        low = Amx::min(low, score);
        place = Amx::select(smaller, static_cast<int32_t>(c + j), place);
      }
      Amx::store(best + at, low);
      Amx::store(second + at, next);
      Amx::store_int(index + at, place);
    }
  });
}

void store_tiles(const PackedCentroids& table, const uint32_t* rows, const float* error,
                 int64_t begin, int64_t end, float* scores) {
  for_each_tile(table, rows, begin, end, [&](int64_t c, int r, const float (*dots)[32]) {
    for (int j = 0; j < 32; ++j) {
      for (int v = 0; v < 32; v += 16) {
        Amx::store(scores + (c - begin + j) * kBlock + r + v,
                   lower_bound(table, c + j, Amx::load(error + r + v), dots[j] + v));
      }
    }
  });
}

constexpr Kernel make_amx_kernel() {
  Kernel kernel = make_kernel<Avx512>("amx");
  kernel.centroid_multiple = Amx::kCentroids;
  kernel.centroid_words = centroid_words<Amx>;
  kernel.block_words = block_words<Amx>;
  kernel.pack_centroids = pack_centroid_tiles;
  kernel.pack_rows = pack_rows<Amx>;
  kernel.track = track_tiles;
  kernel.store = store_tiles;
  return kernel;
}

}  // namespace

extern const Kernel kAmxKernel;
constexpr Kernel kAmxKernel = make_amx_kernel();

}  // namespace ally_fast
