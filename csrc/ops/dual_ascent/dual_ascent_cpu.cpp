#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../../common/parallel.h"
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

// Gradients of rows, from what the pass over a batch leaves: losses, log_sum_exp, before.
class GradientWriter {
 public:
  GradientWriter(const Predictions& predictions, const float* losses, const double* log_sum_exp,
                 double scale, const RowLosses& kernels, char* out)
      : predictions_(predictions),
        losses_(losses),
        log_sum_exp_(log_sum_exp),
        mean_(scale / static_cast<double>(predictions.outputs.n)),
        kernels_(kernels),
        row_bytes_(predictions.outputs.d * (predictions.outputs.dtype == DType::kFloat32 ? 4 : 2)),
        out_(out) {}

  void write(int64_t i, float before) const {
    const double coefficient = mean_ * (1 + static_cast<double>(before));
    char* out = out_ + i * row_bytes_;
    const Predictions& p = predictions_;
    if (p.classes) {
      kernels_.cross_entropy_gradient(p.outputs, i, p.classes[i], static_cast<double>(losses_[i]),
                                      log_sum_exp_[i], coefficient, out);
    } else {
      kernels_.squared_error_gradient(p.outputs, p.values, i, coefficient, out);
    }
  }

 private:
  const Predictions& predictions_;
  const float* const losses_;
  const double* const log_sum_exp_;
  const double mean_;
  const RowLosses& kernels_;
  const int64_t row_bytes_;
  char* const out_;
};

// What a block of kBlockRows rows adds up to.
struct Block {
  double sum = 0;
  int64_t nonfinite = 0;
  int64_t first_nonfinite = -1;
};

Block ascend(const float* losses, const float* dual_losses, int64_t begin, int64_t end,
             const DualVariablesView& duals, float* slacks, float* before) {
  Block block;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t id = duals.ids[i];
    const double epsilon = static_cast<double>(duals.epsilon[id * duals.epsilon_stride]);
    const float slack = static_cast<float>(static_cast<double>(dual_losses[i]) - epsilon);
    float& multiplier = duals.multipliers[id];
    const double lambda = static_cast<double>(multiplier), s = static_cast<double>(slack);
    slacks[i] = slack;
    before[i] = multiplier;
    block.sum += static_cast<double>(losses[i]) + lambda * s;
    const float ascended = static_cast<float>(std::max(0.0, lambda + duals.lr * s));
    if (std::isfinite(losses[i]) && std::isfinite(slack) && std::isfinite(ascended)) {
      multiplier = ascended;
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
      blocks[b] = ascend(losses, dual_losses, begin, end, duals, slacks, before);
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
                           double scale, const Kernel& kernel, int threads, float* losses,
                           float* slacks, float* before, double* log_sum_exp, char* gradient) {
  const RowsView& outputs = predictions.outputs;
  const RowLosses& rows = row_losses(kernel);
  const GradientWriter writer(predictions, losses, log_sum_exp, scale, rows, gradient);
  for_rows(outputs.n, outputs.d, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double loss =
          predictions.classes
              ? rows.cross_entropy(outputs, i, predictions.classes[i], log_sum_exp + i)
              : rows.squared_error(outputs, predictions.values, i);
      losses[i] = static_cast<float>(loss);
      // The row is in the cache.
      if (gradient) writer.write(i, duals.multipliers[duals.ids[i]]);
    }
  });
  return dual_ascent_losses_cpu(losses, losses, outputs.n, duals, threads, slacks, before);
}

void dual_ascent_gradient_cpu(const Predictions& predictions, const float* losses,
                              const double* log_sum_exp, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient) {
  const RowsView& outputs = predictions.outputs;
  const GradientWriter writer(predictions, losses, log_sum_exp, scale, row_losses(kernel),
                              gradient);
  for_rows(outputs.n, outputs.d, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) writer.write(i, before[i]);
  });
}

}  // namespace ally_fast
