// AMX (Sapphire Rapids and later): bfloat16 tiles, centroids in the rows of the product and pool
// rows in its columns, so that the epilogue is the one of AVX-512. While tiles are multiplied,
// minima and maxima run at half their rate: one minimum a score is what hides behind the products of
// 64 features, so only the minimum of each group of sixteen centroids is tracked. Then the fine look ranks
// the group that wins; above kGroupingD features its scores are set aside meanwhile, and ranked.
#include <immintrin.h>

#include "kernel.h"

#ifndef ALLY_FAST_EMULATE_AMX  // the native tests bring tiles in plain C++
#define AMX_CONFIGURE(config) _tile_loadconfig(config)
#define AMX_RELEASE() _tile_release()
#define AMX_ZERO(tile) _tile_zero(tile)
#define AMX_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define AMX_STREAM(tile, from, stride) _tile_stream_loadd(tile, from, stride)
#define AMX_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#define AMX_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#endif

namespace ally_fast {
namespace {

#include "kernel_impl.h"
#include "simd_avx512.h"

#include "amx_tiles.h"
#include "bfloat_rows.h"

// Tiles of 16 centroids x 16 words, one after the other along the features. For the fine look the same
// transposed, and after each tile that of what rounding left.
void pack_centroid_tiles(const float* values, int64_t k, int64_t k_padded, int64_t d,
                         uint32_t* packed, uint32_t* fine, float* norm, float* residual) {
  const int64_t steps = steps_of<Amx>(d);
  alignas(64) uint32_t rest[16][16];
  alignas(64) float seen[16][16], unseen[16][16];
  const auto add_square = [](float* sums, __m512 x) __attribute__((always_inline)) {
    _mm512_store_ps(sums, _mm512_fmadd_ps(x, x, _mm512_load_ps(sums)));
  };
  for (int64_t first = 0; first < k_padded; first += 16) {
    for (int i = 0; i < 16; ++i) {
      _mm512_store_ps(seen[i], _mm512_setzero_ps());
      _mm512_store_ps(unseen[i], _mm512_setzero_ps());
    }
    for (int64_t step = 0; step < steps; step += 16, packed += 256, fine += 512) {
      for (int64_t i = 0; i < 16; ++i) {
        const int64_t c = first + i, j = 2 * step, half = half_of(d, j);
        const float* const from = values + c * d + j;
        const auto negated = [=](int64_t at, int64_t count) __attribute__((always_inline)) {
          const __mmask16 some = lanes(c < k ? count : 0);
          return _mm512_sub_ps(_mm512_setzero_ps(), _mm512_maskz_loadu_ps(some, from + at));
        };
        const Rounded low(negated(0, half)), high(negated(half, d - j - half));
        _mm512_store_si512(packed + i * 16, words_of(low, high));
        _mm512_store_si512(rest[i], words_of(Rounded(low.rest), Rounded(high.rest)));
        add_square(seen[i], low.value);
        add_square(seen[i], high.value);
        add_square(unseen[i], low.rest);
        add_square(unseen[i], high.rest);
      }
      Amx::transpose16(reinterpret_cast<const float*>(packed), 16, reinterpret_cast<float*>(fine));
      Amx::transpose16(reinterpret_cast<const float*>(rest[0]), 16,
                       reinterpret_cast<float*>(fine) + 256);
    }
    const __mmask16 real = lanes(k - first);
    _mm512_mask_storeu_ps(norm + first, real, roots(seen));
    _mm512_mask_storeu_ps(residual + first, real, roots(unseen));
  }
}

int64_t fine_centroid_words(int64_t k_padded, int64_t d) {
  return 2 * centroid_words<Amx>(k_padded, d);
}

int64_t fine_row_words(int64_t d) { return 2 * steps_of<Amx>(d); }

void pack_fine_row(const RowsView& rows, int64_t i, const PackedCentroids& table, float* buffer,
                   uint32_t* fine) {
  round_row<true>(rows, i, table, buffer, fine);
}

// Beyond, the rows of a batch that share a group are too few for a fine look at each row.
constexpr int64_t kGroupingD = 128;

// Running minimum, runner-up and place, of sixteen rows.
struct LowestInLanes {
  __m512 best, second;
  __m512i index;

