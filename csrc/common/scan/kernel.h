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
constexpr int kLargestGroup = 16, kLargestBatch = 2048;
constexpr float kNeverWins = 0x1.fffffep127f;  // above every score

// Centroids as a kernel reads them. The padding can win for rows that overflow only.
struct PackedCentroids {
  const uint32_t* packed;  // negated, centred, scaled, rounded: layout private to the kernel
  const uint32_t* fine;    // the same for the fine look
  const float* half_norm;  // scale^2 ||c - shift||^2 / 2, lowered by the rounding of a score;
                           // (k_padded + kLargestGroup,)
  // Of each group: the largest norm of a rounded centroid, floored, which a row's error grows with;
  // and what is between the lower and the upper end of a score, a share of that error and the rest.
  const float *norm, *spread, *slack;
  float curve;               // the same, a share of the square of the row's norm
  const float* shift;        // (d,) float32
  const double* wide_shift;  // (d,) the shift where float32 is too coarse for it; else null
  double scale;              // a power of two
  int64_t k_padded;
  int64_t d;
};

constexpr int64_t kLine = 64;

// Lines of a row; 0 where its features lie far apart: each would be a line of its own.
inline __attribute__((always_inline)) int64_t lines_of_row(const RowsView& rows) {
  if (rows.col_stride < 0 || rows.col_stride > kLine) return 0;
  return (rows.col_stride * rows.d + kLine - 1) / kLine;
}

// Rows that are read soon, brought to the cache a few lines a turn: a queue of lines is short.
class Ahead {
 public:
  // Visited rows [first, end).
  __attribute__((always_inline)) Ahead(const RowsView& rows, int64_t first, int64_t end)
      : rows_(rows), row_(first), end_(end), lines_(lines_of_row(rows)) {}
  __attribute__((always_inline)) void spread(int64_t turns) {
    each_ = ((end_ - row_) * lines_ + turns - 1) / turns;
  }
  __attribute__((always_inline)) void turn() {
    for (int64_t i = 0; i < each_ && row_ < end_; ++i) {
      __builtin_prefetch(rows_.row(row_) + line_ * kLine, 0, 2);
      if (++line_ == lines_) {
        line_ = 0;
        ++row_;
      }
    }
  }

 private:
  const RowsView& rows_;
  int64_t row_, end_, lines_, each_ = 0, line_ = 0;
};

// A row and a group of centroids that may hold its nearest.
struct LookAt {
  int32_t row, group;
};

// Rows and the groups [begin, end) that are looked at once more for them: rows[i] for
// start[g] <= i < start[g + 1].
struct Looks {
  const int32_t* rows;
  const int32_t* start;
  int64_t begin, end;
  const int32_t* slot;   // of each row
  const uint32_t* fine;  // the row packed for it, of fine_row_words, in its slot
};

// Of each row: the least lower end, that of all other centroids, and the place of the first.
struct Lowest {
  float* best;
  float* second;
  int32_t* index;
};

struct Kernel {
  const char* name;
  int centroid_multiple;  // k_padded is a multiple of this, and this of `group`
  int group;              // centroids that share a minimum

  // 32-bit words of packed centroids / of a packed block of rows.
  int64_t (*centroid_words)(int64_t k_padded, int64_t d);
  int64_t (*block_words)(int64_t d);
  // The same for the fine look, of centroids (0: it reads those packed) and of a row.
  int64_t (*fine_words)(int64_t k_padded, int64_t d);
  int64_t (*fine_row_words)(int64_t d);
  // What the fine look leaves of a rounding residual.
  double fine_residual;

  // values (k, d) float32, centred and scaled -> packed and fine, zeros up to k_padded; and of each the
  // norm of what `track` sees of it and that of what it does not.
  void (*pack_centroids)(const float* values, int64_t k, int64_t k_padded, int64_t d,
                         uint32_t* packed, uint32_t* fine, float* norm, float* residual);

  // Visited rows first, first + 1, … -> packed block, at most kBlock of them, and for each row
  // norm[r] = ||x'|| and residual[r] = ||x' - rounded x'||, x' = scale (x - shift) in float32.
  // `fine` is null or gets the rows of the block for the fine look, fine_row_words each.
  // `buffer` holds 16 * round_up(d, 32) floats.
  void (*pack_rows)(const RowsView& rows, int64_t first, int count, const PackedCentroids& table,
                    float* buffer, uint32_t* packed, uint32_t* fine, float* norm, float* residual);
  // Row i for the fine look.
  void (*pack_fine_row)(const RowsView& rows, int64_t i, const PackedCentroids& table,
                        float* buffer, uint32_t* fine);

  // Lower bounds  half_norm[c] - error[r] norm[c's] + dot  for centroids [begin, end), multiples of
  // centroid_multiple. minima[g][kBlock] gets one that is below those of each group g. `lowest` of the
  // earlier centroids becomes that of all: of centroids, or up to `grouping_d` features of groups,
  // by their first centroids. Brings `ahead` to the cache meanwhile.
  void (*track)(const PackedCentroids& table, const uint32_t* rows, const float* error,
                int64_t begin, int64_t end, Ahead& ahead, const Lowest& lowest, float* minima);
  int64_t grouping_d;

  // The fine look: the same scores, finer, for rows and groups of centroids. `lowest` becomes that of
  // the groups before and these.
  void (*look)(const PackedCentroids& table, const Looks& looks, const float* error,
               const Lowest& lowest);
  // Those of one row and the group that begins at `first`; kLargestGroup floats, those after the group
  // say nothing.
  void (*score_group)(const PackedCentroids& table, const uint32_t* fine_row, float error,
                      int64_t first, float* scores);

  // Upper ends of scores of some rows, by their lower ends and places, either look's.
  void (*upper_ends)(const PackedCentroids& table, const float* lower, const int32_t* place,
                     const float* error, const float* norm, int count, float* end);

  // Bit r: not (values[r] > limit[r]), so that a NaN counts; r < kBlock.
  uint64_t (*below)(const float* values, const float* limit);
  // Of a block whose first row is `first`: the groups of which minima[g][r] is not above limit[r], for the
  // rows of `active`. Returns how many looks that is; looks_of[g] grows by those at group g.
  int64_t (*find_near)(const float* minima, int64_t groups, const float* limit, uint64_t active,
                       int32_t first, LookAt* looks, int32_t* looks_of);

  // Bit i: not (scores[i] > limit), i < kLargestGroup.
  uint32_t (*at_most)(const float* scores, float limit);

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
