// The body that the kernels share, as templates over an instruction set `Simd`. Included by the
// scan_<isa>.cpp files only, each inside its own anonymous namespace and compiled with its own
// flags: a template or inline function from outside may be called only where it is inlined by force
// (the linker could keep the copy compiled for AVX-512 and hand it to everyone), hence plain loops.

#include "row_values_impl.h"

// Float32 rounded to bfloat16 (nearest, ties to even), as a float32 with a short significand.
inline uint32_t round_to_bfloat_bits(float value) {
  const uint32_t bits = float_bits(value);
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
}

template <class Simd>
int64_t words_of_row(int64_t d) {
  return (d + Simd::kLaneFeatures - 1) / Simd::kLaneFeatures;
}

template <class Simd>
int64_t steps_of(int64_t d) {
  return round_up(words_of_row<Simd>(d), Simd::kStepMultiple);
}

// Of 32 features from `begin` on, or those that are left: word i holds features i and half + i.
inline int64_t half_of(int64_t d, int64_t begin) {
  return d - begin >= 32 ? 16 : (d - begin + 1) / 2;
}

template <class Simd>
int64_t block_words(int64_t d) {
  return steps_of<Simd>(d) * kBlock;
}

template <class Simd>
int64_t centroid_words(int64_t k_padded, int64_t d) {
  return steps_of<Simd>(d) * k_padded;
}

// For kernels that multiply float32.
template <class Simd>
void pack_rows(const RowsView& rows, int64_t first, int count, const PackedCentroids& table,
               float* buffer, uint32_t* packed, uint32_t* /*fine*/, float* norm, float* residual) {
  const int64_t d = rows.d, width = round_up(d, 16), steps = steps_of<Simd>(d);
  alignas(64) float tile[16][16];
  for (int group = 0; group < kBlock; group += 16) {
    for (int r = 0; r < 16; ++r) {
      float* out = buffer + r * width;
      int64_t filled = 0;
      if (group + r < count) {
        load_centred(rows, first + group + r, table, out);
        filled = d;
      }
      for (int64_t j = filled; j < width; ++j) out[j] = 0;
    }
    float norms[16] = {0};
    for (int64_t begin = 0; begin < width; begin += 16) {
      Simd::transpose16(buffer + begin, width, &tile[0][0]);
      for (int j = 0; j < 16; ++j) {
        for (int r = 0; r < 16; ++r) norms[r] += tile[j][r] * tile[j][r];
      }
      for (int j = 0; j < 16 && begin + j < steps; ++j) {
        __builtin_memcpy(packed + (begin + j) * kBlock + group, tile[j], 64);
      }
    }
    for (int r = 0; r < 16; ++r) {
      norm[group + r] = __builtin_sqrtf(norms[r]);
      residual[group + r] = 0;
    }
  }
}

// What a kernel multiplies with for a feature.
template <class Simd>
float rounded(float value) {
  if constexpr (Simd::kLaneFeatures == 1) return value;
  return bits_float(round_to_bfloat_bits(value));
}

// One centroid, one step: the 32-bit word that a kernel multiplies with.
template <class Simd>
uint32_t pack_word(const float* value, int64_t step, int64_t d) {
  if constexpr (Simd::kLaneFeatures == 1) return float_bits(-value[step]);
  const int64_t begin = step / 16 * 32, i = begin + step % 16, j = i + half_of(d, begin);
  const uint32_t low = round_to_bfloat_bits(value[i]);
  const uint32_t high = j < d ? round_to_bfloat_bits(value[j]) : 0u;
  return (low >> 16 | high) ^ 0x80008000u;
}

// Centroids of a group in float32, feature by feature, and kLargestGroup floats more that may be read.
template <int kGroup>
int64_t float_words(int64_t k_padded, int64_t d) {
  return k_padded * d + kLargestGroup;
}

inline int64_t reads_packed(int64_t, int64_t) { return 0; }

template <int kGroup>
void pack_floats(const float* values, int64_t k, int64_t k_padded, int64_t d, uint32_t* fine) {
  for (int64_t c = 0; c < k_padded; ++c) {
    uint32_t* const to = fine + c / kGroup * kGroup * d + c % kGroup;
    for (int64_t j = 0; j < d; ++j) to[j * kGroup] = c < k ? float_bits(-values[c * d + j]) : 0u;
  }
}

// Centroids of a tile side by side, step by step: the order in which score_tile broadcasts them.
template <class Simd>
void pack_centroids(const float* values, int64_t k, int64_t k_padded, int64_t d, uint32_t* packed,
                    uint32_t* fine, float* norm, float* residual) {
  constexpr int C = Simd::kCentroids;
  const int64_t steps = steps_of<Simd>(d), used = words_of_row<Simd>(d);
  for (int64_t c = 0; c < k_padded; ++c) {
    uint32_t* out = packed + c / C * C * steps + c % C;
    for (int64_t step = 0; step < steps; ++step) {
      const bool real = c < k && step < used;
      out[step * C] = real ? pack_word<Simd>(values + c * d, step, d) : 0u;
    }
  }
  for (int64_t c = 0; c < k; ++c) {
    const float* const value = values + c * d;
    const auto seen = [=](int64_t j) { return static_cast<double>(rounded<Simd>(value[j])); };
    const auto unseen = [=](int64_t j) { return static_cast<double>(value[j]) - seen(j); };
    norm[c] = static_cast<float>(__builtin_sqrt(sum_of_squares(d, seen)));
    residual[c] = static_cast<float>(__builtin_sqrt(sum_of_squares(d, unseen)));
  }
  if (fine) pack_floats<C>(values, k, k_padded, d, fine);
}

