// A primal-dual step on a minibatch: losses, slacks, projected ascent of the multipliers, and the
// gradient of the Lagrangian with respect to the model's outputs. Source: ALLY, Algorithm 1.
//
//   slack_i = l'_i - epsilon_s,    lambda_s <- max(0, lambda_s + lr slack_i),    s = ids[i]
//   lagrangian = 1/m sum_i (l_i + lambda_s slack_i),                    lambda before the update
//   gradient_i = scale (1 + lambda_s) / m  dl_i / d outputs_i,          lambda before the update
//
//   cross-entropy   l = log sum_j exp(o_j) - o_y,      dl/do_j = exp(o_j - log sum exp), at y: expm1(-l)
//   squared error   l = 1/C sum_j (o_j - y_j)^2,       dl/do_j = 2/C (o_j - y_j)
//
// In these two l' = l; any other losses come as numbers (dual_ascent_losses_cpu), and the chain rule
// is the caller's: d lagrangian / d l_i = 1/m, d lagrangian / d l'_i = lambda_s / m.
//
// The gradient in the same pass (`gradient` given) reads outputs once, and needs its scale before.
// dual_ascent_gradient_cpu is for automatic differentiation, where the scale (of the loss, against
// underflow of float16) arrives with the backward pass: a gradient written at another scale would be
// rounded twice and read once more. Both give the same bits.
//
// Accuracy: exponentials and chunks of a row's sum in float32, all else of a row in float64; a loss is
// rounded to float32 once. Losses keep their leading digits down to 1e-30 and for outputs of 1e4.
// Order of sums: a row's own is fixed; the Lagrangian is float64 partial sums of kBlockRows rows in
// row order, and these in order, from float32 losses and slacks: equal losses, equal bits, anywhere.
// A row whose loss, slack or new multiplier is not finite is counted and its multiplier left alone;
// a class at minus infinity has probability and gradient zero. No row: the Lagrangian is 0.
#pragma once
#include "../../common/rows.h"
#include "../../common/scan/kernel.h"

namespace ally_fast {

constexpr int64_t kBlockRows = 256;

// What a model gave and what it should have given. One of `classes` and `values` is set.
struct Predictions {
  RowsView outputs;                  // IN (m, C) float32, bfloat16, float16; columns contiguous
  const int64_t* classes = nullptr;  // IN (m,) in [0, C): cross-entropy
  RowsView values;                   // IN (m, C), as outputs or float32: squared error
};

// All preconditions are checked by the binding.
struct DualVariablesView {
  const int64_t* ids;      // IN     (m,) int64 distinct, in [0, n)
  const float* epsilon;    // IN     (n,) float32 finite, or one for all
  int64_t epsilon_stride;  // IN     1, or 0: one for all
  double lr;               // IN     finite, >= 0; at 0 the multipliers stay
  float* multipliers;      // IN/OUT (n,) float32; those of ids finite, >= 0
};

struct DualAscent {
  double lagrangian = 0;
  int64_t nonfinite = 0;         // rows whose multipliers were left alone
  int64_t first_nonfinite = -1;  // the id of the first such row, -1: none
};

// losses, slacks  OUT  (m,) float32
// before          OUT  (m,) float32: multipliers[ids] before the update
// log_sum_exp     OUT  (m,) float64; null for squared error
// gradient        OUT  (m, C) of the dtype of outputs, contiguous, or null: not wanted
DualAscent dual_ascent_cpu(const Predictions& predictions, const DualVariablesView& duals,
                           double scale, const Kernel& kernel, int threads, float* losses,
                           float* slacks, float* before, double* log_sum_exp, char* gradient);

// The same from losses l and l' (which may be one array): (m,) float32.
DualAscent dual_ascent_losses_cpu(const float* losses, const float* dual_losses, int64_t m,
                                  const DualVariablesView& duals, int threads, float* slacks,
                                  float* before);

// The gradient alone, from what dual_ascent_cpu left: losses and log_sum_exp (both unused for squared
// error), before.
void dual_ascent_gradient_cpu(const Predictions& predictions, const float* losses,
                              const double* log_sum_exp, const float* before, double scale,
                              const Kernel& kernel, int threads, char* gradient);

}  // namespace ally_fast