  LowestInLanes(__m512 score, int64_t place)
      : best(score),
        second(Amx::broadcast(kNeverWins)),
        index(_mm512_set1_epi32(static_cast<int32_t>(place))) {}
  LowestInLanes(const Lowest& lowest, int r)
      : best(Amx::load(lowest.best + r)),
        second(Amx::load(lowest.second + r)),
        index(Amx::load_int(lowest.index + r)) {}

  void add(__m512 score, int64_t place) {
    const __mmask16 smaller = Amx::less(score, best);
    second = Amx::min(second, Amx::max(best, score));
    best = Amx::min(best, score);
    index = Amx::select(smaller, static_cast<int32_t>(place), index);
  }
  void add(const LowestInLanes& other) {
    const __mmask16 smaller = Amx::less(other.best, best);
    second = Amx::min(Amx::min(second, other.second), Amx::max(best, other.best));
    best = Amx::min(best, other.best);
    index = _mm512_mask_mov_epi32(index, smaller, other.index);
  }
  // To lower ends, of rows with these errors.
  void lower(__m512 error, __m512 norm) {
    best = Amx::subtract_product(best, error, norm);
    second = Amx::subtract_product(second, error, norm);
  }
  void write(const Lowest& lowest, int r) const {
    Amx::store(lowest.best + r, best);
    Amx::store(lowest.second + r, second);
    Amx::store_int(lowest.index + r, index);
  }
};

// Scores but for a row's error, which is one for all sixteen centroids.
__m512 score(const float* half_norm, const Tile& dots, int j) {
  return _mm512_add_ps(Amx::load(dots[j]), Amx::broadcast(half_norm[j]));
}

// Of score(j), j < 16.
template <class Score>
inline __attribute__((always_inline)) __m512 minimum_of_sixteen(const Score& score) {
  __m512 even = score(0), odd = score(1);
#pragma GCC unroll 8
  for (int j = 2; j < 16; j += 2) {
    even = Amx::min(even, score(j));
    odd = Amx::min(odd, score(j + 1));
  }
  return Amx::min(even, odd);
}

// Half norms of a group, in registers for its tiles.
struct HalfNorms {
  __m512 value[16];

  void load(const float* half_norm) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) value[j] = Amx::broadcast(half_norm[j]);
  }
};

// Of score(j), j < 16, which is the index.
template <class Score>
inline __attribute__((always_inline)) LowestInLanes lowest_of_sixteen(const Score& score) {
  LowestInLanes even(score(0), 0), odd(score(1), 1);
#pragma GCC unroll 8
  for (int j = 2; j < 16; j += 2) {
    even.add(score(j), j);
    odd.add(score(j + 1), j + 1);
  }
  even.add(odd);
  return even;
}