inline int64_t float_row_words(int64_t d) { return round_up(d, 16); }

void pack_float_row(const RowsView& rows, int64_t i, const PackedCentroids& table, float* buffer,
                    uint32_t* fine) {
  load_centred(rows, i, table, buffer);
  __builtin_memcpy(fine, buffer, static_cast<uint64_t>(rows.d) * 4);
}

// Lower bounds of kVectors x kCentroids scores, handed to `finish` as acc[vector][centroid].
template <class Simd, class Finish>
inline __attribute__((always_inline)) void score_tile(const PackedCentroids& table, int64_t steps,
                                                      const uint32_t* rows, const float* error,
                                                      int64_t c, const Finish& finish) {
  constexpr int V = Simd::kVectors, C = Simd::kCentroids, W = Simd::kWidth;
  typename Simd::Float acc[V][C];
  const auto norm = Simd::broadcast(table.norm[c / C]);
#pragma GCC unroll 8
  for (int j = 0; j < C; ++j) {
    const auto half_norm = Simd::broadcast(table.half_norm[c + j]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      acc[v][j] = Simd::subtract_product(half_norm, Simd::load(error + v * W), norm);
    }
  }
  const uint32_t* words = table.packed + c * steps;
  for (int64_t step = 0; step < steps; ++step, words += C, rows += kBlock) {
    typename Simd::Word x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) x[v] = Simd::load_words(rows + v * W);
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) {
      const auto word = Simd::broadcast_word(words + j);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[v][j] = Simd::multiply_add(acc[v][j], x[v], word);
    }
  }
  finish(acc);
}

template <class Simd>
void track(const PackedCentroids& table, const uint32_t* rows, const float* error, int64_t begin,
           int64_t end, Ahead& ahead, const Lowest& lowest, float* minima) {
  constexpr int V = Simd::kVectors, C = Simd::kCentroids, W = Simd::kWidth;
  const int64_t steps = steps_of<Simd>(table.d);
  ahead.spread((end - begin) / C);
  for (int64_t c = begin; c < end; c += C) {
    ahead.turn();
    for (int r = 0; r < kBlock; r += V * W) {
      score_tile<Simd>(table, steps, rows + r, error + r, c, [&](const auto& acc) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          const int at = r + v * W;
          auto low = Simd::load(lowest.best + at), next = Simd::load(lowest.second + at);
          auto place = Simd::load_int(lowest.index + at);
          auto minimum = acc[v][0];
#pragma GCC unroll 8
          for (int j = 0; j < C; ++j) {
            const auto smaller = Simd::less(acc[v][j], low);
            next = Simd::min(next, Simd::max(low, acc[v][j]));
            low = Simd::min(low, acc[v][j]);
            place = Simd::select(smaller, static_cast<int32_t>(c + j), place);
            minimum = Simd::min(minimum, acc[v][j]);
          }
          Simd::store(minima + c / C * kBlock + at, minimum);
          Simd::store(lowest.best + at, low);
          Simd::store(lowest.second + at, next);
          Simd::store_int(lowest.index + at, place);
        }
      });
    }
  }
}

// Centroids of a group in the lanes; two sums of a row run beside each other, or four.
template <class Simd, int kGroup, int kRows>
void score_rows(const PackedCentroids& table, const float* const* rows, const float* error,
                int64_t first, float* scores) {
  static_assert(kGroup <= Simd::kWidth && Simd::kWidth <= kLargestGroup);
  constexpr int kSums = kRows == 1 ? 4 : 2;
  const auto* floats = reinterpret_cast<const float*>(table.fine) + first * table.d;
  const auto norm = Simd::broadcast(table.norm[first / kGroup]);
  typename Simd::Float sums[kRows][kSums];
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kSums; ++i) sums[r][i] = Simd::broadcast(0);
    sums[r][0] = Simd::subtract_product(Simd::load(table.half_norm + first),
                                        Simd::broadcast(error[r]), norm);
  }
  const auto add = [&](int64_t j, int i) __attribute__((always_inline)) {
    const auto centroids = Simd::load(floats + j * kGroup);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      sums[r][i] = Simd::multiply_add(sums[r][i], Simd::broadcast(rows[r][j]), centroids);
    }
  };
  int64_t j = 0;
  for (; j + kSums <= table.d; j += kSums) {
#pragma GCC unroll 4
    for (int i = 0; i < kSums; ++i) add(j + i, i);
  }
  for (; j < table.d; ++j) add(j, 0);
  for (int r = 0; r < kRows; ++r) {
    for (int i = kSums / 2; i > 0; i /= 2) {
      for (int k = 0; k < i; ++k) sums[r][k] = Simd::add(sums[r][k], sums[r][k + i]);
    }
    Simd::store(scores + r * kLargestGroup, sums[r][0]);
  }
}

