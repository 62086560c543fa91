// A primal-dual step on a minibatch: losses, slacks, projected ascent of the multipliers, and the
// gradient of the Lagrangian with respect to the model's outputs. Source: ALLY, Algorithm 1.
//
//   slack_i = l'_i - epsilon_s,    lambda_s <- max(0, lambda_s + lr slack_i),    s = ids[i]
//   lagrangian = 1/m sum_i (l_i + lambda_s slack_i),                    lambda before the update
//   gradient_i = scale (1 + lambda_s) / m  dl_i / d outputs_i,          lambda before the update
//
//   cross-entropy   l = log sum_j exp(o_j) - o_y,      dl/do_j = exp(o_j) / sum exp, at y: expm1(-l)
//   squared error   l = 1/C sum_j (o_j - y_j)^2,       dl/do_j = 2/C (o_j - y_j)
//
// In these two l' = l; any other losses come as numbers (dual_ascent_losses_cpu), and the chain rule
// is the caller's: d lagrangian / d l_i = 1/m, d lagrangian / d l'_i = lambda_s / m.
//
// The gradient in the same pass (`gradient` given) reads outputs once (on the GPU up to 8192 columns,
// of squared errors 4096; longer rows twice), and needs its scale before.
// dual_ascent_gradient is for a scale (of the loss, against underflow of float16) that arrives with the
// backward pass: a gradient written at another scale would be rounded twice and read once more. On each
// device both give the same bits.
//
// Accuracy: a row's exponentials and short sums are float32, the rest of it float64 (on the GPU squares
// and their short sums are float32 as well, so squared errors beyond 1e34 may count as infinite). Losses
// keep their digits down to 1e-30 and for outputs of 1e4; each is rounded to float32 once.
// Order of sums: a row's own is fixed; the Lagrangian is float64 partial sums of kBlockRows rows in
// row order, and these in order, from float32 losses and slacks: equal losses, equal bits, anywhere.
// CPU and GPU differ in last bits of losses, each being the same for any threads and instruction set.
// A row whose loss, slack or new multiplier is not finite is counted and its multiplier left alone;
// a class at minus infinity has probability and gradient zero. No row: the Lagrangian is 0.
#pragma once
#include <optional>

#include "../../common/cuda/stream.h"
#include "../../common/scan/kernel.h"

namespace ally_fast {

constexpr int64_t kBlockRows = 256;

// What a model gave and what it should have given. One of `classes` and `values` is set.
struct Predictions {
  RowsView outputs;                  // IN (m, C) float32, bfloat16, float16; columns contiguous
  const int64_t* classes = nullptr;  // IN (m,) in [0, C): cross-entropy
  RowsView values;                   // IN (m, C), as outputs or float32: squared error
};

// What is said of them is checked, by the binding where it is lr.
struct DualVariablesView {
  const int64_t* ids;    // IN     (m,) int64 distinct, in [0, n)
  int64_t n;             //        samples in the set
  const float* epsilon;  // IN     (n,) float32 finite; null: `epsilon_of_all`
  float epsilon_of_all;
  double lr;           // IN     finite, >= 0; at 0 the multipliers stay
  float* multipliers;  // IN/OUT (n,) float32; those of ids finite, >= 0
};

// What a step writes for each row; the GPU's gradient alone reads it.
struct StepArrays {
  float* losses;        // (m,) float32
  float* slacks;        // (m,) float32
  float* before;        // (m,) float32: multipliers[ids] before the update
  double* log_sum_exp;  // (m,) float64; null for squared error, and not used on the CPU
  char* gradient;       // (m, C) of the dtype of outputs, contiguous; null: not wanted
};

struct DualAscent {
  double lagrangian = 0;
  int64_t nonfinite = 0;         // rows whose multipliers were left alone
  int64_t first_nonfinite = -1;  // the id of the first such row, -1: none
};

// Nothing, and no multiplier changed, if an id lies outside [0, n) or comes twice, a multiplier is negative
// or not finite, or an epsilon is not finite: which, and in what row, is for the caller to find. Whatever
// ends a step, multipliers are updated all or not at all.
std::optional<DualAscent> dual_ascent_cpu(const Predictions& predictions,
                                          const DualVariablesView& duals, double scale,
                                          const Kernel& kernel, int threads,
                                          const StepArrays& step);

// The same from losses l and l' (which may be one array): (m,) float32.
std::optional<DualAscent> dual_ascent_losses_cpu(const float* losses, const float* dual_losses,
                                                 int64_t m, const DualVariablesView& duals,
                                                 const Kernel& kernel, int threads, float* before,
                                                 float* slacks);

void dual_ascent_gradient_cpu(const Predictions& predictions, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient);

// On the GPU: device pointers throughout, C < 2^30, and nothing waits. The kernels look for what a
// caller got wrong before they touch a multiplier; then they write nothing but the report, with a
// Lagrangian of NaN. Distinct ids are told from others by a bit for each of the n samples.
enum class StepError : int64_t {
  kNone,
  kId,          // ids[row] = value is not in [0, n)
  kTarget,      // targets[row] = value is not in [0, C)
  kMultiplier,  // that of sample `value` in `row` is negative or not finite
  kEpsilon,     // that of sample `value` in `row` is not finite
  kRepeatedId,  // ids hold `value` more than once; row is -1
};

// OUT, both. Of several errors the first in the order of StepError, then the lowest row or id.
struct StepReport {
  double* lagrangian;  // (1,)
  int64_t* numbers;    // (5,): nonfinite, first_nonfinite, StepError, row, value
};

void dual_ascent_cuda(const CudaStream& stream, const Predictions& predictions,
                      const DualVariablesView& duals, double scale, const StepArrays& step,
                      const StepReport& report);

void dual_ascent_losses_cuda(const CudaStream& stream, const float* losses,
                             const float* dual_losses, int64_t m, const DualVariablesView& duals,
                             float* slacks, float* before, const StepReport& report);

void dual_ascent_gradient_cuda(const CudaStream& stream, const Predictions& predictions,
                               double scale, const StepArrays& step);

}  // namespace ally_fast
