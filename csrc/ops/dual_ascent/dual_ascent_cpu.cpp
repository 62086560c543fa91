#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "../../common/parallel.h"
#include "ascend.h"
#include "distinct_ids.h"
#include "dual_ascent.h"
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

// At least how many rows with these outputs make a task.
int64_t rows_of_task(const RowsView& outputs) { return kTaskValues / (outputs.d + kRowValues); }

// Losses and gradients of rows [begin, end); each where it is not null.
void visit_rows(const Predictions& predictions, int64_t begin, int64_t end, const float* before,
                double mean_scale, const RowKernel& kernel, float* losses, char* gradient) {
  const int64_t d = predictions.outputs.d;
  const int64_t group = group_rows(d, predictions.classes != nullptr);
  // Left as it comes: zeros would cost a small batch more than its work.
  const std::unique_ptr<float[]> scratch(new float[scratch_values(d)]);
  for (int64_t at = begin; at < end; at += group) {
    const int64_t count = std::min(group, end - at);
    double coefficients[kBlockRows];
    std::fill_n(coefficients, kLanes, 0.0);
    for (int64_t r = 0; r < count; ++r) {
      coefficients[r] = coefficient_of(before[at + r], mean_scale);
    }
    kernel.losses(predictions, at, count, coefficients, losses, gradient, scratch.get());
  }
}

void visit_all(const Predictions& predictions, const float* before, double scale,
               const RowKernel& kernel, int threads, float* losses, char* gradient) {
  const RowsView& outputs = predictions.outputs;
  const double mean_scale = scale / static_cast<double>(outputs.n);
  const int64_t group = group_rows(outputs.d, predictions.classes != nullptr);
  const int64_t size = round_up(task_size(outputs.n, rows_of_task(outputs), threads), group);
  for_parts(outputs.n, size, threads, [&](int64_t begin, int64_t end) {
    visit_rows(predictions, begin, end, before, mean_scale, kernel, losses, gradient);
  });
}

// before = multipliers[ids] of at most kBlockRows rows. False if one of them or of their bounds cannot be.
bool fetch(const DualVariablesView& duals, int64_t at, int64_t count, float* before) {
  const int64_t* const ids = duals.ids + at;
  before += at;
  for (int64_t i = 0; i < count; ++i) before[i] = duals.multipliers[ids[i]];
  int wrong = 0;
  for (int64_t i = 0; i < count; ++i) wrong |= !is_finite(before[i]) | (before[i] < 0);
  for (int64_t i = 0; duals.epsilon && i < count; ++i) wrong |= !is_finite(duals.epsilon[ids[i]]);
  return !wrong;
}

// Multipliers change block by block; what ends the step too early changes them back.
class Ascent {
 public:
  Ascent(const DualVariablesView& duals, int64_t m, const float* before)
      : duals_(duals), m_(m), before_(before), blocks_(count()), changed_(count()) {}

  // Ascends each block of rows, `at` and so many, for which prepare(at, rows) is true: then their losses and
  // the multipliers before are known. False where it was not.
  template <class Prepare>
  bool run(const RowKernel& kernel, int64_t least_rows, int threads, const float* losses,
           const float* dual_losses, float* slacks, const Prepare& prepare) {
    std::atomic<bool> right{true};
    const auto visit = [&](int64_t b) {
      const int64_t at = b * kBlockRows, rows = std::min(kBlockRows, m_ - at);
      if (!prepare(at, rows)) {
        right = false;
        return;
      }
      blocks_[b] = kernel.ascend(losses + at, dual_losses + at, duals_.ids + at, rows, duals_,
                                 slacks + at, before_ + at);
      changed_[b] = 1;
    };
    try {
      const int64_t size = task_size(count(), least_rows / kBlockRows, threads);
      for_parts(count(), size, threads, [&](int64_t first, int64_t last) {
        for (int64_t b = first; b < last && right; ++b) {
          visit(b);
          poll(kBlockRows);
        }
      });
    } catch (...) {
      change_back();
      throw;
    }
    if (!right) change_back();
    return right;
  }

