#include <memory>

#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/late_scalar.h"
#include "../../common/cuda/octet.h"
#include "../../common/cuda/scan/near.h"
#include "../../common/cuda/scope.h"
#include "../../common/philox.h"
#include "d2_sample.h"
#include "round.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kOneBlock = 1024;
constexpr int kLocateThreads = 128;
#ifdef ALLY_FAST_EMULATED_CUDA
constexpr int64_t kStagedSums = 16;  // so that tests of few rows come to the second tile of them
#else
constexpr int64_t kStagedSums = 1024;
#endif
constexpr int kWalk = 8;  // values read ahead of a sequential walk over shared memory
constexpr int kMostProposals = static_cast<int>(most_proposals(kLargestRound));
constexpr int kAcceptThreads = static_cast<int>(round_up(kMostProposals, 32));
constexpr int kColumns = static_cast<int>(round_up(kMostProposals, kWalk));

// What the host learns, a round late.
constexpr double kOpen = 1, kDone = 0, kShort = -1;  // kShort: all rows lie on centres

struct State {
  int64_t taken;      // centres found
  int64_t accepted;   // of these, by the last round
  int64_t draws;      // made so far
  int64_t wanted;     // by the next round
  int64_t proposals;  // that it may make
  double total;       // sum of the weights
  double status;
};

struct Problem {
  const float* rows;
  int64_t t, d, k, blocks;
  uint64_t seed;
  double* weights;     // (t,) squared distance to the nearest centre
  double* block_sums;  // (blocks,) of kWeightBlock weights
  int64_t* proposals;  // (kMostProposals,) rows
  double* distances;   // (kMostProposals, kColumns) between proposals, below the diagonal
  float* centres;      // (kLargestRound, d) of the last round
  int64_t* positions;  // (k,)
  State* state;
};

__device__ __forceinline__ Philox4 d2_draw(const Problem& problem, int64_t index) {
  return draw(problem.seed, Purpose::kD2Sample, static_cast<uint64_t>(index));
}

// The first centre, and no weights.
// Mapping: a thread a weight. Shared memory: none. Nothing is summed.
__global__ void __launch_bounds__(kThreads) start_kernel(Problem problem) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j < problem.t) problem.weights[j] = HUGE_VAL;
  if (j > 0) return;
  const Philox4 bits = d2_draw(problem, 0);
  const double place = to_uniform(bits.v[0], bits.v[1]) * static_cast<double>(problem.t);
  problem.positions[0] = min(static_cast<int64_t>(place), problem.t - 1);
  *problem.state = {1, 1, 1, 0, 0, 0.0, kOpen};
}

// The features of the last round's centres.
// Mapping: a block a centre. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads) centres_kernel(Problem problem) {
  const int64_t count = problem.state->accepted, c = blockIdx.x, d = problem.d;
  if (c >= count) return;
  const float* const row = problem.rows + problem.positions[problem.state->taken - count + c] * d;
  for (int64_t j = threadIdx.x; j < d; j += kThreads) problem.centres[c * d + j] = row[j];
}

// Copies `count` values to shared memory, zeros behind them up to a multiple of kWalk.
__device__ __forceinline__ void stage(const double* values, int64_t count, double* tile) {
  const int64_t padded = (count + kWalk - 1) / kWalk * kWalk;
  for (int64_t i = threadIdx.x; i < padded; i += blockDim.x) tile[i] = i < count ? values[i] : 0.0;
}

// Sum of a staged tile's values, in order, after `sum`. The zeros behind them change nothing.
__device__ __forceinline__ double add_in_order(const double* tile, int64_t count, double sum) {
  for (int64_t first = 0; first < count; first += kWalk) {
    double values[kWalk];
#pragma unroll
    for (int u = 0; u < kWalk; ++u) values[u] = tile[first + u];
#pragma unroll
    for (int u = 0; u < kWalk; ++u) sum += values[u];
  }
  return sum;
}

// Mapping: a block kWeightBlock rows; one thread adds.
// Shared memory: their weights.
// Accumulator: float64. Order of sums: by row.
__global__ void __launch_bounds__(kThreads) block_sums_kernel(Problem problem) {
  ALLY_FAST_SHARED(double, tile, [kWeightBlock]);
  const int64_t begin = int64_t{blockIdx.x} * kWeightBlock;
  const int64_t count = min(kWeightBlock, problem.t - begin);
  stage(problem.weights + begin, count, tile);
  __syncthreads();
  if (threadIdx.x == 0) problem.block_sums[blockIdx.x] = add_in_order(tile, count, 0.0);
}

