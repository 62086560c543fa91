// The instruction-set dependent part of a step.
#pragma once
#include "dual_ascent.h"

namespace ally_fast {

constexpr int kLanes = 16;                // rows in a group, and numbers of a row at a time
constexpr int64_t kNarrow = 32;           // up to here a group's rows lie in the lanes
constexpr int64_t kScratchValues = 8192;  // 32 KiB of float32: a level-one cache

// How many rows of d outputs make a group; of one output each without classes, a block.
constexpr int64_t group_rows(int64_t d, bool classes) {
  if (d == 1 && !classes) return kBlockRows;
  if (d <= kNarrow) return kLanes;
  const int64_t fitting = kScratchValues / round_up(d, kLanes);
  return fitting < 1 ? 1 : fitting > kLanes ? kLanes : fitting;
}

constexpr size_t scratch_values(int64_t d) {
  const int64_t padded = round_up(d, kLanes);
  return static_cast<size_t>(padded > kScratchValues ? padded : kScratchValues);
}

// What at most kBlockRows rows add up to.
struct AscentBlock {
  double sum = 0;  // of their terms of the Lagrangian
  int64_t nonfinite = 0;
  int64_t first_nonfinite = -1;
};

struct RowKernel {
  // Visits rows [begin, begin + count), at most group_rows of them, and writes losses and gradients
  // where these are not null. A row's gradient is d loss / d outputs times its coefficient; there are
  // at least kLanes, zeros where there is no row.
  void (*losses)(const Predictions& predictions, int64_t begin, int64_t count,
                 const double* coefficients, float* losses, char* gradient, float* scratch);

  // Updates the multipliers of a block of rows, whose losses and ids lie together, and writes slacks.
  AscentBlock (*ascend)(const float* losses, const float* dual_losses, const int64_t* ids,
                        int64_t count, const DualVariablesView& duals, float* slacks,
                        const float* before);
};

}  // namespace ally_fast