// Of the centroids of a group, from `first` on.
template <int kGroup>
void add_scores(const float* scores, int64_t first, int32_t r, const Lowest& lowest) {
  float best = lowest.best[r], second = lowest.second[r];
  int32_t index = lowest.index[r];
  for (int i = 0; i < kGroup; ++i) {
    const bool lower = scores[i] < best;
    const float other = lower ? best : scores[i];
    second = other < second ? other : second;
    index = lower ? static_cast<int32_t>(first + i) : index;
    best = lower ? scores[i] : best;
  }
  lowest.best[r] = best;
  lowest.second[r] = second;
  lowest.index[r] = index;
}

template <class Simd, int kGroup>
void look_in_floats(const PackedCentroids& table, const Looks& looks, const float* error,
                    const Lowest& lowest) {
  constexpr int kTogether = 4;
  const auto* const floats = reinterpret_cast<const float*>(looks.fine);
  const int64_t words = float_row_words(table.d);
  float scores[kTogether * kLargestGroup];
  for (int64_t g = looks.begin; g < looks.end; ++g) {
    for (int32_t i = looks.start[g]; i < looks.start[g + 1]; i += kTogether) {
      const int count = looks.start[g + 1] - i < kTogether ? looks.start[g + 1] - i : kTogether;
      const float* rows[kTogether];
      float errors[kTogether];
      for (int k = 0; k < count; ++k) {
        rows[k] = floats + looks.slot[looks.rows[i + k]] * words;
        errors[k] = error[looks.rows[i + k]];
      }
      const auto score_some = count == 1   ? score_rows<Simd, kGroup, 1>
                              : count == 2 ? score_rows<Simd, kGroup, 2>
                              : count == 3 ? score_rows<Simd, kGroup, 3>
                                           : score_rows<Simd, kGroup, 4>;
      score_some(table, rows, errors, g * kGroup, scores);
      for (int k = 0; k < count; ++k) {
        add_scores<kGroup>(scores + k * kLargestGroup, g * kGroup, looks.rows[i + k], lowest);
      }
    }
  }
}

template <class Simd, int kGroup>
void score_group(const PackedCentroids& table, const uint32_t* fine_row, float error, int64_t first,
                 float* scores) {
  const auto* const row = reinterpret_cast<const float*>(fine_row);
  score_rows<Simd, kGroup, 1>(table, &row, &error, first, scores);
}

template <int kGroup>
void upper_ends(const PackedCentroids& table, const float* lower, const int32_t* place,
                const float* error, const float* norm, int count, float* end) {
  for (int r = 0; r < count; ++r) {
    const uint32_t group = static_cast<uint32_t>(place[r]) / kGroup;
    const float rest = table.slack[group] + norm[r] * norm[r] * table.curve;
    end[r] =
        lower[r] + (error[r] * table.spread[group] + rest + __builtin_fabsf(lower[r]) * 0x1p-21f);
  }
}

template <class Simd>
uint64_t below(const float* values, const float* limit) {
  uint64_t bits = 0;
  for (int r = 0; r < kBlock; r += Simd::kWidth) {
    const uint64_t some = Simd::not_greater_bits(Simd::load(values + r), Simd::load(limit + r));
    bits |= some << r;
  }
  return bits;
}

template <class Simd>
int64_t find_near(const float* minima, int64_t groups, const float* limit, uint64_t active,
                  int32_t first, LookAt* looks, int32_t* looks_of) {
  const LookAt* const begin = looks;
  for (int64_t g = 0; g < groups; ++g, minima += kBlock) {
    const LookAt* const before = looks;
    for (uint64_t bits = below<Simd>(minima, limit) & active; bits; bits &= bits - 1) {
      *looks++ = {first + __builtin_ctzll(bits), static_cast<int32_t>(g)};
    }
    looks_of[g] += static_cast<int32_t>(looks - before);
  }
  return looks - begin;
}

template <class Simd>
uint32_t at_most(const float* scores, float limit) {
  uint32_t bits = 0;
  for (int i = 0; i < kLargestGroup; i += Simd::kWidth) {
    bits |= Simd::not_greater_bits(Simd::load(scores + i), Simd::broadcast(limit)) << i;
  }
  return bits;
}

// `Floats` multiplies float32.
template <class Simd, class Floats = Simd>
constexpr Kernel make_kernel(const char* name) {
  constexpr int C = Simd::kCentroids;
  return {name,
          C,
          C,
          centroid_words<Simd>,
          block_words<Simd>,
          Simd::kLaneFeatures == 1 ? reads_packed : float_words<C>,
          float_row_words,
          0,
          pack_centroids<Simd>,
          pack_rows<Floats>,
          pack_float_row,
          track<Simd>,
          0,
          look_in_floats<Floats, C>,
          score_group<Floats, C>,
          upper_ends<C>,
          below<Simd>,
          find_near<Simd>,
          at_most<Simd>,
          load_row,
          Simd::squared_distance};
}
