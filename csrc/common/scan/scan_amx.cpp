// AMX (Sapphire Rapids and later): bfloat16 tiles, centroids in the rows of the product and pool
// rows in its columns, so that the epilogue is the one of AVX-512. While tiles are multiplied,
// minima and maxima run at half their rate: one minimum a score is what hides behind the products of
// 64 features, so only the minimum of each group of sixteen centroids is tracked. The group that wins
// is multiplied once more, and looked into.
#include <immintrin.h>

#include <limits>

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

constexpr int64_t kDecidingD = 128;  // the most features that hide one comparison a score only

// Running minimum, runner-up and place, of sixteen rows.
struct Lowest {
  __m512 best, second;
  __m512i index;

  Lowest(__m512 score, int64_t place)
      : best(score),
        second(Amx::broadcast(kNeverWins)),
        index(_mm512_set1_epi32(static_cast<int32_t>(place))) {}
  Lowest(const float* best, const float* second, const int32_t* index)
      : best(Amx::load(best)), second(Amx::load(second)), index(Amx::load_int(index)) {}

  void add(__m512 score, int64_t place) {
    const __mmask16 smaller = Amx::less(score, best);
    second = Amx::min(second, Amx::max(best, score));
    best = Amx::min(best, score);
    index = Amx::select(smaller, static_cast<int32_t>(place), index);
  }
  void add(const Lowest& other) {
    const __mmask16 smaller = Amx::less(other.best, best);
    second = Amx::min(Amx::min(second, other.second), Amx::max(best, other.best));
    best = Amx::min(best, other.best);
    index = _mm512_mask_mov_epi32(index, smaller, other.index);
  }
  void write(float* to_best, float* to_second, int32_t* to_index) const {
    Amx::store(to_best, best);
    Amx::store(to_second, second);
    Amx::store_int(to_index, index);
  }
};

// Scores but for a row's error, which is one for all sixteen centroids.
__m512 score(const float* half_norm, const Tile& dots, int j) {
  return _mm512_add_ps(Amx::load(dots[j]), Amx::broadcast(half_norm[j]));
}

// Half norms of a group, in registers for its tiles.
struct HalfNorms {
  __m512 value[16];

  void load(const float* half_norm) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) value[j] = Amx::broadcast(half_norm[j]);
  }
  __m512 lowest_score(const Tile& dots) const {
    const auto score = [&](int j) __attribute__((always_inline)) {
      return _mm512_add_ps(value[j], Amx::load(dots[j]));
    };
    __m512 even = score(0), odd = score(1);
#pragma GCC unroll 8
    for (int j = 2; j < 16; j += 2) {
      even = Amx::min(even, score(j));
      odd = Amx::min(odd, score(j + 1));
    }
    return Amx::min(even, odd);
  }
};

Lowest lowest_of_group(const PackedCentroids& table, int64_t c, const Tile& dots, __m512 error) {
  const float* const half_norm = table.half_norm + c;
  Lowest even(score(half_norm, dots, 0), c), odd(score(half_norm, dots, 1), c + 1);
#pragma GCC unroll 8
  for (int j = 2; j < 16; j += 2) {
    even.add(score(half_norm, dots, j), c + j);
    odd.add(score(half_norm, dots, j + 1), c + j + 1);
  }
  even.add(odd);
  const __m512 norm = Amx::broadcast(table.norm[c / 16]);
  even.best = Amx::subtract_product(even.best, error, norm);
  even.second = Amx::subtract_product(even.second, error, norm);
  return even;
}