void track_groups(const PackedCentroids& table, const uint32_t* rows, const float* error,
                  int64_t begin, int64_t end, Ahead& ahead, const Lowest& lowest, float* minima) {
  HalfNorms half_norms;
  for_each_short_tile(table, rows, begin, end, ahead,
                      [&](int64_t c, int r, const Tile& dots) __attribute__((always_inline)) {
                        if (r == 0) half_norms.load(table.half_norm + c);
                        const auto score = [&](int j) __attribute__((always_inline)) {
                          return _mm512_add_ps(half_norms.value[j], Amx::load(dots[j]));
                        };
                        Amx::store(minima + c / 16 * kBlock + r, minimum_of_sixteen(score));
                      });
  LowestInLanes known[4] = {{lowest, 0}, {lowest, 16}, {lowest, 32}, {lowest, 48}};
  static_assert(kBlock == 64);
  for (int64_t c = begin; c < end; c += 16) {
    const __m512 norm = Amx::broadcast(table.norm[c / 16]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      float* const place = minima + c / 16 * kBlock + 16 * i;
      const __m512 low = Amx::subtract_product(Amx::load(place), Amx::load(error + 16 * i), norm);
      Amx::store(place, low);
      known[i].add(low, c);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) known[i].write(lowest, 16 * i);
}

// The scores of the group that a row found lowest are set aside, and looked into at the end.
void track_centroids(const PackedCentroids& table, const uint32_t* rows, const float* error,
                     int64_t begin, int64_t end, Ahead& ahead, const Lowest& lowest,
                     float* minima) {
  alignas(64) Tile aside[kBlock / 16];
  alignas(64) float best[kBlock], second[kBlock];
  alignas(64) int32_t group[kBlock];
  for (int r = 0; r < kBlock; r += 16) {
    for (int j = 0; j < 16; ++j) Amx::store(aside[r / 16][j], Amx::broadcast(kNeverWins));
    LowestInLanes(Amx::broadcast(kNeverWins), begin).write({best, second, group}, r);
  }
  const auto finish = [&](int64_t c, int r, const Tile& dots) __attribute__((always_inline)) {
    const float* const half_norm = table.half_norm + c;
    const auto score_of = [&](int j)
                              __attribute__((always_inline)) { return score(half_norm, dots, j); };
    const __m512 low = Amx::subtract_product(minimum_of_sixteen(score_of), Amx::load(error + r),
                                             Amx::broadcast(table.norm[c / 16]));
    Amx::store(minima + c / 16 * kBlock + r, low);
    LowestInLanes known({best, second, group}, r);
    const __mmask16 lower = Amx::less(low, known.best);
    known.add(low, c);
    known.write({best, second, group}, r);
    if (!lower) return;
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      _mm512_mask_store_ps(aside[r / 16][j], lower, score_of(j));
    }
  };
  if (table.d > kShortD) {
    for_each_long_tile(table, rows, begin, end, ahead, finish);
  } else {
    for_each_short_tile(table, rows, begin, end, ahead, finish);
  }
  for (int r = 0; r < kBlock; r += 16) {
    LowestInLanes found = lowest_of_sixteen([&](int j) { return Amx::load(aside[r / 16][j]); });
    const __m512i first = Amx::load_int(group + r);
    const __m512 norm =
        _mm512_mask_i32gather_ps(_mm512_setzero_ps(), kAllLanes,
                                 _mm512_maskz_srli_epi32(kAllLanes, first, 4), table.norm, 4);
    found.lower(Amx::load(error + r), norm);
    found.second = Amx::min(found.second, Amx::load(second + r));
    found.index = _mm512_add_epi32(found.index, first);
    LowestInLanes known(lowest, r);
    known.add(found);
    known.write(lowest, r);
  }
}

void track_tiles(const PackedCentroids& table, const uint32_t* rows, const float* error,
                 int64_t begin, int64_t end, Ahead& ahead, const Lowest& lowest, float* minima) {
  static const TileConfig config;
  AMX_CONFIGURE(&config);
  const auto track = table.d > kGroupingD ? track_centroids : track_groups;
  track(table, rows, error, begin, end, ahead, lowest, minima);
  AMX_RELEASE();
}

#include "amx_look.h"

constexpr Kernel make_amx_kernel() {
  Kernel kernel = make_kernel<Avx512>("amx");
  kernel.centroid_multiple = Amx::kCentroids;
  kernel.group = 16;
  kernel.centroid_words = centroid_words<Amx>;
  kernel.block_words = block_words<Amx>;
  kernel.fine_words = fine_centroid_words;
  kernel.fine_row_words = fine_row_words;
  kernel.fine_residual = 0x1p-8;
  kernel.pack_centroids = pack_centroid_tiles;
  kernel.pack_rows = pack_bfloat_rows<Amx>;
  kernel.pack_fine_row = pack_fine_row;
  kernel.track = track_tiles;
  kernel.grouping_d = kGroupingD;
  kernel.look = look_in_tiles;
  kernel.score_group = score_fine_group;
  kernel.upper_ends = upper_ends<16>;
  return kernel;
}

}  // namespace

extern const Kernel kAmxKernel;
constexpr Kernel kAmxKernel = make_amx_kernel();

}  // namespace ally_fast