  DualAscent result() const {
    DualAscent result;
    for (const AscentBlock& block : blocks_) {
      result.lagrangian += block.sum;
      if (result.nonfinite == 0) result.first_nonfinite = block.first_nonfinite;
      result.nonfinite += block.nonfinite;
    }
    if (m_ > 0) result.lagrangian /= static_cast<double>(m_);
    return result;
  }

 private:
  int64_t count() const { return (m_ + kBlockRows - 1) / kBlockRows; }
  void change_back() {
    for (int64_t i = 0; i < m_; ++i) {
      if (changed_[i / kBlockRows]) duals_.multipliers[duals_.ids[i]] = before_[i];
    }
  }

  const DualVariablesView& duals_;
  const int64_t m_;
  const float* const before_;
  std::vector<AscentBlock> blocks_;
  std::vector<char> changed_;
};

bool right_so_far(const DualVariablesView& duals, int64_t m, int threads) {
  if (!duals.epsilon && !is_finite(duals.epsilon_of_all)) return m == 0;
  return distinct_ids(duals, m, threads);
}

bool fetch_all(const DualVariablesView& duals, int64_t m, int threads, float* before) {
  std::atomic<bool> right{true};
  const int64_t size = round_up(task_size(m, kMultipliersATask, threads), kBlockRows);
  for_parts(m, size, threads, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kBlockRows) {
      if (!fetch(duals, at, std::min(kBlockRows, end - at), before)) right = false;
    }
  });
  return right;
}

}  // namespace

std::optional<DualAscent> dual_ascent_losses_cpu(const float* losses, const float* dual_losses,
                                                 int64_t m, const DualVariablesView& duals,
                                                 const Kernel& kernel, int threads, float* before,
                                                 float* slacks) {
  if (!right_so_far(duals, m, threads)) return {};
  Ascent ascent(duals, m, before);
  const auto prepare = [&](int64_t at, int64_t count) { return fetch(duals, at, count, before); };
  if (!ascent.run(row_kernel(kernel), kMultipliersATask, threads, losses, dual_losses, slacks,
                  prepare)) {
    return {};
  }
  return ascent.result();
}

// Short rows are visited while their multipliers are in the cache. A block of long ones is too much for
// a task.
std::optional<DualAscent> dual_ascent_cpu(const Predictions& predictions,
                                          const DualVariablesView& duals, double scale,
                                          const Kernel& kernel, int threads,
                                          const StepArrays& step) {
  const RowKernel& rows = row_kernel(kernel);
  const int64_t m = predictions.outputs.n;
  const bool is_short = predictions.outputs.d <= kNarrow;
  const double mean_scale = scale / static_cast<double>(m);
  if (!right_so_far(duals, m, threads)) return {};
  if (!is_short) {
    if (!fetch_all(duals, m, threads, step.before)) return {};
    visit_all(predictions, step.before, scale, rows, threads, step.losses, step.gradient);
  }
  Ascent ascent(duals, m, step.before);
  const int64_t least = is_short ? rows_of_task(predictions.outputs) : kMultipliersATask;
  const auto prepare = [&](int64_t at, int64_t count) {
    if (!is_short) return true;
    if (!fetch(duals, at, count, step.before)) return false;
    visit_rows(predictions, at, at + count, step.before, mean_scale, rows, step.losses,
               step.gradient);
    return true;
  };
  if (!ascent.run(rows, least, threads, step.losses, step.losses, step.slacks, prepare)) {
    return {};
  }
  return ascent.result();
}

void dual_ascent_gradient_cpu(const Predictions& predictions, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient) {
  visit_all(predictions, before, scale, row_kernel(kernel), threads, nullptr, gradient);
}

}  // namespace ally_fast