void track_groups(const PackedCentroids& table, const uint32_t* rows, const float* error,
                  int64_t begin, int64_t end, Ahead& ahead, float* best, float* second,
                  int32_t* index, float* minima) {
  HalfNorms half_norms;
  for_each_short_tile(table, rows, begin, end, ahead,
                      [&](int64_t c, int r, const Tile& dots) __attribute__((always_inline)) {
                        if (r == 0) half_norms.load(table.half_norm + c);
                        Amx::store(minima + c / 16 * kBlock + r, half_norms.lowest_score(dots));
                      });
  for (int r = 0; r < kBlock; r += 16) {
    Lowest lowest(best + r, second + r, index + r);
    const __m512 errors = Amx::load(error + r);
    for (int64_t c = begin; c < end; c += 16) {
      float* const place = minima + c / 16 * kBlock + r;
      const __m512 low =
          Amx::subtract_product(Amx::load(place), errors, Amx::broadcast(table.norm[c / 16]));
      Amx::store(place, low);
      lowest.add(low, c);
    }
    lowest.write(best + r, second + r, index + r);
  }
}

void track_centroids(const PackedCentroids& table, const uint32_t* rows, const float* error,
                     int64_t begin, int64_t end, Ahead& ahead, float* best, float* second,
                     int32_t* index, float* minima) {
  const auto finish = [&](int64_t c, int r, const Tile& dots) __attribute__((always_inline)) {
    const Lowest group = lowest_of_group(table, c, dots, Amx::load(error + r));
    Amx::store(minima + c / 16 * kBlock + r, group.best);
    Lowest lowest(best + r, second + r, index + r);
    lowest.add(group);
    lowest.write(best + r, second + r, index + r);
  };
  if (table.d > kShortD) {
    for_each_tile(table, rows, begin, end, ahead, finish);
  } else {
    for_each_short_tile(table, rows, begin, end, ahead, finish);
  }
}

void track_tiles(const PackedCentroids& table, const uint32_t* rows, const float* error,
                 int64_t begin, int64_t end, Ahead& ahead, float* best, float* second,
                 int32_t* index, float* minima) {
  static const TileConfig config;
  AMX_CONFIGURE(&config);
  const auto track = table.d > kDecidingD ? track_centroids : track_groups;
  track(table, rows, error, begin, end, ahead, best, second, index, minima);
  AMX_RELEASE();
}

// Sixteen rows of one group or fewer, and their products with its centroids.
struct Members {
  int64_t first;
  int count = 0;
  alignas(64) int32_t rows[16];
  alignas(64) Tile dots;
};

void multiply(const PackedCentroids& table, const uint32_t* words, Members& members) {
  const int64_t steps = steps_of<Amx>(table.d);
  alignas(64) float block[16][16];
  AMX_ZERO(0);
  for (int64_t step = 0; step < steps; step += 16) {
    Amx::transpose(
        [&](int i) __attribute__((always_inline)) {
          const int32_t row = members.rows[i < members.count ? i : 0];
          return _mm512_loadu_ps(reinterpret_cast<const float*>(words + row * steps + step));
        },
        &block[0][0]);
    __asm__ volatile("" ::: "memory");  // GCC does not know that a tile reads the block
    AMX_LOAD(1, table.packed + members.first * steps + step * 16, 64);
    AMX_LOAD(2, &block[0][0], 64);
    AMX_DOT(0, 1, 2);
  }
  AMX_STORE(0, members.dots, 64);
}

