#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "../../common/parallel.h"
#include "ascend.h"
#include "dual_ascent.h"
#include "fetch_multipliers.h"
#include "row_kernel.h"

namespace ally_fast {

extern const RowKernel kPortableRowKernel;
#if ALLY_FAST_X86
extern const RowKernel kAvx2RowKernel;
extern const RowKernel kAvx512RowKernel;
#endif

namespace {

// Below this a second thread costs more than it brings: the idle ones of torch spin beside it.
constexpr int64_t kTaskValues = 1 << 17;
constexpr int64_t kRowValues = 32;  // a row's own work, in outputs

const RowKernel& row_kernel(const Kernel& kernel) {
#if ALLY_FAST_X86
  const std::string name = kernel.name;
  if (name == "avx2") return kAvx2RowKernel;
  if (name != "portable") return kAvx512RowKernel;  // every kernel above AVX2 has it
#else
  (void)kernel;
#endif
  return kPortableRowKernel;
}

// How many of `items` make a task, where `least` are worth a thread: as many for each thread.
int64_t task_size(int64_t items, int64_t least, int threads) {
  const int64_t tasks = items / std::max<int64_t>(1, least);
  return tasks <= 1 ? items + 1 : (items - 1) / round_up(tasks, threads) + 1;
}

// Call visit(begin, end) for [0, items) in parts.
template <class Visit>
void for_parts(int64_t items, int64_t size, int threads, const Visit& visit) {
  parallel_for((items + size - 1) / size, threads,
               [&](int64_t task, int) { visit(task * size, std::min(items, (task + 1) * size)); },
               Tasks::kShares);
}

// Losses and gradients of all rows; each where it is not null.
void visit_rows(const Predictions& predictions, const float* before, double scale,
                const RowKernel& kernel, int threads, float* losses, char* gradient) {
  const RowsView& outputs = predictions.outputs;
  const double mean_scale = scale / static_cast<double>(outputs.n);
  const int64_t group = group_rows(outputs.d, predictions.classes != nullptr);
  const int64_t least = kTaskValues / (outputs.d + kRowValues);
  const int64_t size = round_up(task_size(outputs.n, least, threads), group);
  for_parts(outputs.n, size, threads, [&](int64_t begin, int64_t end) {
    // Left as it comes: zeros would cost a small batch more than its work.
    const std::unique_ptr<float[]> scratch(new float[scratch_values(outputs.d)]);
    for (int64_t at = begin; at < end; at += group) {
      const int64_t count = std::min(group, end - at);
      double coefficients[kBlockRows];
      std::fill_n(coefficients, kLanes, 0.0);
      for (int64_t r = 0; r < count; ++r) {
        coefficients[r] = coefficient_of(before[at + r], mean_scale);
      }
      kernel.losses(predictions, at, count, coefficients, losses, gradient, scratch.get());
    }
  });
}

// To its end once begun: multipliers are updated all or not at all.
DualAscent ascend_all(const float* losses, const float* dual_losses, int64_t m,
                      const DualVariablesView& duals, const RowKernel& kernel, int threads,
                      float* slacks, const float* before) {
  const Uninterrupted whole;
  const int64_t count = (m + kBlockRows - 1) / kBlockRows;
  std::vector<AscentBlock> blocks(static_cast<size_t>(count));
  const int64_t size = task_size(count, kMultipliersATask / kBlockRows, threads);
  for_parts(count, size, threads, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t at = b * kBlockRows, rows = std::min(kBlockRows, m - at);
      blocks[b] = kernel.ascend(losses + at, dual_losses + at, duals.ids + at, rows, duals,
                                slacks + at, before + at);
    }
  });
  DualAscent result;
  for (const AscentBlock& block : blocks) {
    result.lagrangian += block.sum;
    if (result.nonfinite == 0) result.first_nonfinite = block.first_nonfinite;
    result.nonfinite += block.nonfinite;
  }
  if (m > 0) result.lagrangian /= static_cast<double>(m);
  return result;
}

}  // namespace

DualAscent dual_ascent_losses_cpu(const float* losses, const float* dual_losses, int64_t m,
                                  const DualVariablesView& duals, const Kernel& kernel, int threads,
                                  const float* before, float* slacks) {
  return ascend_all(losses, dual_losses, m, duals, row_kernel(kernel), threads, slacks, before);
}

DualAscent dual_ascent_cpu(const Predictions& predictions, const DualVariablesView& duals,
                           double scale, const Kernel& kernel, int threads,
                           const StepArrays& step) {
  const RowKernel& rows = row_kernel(kernel);
  visit_rows(predictions, step.before, scale, rows, threads, step.losses, step.gradient);
  return ascend_all(step.losses, step.losses, predictions.outputs.n, duals, rows, threads,
                    step.slacks, step.before);
}

void dual_ascent_gradient_cpu(const Predictions& predictions, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient) {
  visit_rows(predictions, before, scale, row_kernel(kernel), threads, nullptr, gradient);
}

}  // namespace ally_fast
