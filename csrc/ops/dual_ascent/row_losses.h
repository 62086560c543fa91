// The instruction-set dependent part: losses of a few rows, and their gradients.
#pragma once
#include "dual_ascent.h"

namespace ally_fast {

constexpr int kLanes = 16;                // rows in a group, and numbers of a row at a time
constexpr int64_t kNarrow = 32;           // up to here a group's rows lie in the lanes
constexpr int64_t kScratchValues = 8192;  // 32 KiB of float32: a level-one cache

// How many rows of d outputs make a group.
constexpr int64_t group_rows(int64_t d) {
  if (d <= kNarrow) return kLanes;
  const int64_t fitting = kScratchValues / round_up(d, kLanes);
  return fitting < 1 ? 1 : fitting > kLanes ? kLanes : fitting;
}

constexpr size_t scratch_values(int64_t d) {
  const int64_t padded = round_up(d, kLanes);
  return static_cast<size_t>(padded > kScratchValues ? padded : kScratchValues);
}

// Visits rows [begin, begin + count), at most group_rows of them, and writes losses and gradients
// where these are not null. A row's gradient is d loss / d outputs times its coefficient, (kLanes,),
// zeros where there is no row.
using RowLosses = void (*)(const Predictions& predictions, int64_t begin, int64_t count,
                           const double* coefficients, float* losses, char* gradient,
                           float* scratch);

}  // namespace ally_fast