// Looks into the group that each row found lowest. Rows of a group share tiles.
void decide(const PackedCentroids& table, const uint32_t* words, int count, const float* error,
            float* best, float* second, int32_t* index, int32_t* heads) {
  int32_t next[kLargestBatch];
  for (int r = 0; r < count; ++r) {  // chains of rows, by group
    int32_t& head = heads[index[r] / 16];
    next[r] = head;
    head = r;
  }
  const auto finish = [&](const Members& members) {
    const auto active = static_cast<__mmask16>((1u << members.count) - 1);
    const __m512i rows = _mm512_load_si512(members.rows);
    const __m512 zero = _mm512_setzero_ps();
    const __m512 errors = _mm512_mask_i32gather_ps(zero, active, rows, error, 4);
    const Lowest lowest = lowest_of_group(table, members.first, members.dots, errors);
    _mm512_mask_i32scatter_ps(best, active, rows, lowest.best, 4);
    alignas(64) float others[16];
    Amx::store(others, lowest.second);
    for (int i = 0; i < members.count; ++i) {
      float& runner_up = second[members.rows[i]];
      runner_up = runner_up < others[i] ? runner_up : others[i];
    }
    _mm512_mask_i32scatter_epi32(index, active, rows, lowest.index, 4);
  };
  static const TileConfig config;
  AMX_CONFIGURE(&config);
  Members members[2];
  int turn = 0;
  for (int r = 0; r < count; ++r) {
    const int32_t group = index[r] / 16;
    while (heads[group] >= 0) {
      Members& now = members[turn];
      now.first = group * 16;
      now.count = 0;
      for (int32_t& head = heads[group]; head >= 0 && now.count < 16; head = next[head]) {
        now.rows[now.count++] = head;
      }
      multiply(table, words, now);
      turn ^= 1;
      if (members[turn].count > 0) finish(members[turn]);
    }
  }
  finish(members[turn ^ 1]);
  AMX_RELEASE();
}

// The table in float32 does not stay in the cache where rows are long.
void rescore_in_bfloat(const PackedCentroids& table, const float* row, float error, int64_t first,
                       float* scores) {
  const int64_t steps = steps_of<Amx>(table.d);
  const uint32_t* tile = table.packed + first * steps;
  alignas(64) float lanes[16][16], by_lane[16][16];
  __m512 sums[16];
#pragma GCC unroll 16
  for (int c = 0; c < 16; ++c) sums[c] = _mm512_setzero_ps();
  for (int64_t step = 0; step < steps; step += 16, tile += 256) {
    const __m512bh x =
        _mm512_cvtne2ps_pbh(Amx::load(row + 2 * step + 16), Amx::load(row + 2 * step));
#pragma GCC unroll 16
    for (int c = 0; c < 16; ++c) {
      const auto words = reinterpret_cast<__m512bh>(_mm512_loadu_si512(tile + c * 16));
      sums[c] = _mm512_dpbf16_ps(sums[c], x, words);
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < 16; ++c) Amx::store(lanes[c], sums[c]);
  Amx::transpose16(&lanes[0][0], 16, &by_lane[0][0]);
  __m512 sum = Amx::subtract_product(Amx::load(table.half_norm + first), Amx::broadcast(error),
                                     Amx::broadcast(table.norm[first / 16]));
  for (int lane = 0; lane < 16; ++lane) sum = _mm512_add_ps(sum, Amx::load(by_lane[lane]));
  Amx::store(scores, sum);
}

void rescore_group(const PackedCentroids& table, const float* const* rows, const float* error,
                   int count, int64_t first, float* scores, float* lowest) {
  if (table.d <= kDecidingD) {
    return rescore<Amx, 16>(table, rows, error, count, first, scores, lowest);
  }
  for (int i = 0; i < count; ++i, scores += 16) {
    rescore_in_bfloat(table, rows[i], error[i], first, scores);
    lowest[i] = lowest_score<Amx, 16>(scores);
  }
}

constexpr Kernel make_amx_kernel() {
  Kernel kernel = make_kernel<Avx512>("amx");
  kernel.centroid_multiple = Amx::kCentroids;
  kernel.group = 16;
  kernel.packed_is_floats = false;
  kernel.centroid_words = centroid_words<Amx>;
  kernel.block_words = block_words<Amx>;
  kernel.pack_centroids = pack_centroid_tiles;
  kernel.pack_rows = pack_bfloat_rows<Amx>;
  kernel.track = track_tiles;
  kernel.decide = decide;
  kernel.deciding_d = kDecidingD;
  kernel.rescore = rescore_group;
  kernel.rescored_d = kDecidingD;
  return kernel;
}

}  // namespace

extern const Kernel kAmxKernel;
constexpr Kernel kAmxKernel = make_amx_kernel();

}  // namespace ally_fast