// The sum of all weights, and with it what the next round is to do.
// Mapping: one block; one thread adds.
// Shared memory: some block sums at a time.
// Accumulator: float64. Order of sums: by block.
__global__ void __launch_bounds__(kThreads) total_kernel(Problem problem) {
  ALLY_FAST_SHARED(double, tile, [kStagedSums]);
  double total = 0;
  for (int64_t first = 0; first < problem.blocks; first += kStagedSums) {
    const int64_t count = min(kStagedSums, problem.blocks - first);
    __syncthreads();
    stage(problem.block_sums + first, count, tile);
    __syncthreads();
    if (threadIdx.x == 0) total = add_in_order(tile, count, total);
  }
  if (threadIdx.x > 0) return;
  State& state = *problem.state;
  const bool open = state.taken < problem.k && total > 0;
  state.total = total;
  state.accepted = 0;
  state.wanted = open ? wanted_in_round(problem.k, state.taken) : 0;
  state.proposals = open ? most_proposals(state.wanted) : 0;
  state.status = open ? kOpen : state.taken < problem.k ? kShort : kDone;
}

// Takes a staged tile's values off `target` in order, up to one that is larger: its place, `count` if
// there is none.
__device__ __forceinline__ int64_t walk(const double* tile, int64_t count, double* target) {
  double left = *target;
  for (int64_t first = 0; first < count; first += kWalk) {
    double values[kWalk];
#pragma unroll
    for (int u = 0; u < kWalk; ++u) values[u] = tile[first + u];
#pragma unroll
    for (int u = 0; u < kWalk; ++u) {
      if (first + u >= count || left < values[u]) {
        *target = left;
        return min(first + u, count);
      }
      left -= values[u];
    }
  }
  *target = left;
  return count;
}

// The rows on which the round's draws fall, weights laid end to end.
// Mapping: a block a proposal; one thread walks.
// Shared memory: some block sums at a time, then the weights of a block of rows.
// Accumulator: float64, what is left of the draw. Order of sums: by block, then by row.
__global__ void __launch_bounds__(kLocateThreads) locate_kernel(Problem problem) {
  ALLY_FAST_SHARED(double, tile, [kWeightBlock]);
  ALLY_FAST_SHARED(int64_t, found);
  const State& state = *problem.state;
  const int64_t p = blockIdx.x, last_block = problem.blocks - 1;
  if (p >= state.proposals) return;
  double target = 0;
  if (threadIdx.x == 0) {
    const Philox4 bits = d2_draw(problem, state.draws + p);
    target = to_uniform(bits.v[0], bits.v[1]) * state.total;
  }
  int64_t block = 0;
  while (block < last_block) {
    const int64_t count = min(kStagedSums, last_block - block);
    __syncthreads();
    stage(problem.block_sums + block, count, tile);
    __syncthreads();
    if (threadIdx.x == 0) found = walk(tile, count, &target);
    __syncthreads();
    block += found;
    if (found < count) break;
  }
  const int64_t begin = block * kWeightBlock, count = min(kWeightBlock, problem.t - begin);
  __syncthreads();
  stage(problem.weights + begin, count, tile);
  __syncthreads();
  if (threadIdx.x > 0) return;
  int64_t row = walk(tile, count, &target);
  if (row == count) {
    // Rounding can leave a remainder past the end: the last row of weight takes it.
    for (row = count - 1; row > 0 && !(tile[row] > 0);) --row;
  }
  problem.proposals[p] = begin + row;
}

// Distances of the proposals to those before them.
// Mapping: a block a proposal, an octet a pair.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void distances_kernel(Problem problem, RowsView view) {
  const int64_t p = blockIdx.x;
  if (p >= problem.state->proposals) return;
  const ExactRow<DType::kFloat32> row = exact_row<DType::kFloat32>(view, problem.proposals[p]);
  for (int64_t q = threadIdx.x / kOctet; q < p; q += kThreads / kOctet) {
    const float* const other = problem.rows + problem.proposals[q] * view.d;
    const double distance = exact_distance(row, other, view.d);
    if (octet_lane() == 0) problem.distances[p * kColumns + q] = distance;
  }
}

