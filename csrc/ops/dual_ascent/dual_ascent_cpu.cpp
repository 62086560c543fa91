#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "../../common/parallel.h"
#include "ascend.h"
#include "dual_ascent.h"
#include "row_losses.h"

namespace ally_fast {

extern const RowLosses kPortableRowLosses;
#if ALLY_FAST_X86
extern const RowLosses kAvx2RowLosses;
extern const RowLosses kAvx512RowLosses;
#endif

namespace {

// Below this a second thread costs more than it brings: the idle ones of torch spin beside it.
constexpr int64_t kTaskValues = 1 << 17;
constexpr int64_t kRowValues = 32;  // a row's own work, in outputs
// In the ascent more: multipliers lie anywhere, and threads take their cache lines from one another.
constexpr int64_t kTaskRows = 1 << 17;

RowLosses row_losses(const Kernel& kernel) {
#if ALLY_FAST_X86
  const std::string name = kernel.name;
  if (name == "avx2") return kAvx2RowLosses;
  if (name != "portable") return kAvx512RowLosses;  // every kernel above AVX2 has it
#else
  (void)kernel;
#endif
  return kPortableRowLosses;
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
               [&](int64_t task, int) { visit(task * size, std::min(items, (task + 1) * size)); });
}

// Losses and gradients of all rows; each where it is not null.
void visit_rows(const Predictions& predictions, const float* before, double scale,
                const Kernel& kernel, int threads, float* losses, char* gradient) {
  const RowLosses visit = row_losses(kernel);
  const RowsView& outputs = predictions.outputs;
  const double mean_scale = scale / static_cast<double>(outputs.n);
  const int64_t group = group_rows(outputs.d);
  const int64_t least = kTaskValues / (outputs.d + kRowValues);
  const int64_t size = round_up(task_size(outputs.n, least, threads), group);
  for_parts(outputs.n, size, threads, [&](int64_t begin, int64_t end) {
    // Left as it comes: zeros would cost a small batch more than its work.
    const std::unique_ptr<float[]> scratch(new float[scratch_values(outputs.d)]);
    for (int64_t at = begin; at < end; at += group) {
      const int64_t count = std::min(group, end - at);
      double coefficients[kLanes] = {};
      for (int64_t r = 0; r < count; ++r) {
        coefficients[r] = coefficient_of(before[at + r], mean_scale);
      }
      visit(predictions, at, count, coefficients, losses, gradient, scratch.get());
    }
  });
}

// What a block of kBlockRows rows adds up to.
struct Block {
  double sum = 0;
  int64_t nonfinite = 0;
  int64_t first_nonfinite = -1;
};

// At most kBlockRows rows, in steps, of which the second is vectorised.
Block ascend_rows(const float* losses, const float* dual_losses, const int64_t* ids, int64_t count,
                  const DualVariablesView& duals, float* slacks, const float* before) {
  float epsilon[kBlockRows], after[kBlockRows];
  double terms[kBlockRows];
  for (int64_t i = 0; i < count; ++i) {
    epsilon[i] = duals.epsilon ? duals.epsilon[ids[i]] : duals.epsilon_of_all;
  }
  int wrong = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float loss = losses[i], slack = slack_of(dual_losses[i], epsilon[i]);
    float multiplier;
    const bool right = ascend(loss, slack, before[i], duals.lr, &multiplier);
    wrong += !right;
    after[i] = right ? multiplier : before[i];
    slacks[i] = slack;
    terms[i] = term_of(loss, slack, before[i]);
  }
  Block block;
  for (int64_t i = 0; i < count; ++i) block.sum += terms[i];
  for (int64_t i = 0; i < count; ++i) duals.multipliers[ids[i]] = after[i];
  for (int64_t i = 0; wrong > 0 && i < count; ++i) {
    float unused;
    if (ascend(losses[i], slacks[i], before[i], duals.lr, &unused)) continue;
    if (block.nonfinite++ == 0) block.first_nonfinite = ids[i];
  }
  return block;
}

DualAscent ascend_all(const float* losses, const float* dual_losses, int64_t m,
                      const DualVariablesView& duals, int threads, float* slacks,
                      const float* before) {
  const int64_t count = (m + kBlockRows - 1) / kBlockRows;
  std::vector<Block> blocks(static_cast<size_t>(count));
  const int64_t size = task_size(count, kTaskRows / kBlockRows, threads);
  for_parts(count, size, threads, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t at = b * kBlockRows, rows = std::min(kBlockRows, m - at);
      blocks[b] = ascend_rows(losses + at, dual_losses + at, duals.ids + at, rows, duals,
                              slacks + at, before + at);
    }
  });
  DualAscent result;
  for (const Block& block : blocks) {
    result.lagrangian += block.sum;
    if (result.nonfinite == 0) result.first_nonfinite = block.first_nonfinite;
    result.nonfinite += block.nonfinite;
  }
  if (m > 0) result.lagrangian /= static_cast<double>(m);
  return result;
}

}  // namespace

DualAscent dual_ascent_losses_cpu(const float* losses, const float* dual_losses, int64_t m,
                                  const DualVariablesView& duals, int threads, const float* before,
                                  float* slacks) {
  return ascend_all(losses, dual_losses, m, duals, threads, slacks, before);
}

DualAscent dual_ascent_cpu(const Predictions& predictions, const DualVariablesView& duals,
                           double scale, const Kernel& kernel, int threads,
                           const StepArrays& step) {
  visit_rows(predictions, step.before, scale, kernel, threads, step.losses, step.gradient);
  return ascend_all(step.losses, step.losses, predictions.outputs.n, duals, threads, step.slacks,
                    step.before);
}

void dual_ascent_gradient_cpu(const Predictions& predictions, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient) {
  visit_rows(predictions, before, scale, kernel, threads, nullptr, gradient);
}

}  // namespace ally_fast
