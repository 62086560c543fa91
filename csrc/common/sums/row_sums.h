// What is computed for one row of float32 at a time, for each instruction set: plain float64 and int64
// arithmetic, the same bits everywhere.
#pragma once
#include <cstdint>

#include "../scan/kernel.h"

namespace ally_fast {

struct RowSums {
  // low_j, high_j: the least and largest of themselves and feature j of the rows.
  void (*extremes)(const float* rows, int64_t count, int64_t d, float* low, float* high);

  // sums_j += q_j; see grid.h. Brings `next`, a row of this matrix, to the cache meanwhile: rows of a
  // cluster lie all over memory, and no hardware guesses which one comes.
  void (*add)(const float* row, const float* next, const double* shift, const double* scale,
              int64_t d, int64_t* sums);

  // D(row, point), the exact rule of scan/kernel.h.
  double (*distance)(const float* row, const float* point, int64_t d);

  // sum of (row_j - point_j) direction_j, in the order of the exact rule.
  double (*lean)(const float* row, const float* point, const double* direction, int64_t d);
};

// For the same instruction set, or the best below it.
const RowSums& row_sums(const Kernel& kernel);

}  // namespace ally_fast
