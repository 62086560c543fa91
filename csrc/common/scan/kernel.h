// The instruction-set dependent part of every distance computation: one table of functions each for
// AMX, AVX-512 with bfloat16, AVX-512, AVX2 and portable C++. See certified.h for how they are used.
//
//   score  S(i, c) = ||c - shift||^2 / 2 - (x_i - shift) . (c - shift)      (argmin_c S = nearest c)
//
// A kernel computes, in its own low precision, a lower bound of `scale^2 S` for blocks of kBlock rows
// (rows in the vector lanes, centroids broadcast), and squared distances exactly by the rule below.
#pragma once
#include <cstdint>

#include "../halves.h"
#include "../norm.h"
#include "../rows.h"

namespace ally_fast {

constexpr int kBlock = 64;  // rows a block

// Centroids as a kernel reads them. Arrays have k_padded entries; the padding can never win.
struct PackedCentroids {
  const uint32_t* packed;    // negated, centred, scaled, rounded: layout private to the kernel
  const float* half_norm;    // scale^2 ||c - shift||^2 / 2, lowered by the rounding of a score
  const float* norm;         // norm of the rounded centroid, floored: a row's error grows with it
  const float* shift;        // (d,) float32
  const double* wide_shift;  // (d,) the shift where float32 is too coarse for it; else null
  double scale;              // a power of two
  int64_t k_padded;
  int64_t d;
};

struct Kernel {
  const char* name;
  int centroid_multiple;  // k_padded is a multiple of this

  // 32-bit words of packed centroids / of a packed block of rows.
  int64_t (*centroid_words)(int64_t k_padded, int64_t d);
  int64_t (*block_words)(int64_t d);

  // values (k, d) float32, centred and scaled -> packed; `rounded` (k, d) gets what the kernel sees.
  void (*pack_centroids)(const float* values, int64_t k, int64_t k_padded, int64_t d,
                         uint32_t* packed, float* rounded);

  // Rows `ids[0..count)` of the view -> packed block, and for each row
  // norm[r] = ||x'|| and residual[r] = ||x' - rounded x'||, x' = scale (x - shift) in float32.
  // `buffer` holds 16 * round_up(d, 16) floats.
  void (*pack_rows)(const RowsView& rows, const int64_t* ids, int count,
                    const PackedCentroids& table, float* buffer, uint32_t* packed, float* norm,
                    float* residual);

  // Running minimum, runner-up and place of the lower bounds  half_norm[c] - error[r] norm[c] + dot
  // for centroids [begin, end), multiples of centroid_multiple; `best` and so on hold the earlier ones'.
  void (*track)(const PackedCentroids& table, const uint32_t* rows, const float* error,
                int64_t begin, int64_t end, float* best, float* second, int32_t* index);

  // The same lower bounds, written out as scores[c - begin][kBlock].
  void (*store)(const PackedCentroids& table, const uint32_t* rows, const float* error,
                int64_t begin, int64_t end, float* scores);

  // Bit r of the result: not (scores[r] > limit[r]), so that a NaN counts as a candidate.
  uint64_t (*candidates)(const float* scores, const float* limit);

  // Row i of the view widened to float64, padded with zeros to round_up(d, 8). With `normalize`:
  // s = sum x_j^2 (order of squared_distance), float32(x_j / sqrt(s)) widened, zeros if s is 0; where
  // s is below 2^-900 or above 2^900 the norm is that of the row brought near 1 (../norm.h).
  void (*load_row)(const RowsView& rows, int64_t i, double* out);

  // The exact rule. Eight float64 partial sums, feature j into sum j mod 8 in order of j:
  // t = x_j - c_j, a += t * t, each operation rounded; ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7)).
  // Both padded with zeros to `padded`, a multiple of 8.
  double (*squared_distance)(const double* row, const double* centroid, int64_t padded);
};

// Null where the instruction set is not compiled in or this machine cannot run it.
const Kernel* find_kernel(const char* name);

// Names of the kernels this machine can run, best first; null-terminated.
const char* const* runnable_kernels();
// Names of the kernels compiled in, best first; null-terminated.
const char* const* compiled_kernels();

}  // namespace ally_fast