// Accepts proposals one after the other, each with probability D_now / D_start.
// Mapping: one block, a thread a proposal.
// Shared memory: which proposals are accepted.
// Accumulator: none. Order of sums: none.
__global__ void __launch_bounds__(kAcceptThreads, 1) accept_kernel(Problem problem) {
  ALLY_FAST_SHARED(bool, accepts, [kMostProposals]);
  const State before = *problem.state;
  if (before.wanted == 0) return;
  const int64_t own = threadIdx.x;
  int64_t position = 0;
  double now = 0, bar = 0;
  if (own < before.proposals) {
    position = problem.proposals[own];
    now = problem.weights[position];
    const Philox4 bits = d2_draw(problem, before.draws + own);
    bar = to_uniform(bits.v[2], bits.v[3]) * now;
  }
  int64_t accepted = 0, rejected = 0;
  for (int64_t first = 0; round_goes_on(before.wanted, accepted, rejected); first += kWalk) {
    double distances[kWalk];
#pragma unroll
    for (int u = 0; u < kWalk; ++u) {
      const bool later = first + u < own && own < before.proposals;
      distances[u] = later ? problem.distances[own * kColumns + first + u] : HUGE_VAL;
    }
#pragma unroll
    for (int u = 0; u < kWalk; ++u) {
      if (!round_goes_on(before.wanted, accepted, rejected)) continue;  // the same for all threads
      const int64_t p = first + u;
      if (own == p) accepts[p] = bar < now;
      __syncthreads();
      if (accepts[p]) {
        if (own == p) problem.positions[before.taken + accepted] = position;
        ++accepted;
        now = min(now, distances[u]);
      } else {
        ++rejected;
      }
    }
  }
  if (own > 0) return;
  problem.state->taken = before.taken + accepted;
  problem.state->accepted = accepted;
  problem.state->draws = before.draws + accepted + rejected;
}

// The lowest rows not taken yet become the centres that are missing.
// Mapping: one block. Shared memory: of block_exclusive_sum.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kOneBlock, 1)
    fill_up_kernel(Problem problem, const uint8_t* used) {
  int64_t place = problem.state->taken;
  for (int64_t first = 0; first < problem.t && place < problem.k; first += kOneBlock) {
    const int64_t j = first + threadIdx.x;
    const bool free = j < problem.t && !used[j];
    int64_t total;
    const int64_t own = place + block_exclusive_sum(free, &total);
    if (free && own < problem.k) problem.positions[own] = j;
    place += total;
  }
}

// Mapping: a thread a centre. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads) mark_kernel(Problem problem, uint8_t* used) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c < problem.state->taken) used[problem.positions[c]] = 1;
}

}  // namespace

void d2_sample_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d, int64_t k,
                    uint64_t seed, int64_t* positions) {
  const OpScope scope("d2_sample", stream);
  const int64_t blocks = blocks_for(t, kWeightBlock);
  const Buffer<double> weights(scope, t), block_sums(scope, blocks),
      distances(scope, int64_t{kMostProposals} * kColumns);
  const Buffer<int64_t> proposals(scope, kMostProposals);
  const Buffer<float> centres(scope, kLargestRound * d);
  const Buffer<State> state(scope, 1);
  const Problem problem{rows,
                        t,
                        d,
                        k,
                        blocks,
                        seed,
                        weights.data(),
                        block_sums.data(),
                        proposals.data(),
                        distances.data(),
                        centres.data(),
                        positions,
                        state.data()};
  const RowsView view = view_float32(rows, t, d);

  DeviceTable table(scope, kLargestRound, d);
  const auto lower_weights = [&] {
    scope.launch(centres_kernel, {kLargestRound, kThreads}, problem);
    table.pack(scope, centres.data(), &state.data()->accepted);
    lower_to_nearest(scope, view, table, weights.data());
    scope.launch(block_sums_kernel, {blocks, kThreads}, problem);
    scope.launch(total_kernel, {1, kThreads}, problem);
    return std::make_unique<LateScalar>(stream, &state.data()->status);
  };

  scope.launch(start_kernel, {blocks_for(t, kThreads), kThreads}, problem);
  std::unique_ptr<LateScalar> status = lower_weights();
  double known = kOpen;
  while (known == kOpen) {
    // A round past the end wants nothing, and changes nothing.
    scope.launch(locate_kernel, {kMostProposals, kLocateThreads}, problem);
    scope.launch(distances_kernel, {kMostProposals, kThreads}, problem, view);
    scope.launch(accept_kernel, {1, kAcceptThreads}, problem);
    std::unique_ptr<LateScalar> next = lower_weights();
    known = status->read();
    status = std::move(next);
  }
  if (known == kShort) {
    const Buffer<uint8_t> used(scope, t);
    scope.fill(used.data(), 0, used.bytes());
    scope.launch(mark_kernel, {blocks_for(k, kThreads), kThreads}, problem, used.data());
    scope.launch(fill_up_kernel, {1, kOneBlock}, problem, used.data());
  }
}

}  // namespace ally_fast
