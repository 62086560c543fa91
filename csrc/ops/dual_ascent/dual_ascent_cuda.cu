#include <cmath>

#include "ascend.h"
#include "row_losses_cuda.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
static_assert(kThreads == kBlockRows, "a thread a row of a block");

// An error as one number, so that the least is the one to tell: StepError, then row or id.
constexpr int kErrorShift = 56;

__device__ __forceinline__ void raise(unsigned long long* error, StepError which, int64_t place) {
  atomicMin(error, static_cast<unsigned long long>(which) << kErrorShift |
                       static_cast<unsigned long long>(place));
}

__device__ __forceinline__ float epsilon_of(const DualVariablesView& duals, int64_t id) {
  return duals.epsilon ? duals.epsilon[id] : duals.epsilon_of_all;
}

// Mapping: a thread a row. classes null: there are none.
// Shared memory: none. Accumulator: `seen`, a bit a sample, zero at first; the least error.
// Order of sums: none; the least of all errors does not depend on the order.
__global__ void check_kernel(DualVariablesView duals, int64_t m, const int64_t* classes, int64_t c,
                             unsigned* seen, unsigned long long* error) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= m) return;
  if (classes && (classes[i] < 0 || classes[i] >= c)) raise(error, StepError::kTarget, i);
  const int64_t id = duals.ids[i];
  if (id < 0 || id >= duals.n) return raise(error, StepError::kId, i);
  const unsigned bit = 1u << (id % 32);
  if (atomicOr(seen + id / 32, bit) & bit) raise(error, StepError::kRepeatedId, id);
  const float multiplier = duals.multipliers[id];
  if (!(is_finite(multiplier) && multiplier >= 0)) raise(error, StepError::kMultiplier, i);
  if (!is_finite(epsilon_of(duals, id))) raise(error, StepError::kEpsilon, i);
}

// Mapping: a thread a row. Shared memory, accumulator, order of sums: none.
__global__ void ascend_kernel(const float* losses, const float* dual_losses, int64_t m,
                              DualVariablesView duals, float* slacks, float* before,
                              const unsigned long long* error) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= m || *error != kNoError) return;
  const int64_t id = duals.ids[i];
  const float old = duals.multipliers[id], slack = slack_of(dual_losses[i], epsilon_of(duals, id));
  slacks[i] = slack;
  before[i] = old;
  float multiplier;
  if (ascend(losses[i], slack, old, duals.lr, &multiplier)) duals.multipliers[id] = multiplier;
}

// What a block of kBlockRows rows adds up to; of many blocks, all of them.
struct Block {
  double sum;
  int64_t nonfinite;
  int64_t first_nonfinite;  // the row, or none: the largest int64
};
constexpr int64_t kNone = INT64_MAX;

// The blocks in `shared` added to `total` in their order, by one thread.
__device__ __forceinline__ void add_in_order(const Block* shared, int count, Block* total) {
  for (int b = 0; b < count; ++b) {
    total->sum += shared[b].sum;
    total->nonfinite += shared[b].nonfinite;
    total->first_nonfinite = min(total->first_nonfinite, shared[b].first_nonfinite);
  }
}

