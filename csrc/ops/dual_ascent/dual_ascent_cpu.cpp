#include <algorithm>
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

constexpr int64_t kTaskValues = 1 << 16;  // below this a second thread costs more than it brings

const RowLosses& row_losses(const Kernel& kernel) {
#if ALLY_FAST_X86
  const std::string name = kernel.name;
  if (name == "avx2") return kAvx2RowLosses;
  if (name != "portable") return kAvx512RowLosses;  // every kernel above AVX2 has it
#else
  (void)kernel;
#endif
  return kPortableRowLosses;
}

// Call run(begin, end) for groups of rows of `width` values each.
template <class Run>
void for_rows(int64_t m, int64_t width, int threads, const Run& run) {
  const int64_t rows = std::max<int64_t>(1, kTaskValues / width);
  parallel_for((m + rows - 1) / rows, threads,
               [&](int64_t task, int) { run(task * rows, std::min(m, (task + 1) * rows)); });
}

// Writes gradients of rows, from what the pass over a batch leaves in `step`.
class GradientWriter {
 public:
  GradientWriter(const Predictions& predictions, double scale, const RowLosses& rows,
                 const StepArrays& step)
      : predictions_(predictions),
        mean_scale_(scale / static_cast<double>(predictions.outputs.n)),
        rows_(rows),
        row_bytes_(predictions.outputs.d * (predictions.outputs.dtype == DType::kFloat32 ? 4 : 2)),
        step_(step) {}

  void write(int64_t i, float before) const {
    const double coefficient = coefficient_of(before, mean_scale_);
    char* out = step_.gradient + i * row_bytes_;
    const Predictions& p = predictions_;
    if (p.classes) {
      const double loss = static_cast<double>(step_.losses[i]);
      rows_.cross_entropy_gradient(p.outputs, i, p.classes[i], loss, step_.log_sum_exp[i],
                                   coefficient, out);
    } else {
      rows_.squared_error_gradient(p.outputs, p.values, i, coefficient, out);
    }
  }

 private:
  const Predictions& predictions_;
  const double mean_scale_;
  const RowLosses& rows_;
  const int64_t row_bytes_;
  const StepArrays& step_;
};

// What a block of kBlockRows rows adds up to.
struct Block {
  double sum = 0;
  int64_t nonfinite = 0;
  int64_t first_nonfinite = -1;
};

Block ascend_rows(const float* losses, const float* dual_losses, int64_t begin, int64_t end,
                  const DualVariablesView& duals, float* slacks, float* before) {
  Block block;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t id = duals.ids[i];
    slacks[i] = slack_of(dual_losses[i], duals.epsilon ? duals.epsilon[id] : duals.epsilon_of_all);
    before[i] = duals.multipliers[id];
    block.sum += term_of(losses[i], slacks[i], before[i]);
    float multiplier;
    if (ascend(losses[i], slacks[i], before[i], duals.lr, &multiplier)) {
      duals.multipliers[id] = multiplier;
    } else if (block.nonfinite++ == 0) {
      block.first_nonfinite = id;
    }
  }
  return block;
}

}  // namespace

DualAscent dual_ascent_losses_cpu(const float* losses, const float* dual_losses, int64_t m,
                                  const DualVariablesView& duals, int threads, float* slacks,
                                  float* before) {
  std::vector<Block> blocks(static_cast<size_t>((m + kBlockRows - 1) / kBlockRows));
  const int64_t count = static_cast<int64_t>(blocks.size());
  for_rows(count, kBlockRows, threads, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = b * kBlockRows, end = std::min(m, begin + kBlockRows);
      blocks[b] = ascend_rows(losses, dual_losses, begin, end, duals, slacks, before);
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

DualAscent dual_ascent_cpu(const Predictions& predictions, const DualVariablesView& duals,
                           double scale, const Kernel& kernel, int threads,
                           const StepArrays& step) {
  const RowsView& outputs = predictions.outputs;
  const RowLosses& rows = row_losses(kernel);
  const GradientWriter writer(predictions, scale, rows, step);
  for_rows(outputs.n, outputs.d, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double loss =
          predictions.classes
              ? rows.cross_entropy(outputs, i, predictions.classes[i], step.log_sum_exp + i)
              : rows.squared_error(outputs, predictions.values, i);
      step.losses[i] = static_cast<float>(loss);
      // While the row is in the cache.
      if (step.gradient) writer.write(i, duals.multipliers[duals.ids[i]]);
    }
  });
  return dual_ascent_losses_cpu(step.losses, step.losses, outputs.n, duals, threads, step.slacks,
                                step.before);
}

void dual_ascent_gradient_cpu(const Predictions& predictions, double scale, const Kernel& kernel,
                              int threads, const StepArrays& step) {
  const RowsView& outputs = predictions.outputs;
  const GradientWriter writer(predictions, scale, row_losses(kernel), step);
  for_rows(outputs.n, outputs.d, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) writer.write(i, step.before[i]);
  });
}

}  // namespace ally_fast