// Mapping: a block of threads for a block of rows, a thread a row.
// Shared memory: kBlockRows blocks of one row.
// Accumulator: float64 (Block). Order of sums: thread 0 adds the rows in order.
__global__ void block_sums_kernel(const float* losses, const float* slacks, const float* before,
                                  int64_t m, double lr, Block* blocks,
                                  const unsigned long long* error) {
  if (*error != kNoError) return;
  ALLY_FAST_SHARED(Block, rows, [kBlockRows]);
  const int64_t begin = int64_t{blockIdx.x} * kBlockRows, i = begin + threadIdx.x;
  if (i < m) {
    float multiplier;
    const bool finite = ascend(losses[i], slacks[i], before[i], lr, &multiplier);
    rows[threadIdx.x] = {term_of(losses[i], slacks[i], before[i]), !finite, finite ? kNone : i};
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  Block total{0, 0, kNone};
  add_in_order(rows, static_cast<int>(min(kBlockRows, m - begin)), &total);
  blocks[blockIdx.x] = total;
}

// Mapping: one block of threads. Shared memory: kThreads blocks of rows at a time.
// Accumulator: float64 (Block). Order of sums: thread 0 adds the blocks in order.
__global__ void report_kernel(const Block* blocks, int64_t count, int64_t m, const int64_t* ids,
                              const int64_t* classes, StepReport report,
                              const unsigned long long* error) {
  ALLY_FAST_SHARED(Block, some, [kThreads]);
  Block total{0, 0, kNone};
  const unsigned long long raised = *error;
  for (int64_t begin = 0; begin < count && raised == kNoError; begin += kThreads) {
    if (begin + threadIdx.x < count) some[threadIdx.x] = blocks[begin + threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) {
      add_in_order(some, static_cast<int>(min(int64_t{kThreads}, count - begin)), &total);
    }
    __syncthreads();
  }
  if (threadIdx.x > 0) return;
  int64_t which = 0, row = -1, value = -1;
  if (raised != kNoError) {
    which = static_cast<int64_t>(raised >> kErrorShift);
    const int64_t place = static_cast<int64_t>(raised & ((1ull << kErrorShift) - 1));
    const bool repeated = which == static_cast<int64_t>(StepError::kRepeatedId);
    const bool target = which == static_cast<int64_t>(StepError::kTarget);
    row = repeated ? -1 : place;
    value = repeated ? place : (target ? classes : ids)[place];
  }
  *report.lagrangian = raised != kNoError ? NAN : m > 0 ? total.sum / static_cast<double>(m) : 0.0;
  report.numbers[0] = total.nonfinite;
  report.numbers[1] = total.nonfinite > 0 ? ids[total.first_nonfinite] : -1;
  report.numbers[2] = which;
  report.numbers[3] = row;
  report.numbers[4] = value;
}

// A step between its checks and its report: run(error) queues what computes losses and ascends.
template <class Run>
void queue_step(const OpScope& scope, const DualVariablesView& duals, int64_t m,
                const int64_t* classes, int64_t c, const StepArrays& step, const StepReport& report,
                const Run& run) {
  Buffer<unsigned> seen(scope, duals.n / 32 + 1);
  Buffer<unsigned long long> error(scope, 1);
  const int64_t count = blocks_for(m, kBlockRows);
  Buffer<Block> blocks(scope, count);
  scope.fill(seen.data(), 0, seen.bytes());
  scope.fill(error.data(), 0xFF, error.bytes());
  scope.launch(check_kernel, {count, kThreads}, duals, m, classes, c, seen.data(), error.data());
  run(error.data());
  scope.launch(block_sums_kernel, {count, kThreads}, step.losses, step.slacks, step.before, m,
               duals.lr, blocks.data(), error.data());
  scope.launch(report_kernel, {1, kThreads}, blocks.data(), count, m, duals.ids, classes, report,
               error.data());
}

double mean_scale(double scale, int64_t m) { return scale / static_cast<double>(m); }

}  // namespace

void dual_ascent_cuda(const CudaStream& stream, const Predictions& predictions,
                      const DualVariablesView& duals, double scale, const StepArrays& step,
                      const StepReport& report) {
  const OpScope scope("dual_ascent", stream);
  const int64_t m = predictions.outputs.n, c = predictions.outputs.d;
  queue_step(scope, duals, m, predictions.classes, c, step, report, [&](auto* error) {
    launch_rows(scope, {predictions, duals, step, mean_scale(scale, m), true, error});
  });
}

void dual_ascent_losses_cuda(const CudaStream& stream, const float* losses,
                             const float* dual_losses, int64_t m, const DualVariablesView& duals,
                             float* slacks, float* before, const StepReport& report) {
  const OpScope scope("dual_ascent_losses", stream);
  // The sums only read the losses.
  const StepArrays step{const_cast<float*>(losses), slacks, before, nullptr, nullptr};
  queue_step(scope, duals, m, nullptr, 0, step, report, [&](auto* error) {
    scope.launch(ascend_kernel, {blocks_for(m, kThreads), kThreads}, losses, dual_losses, m, duals,
                 slacks, before, error);
  });
}

void dual_ascent_gradient_cuda(const CudaStream& stream, const Predictions& predictions,
                               double scale, const StepArrays& step) {
  const OpScope scope("dual_ascent_gradient", stream);
  const int64_t m = predictions.outputs.n;
  launch_rows(scope, {predictions, {}, step, mean_scale(scale, m), false, nullptr});
}

}  // namespace ally_fast
