#include <algorithm>

#include "../../common/cuda/octet.h"
#include "../../common/cuda/scope.h"
#include "../../common/cuda/sort.h"
#include "plan.h"
#include "relocate.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;

struct Ranked {
  double value;
  int32_t cluster;
};
struct Earlier {
  __device__ __forceinline__ bool operator()(const Ranked& a, const Ranked& b) const {
    return a.value != b.value ? a.value < b.value : a.cluster < b.cluster;
  }
};

// removal() of plan.h for every cluster, and what is to be sorted; count OUT: k.
// Mapping: a warp a cluster, its octets in turns over the list.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void removals_kernel(RowsView centroids, const int64_t* counts, const double* spread,
                                const int32_t* lists, int64_t length, double* costs, int32_t* heirs,
                                Ranked* by_cost, Ranked* by_spread, int64_t* count) {
  const int64_t c = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32, d = centroids.d;
  if (c >= centroids.visited) return;
  const int32_t* const list = lists + c * length;
  const ExactRow<DType::kFloat32> own = exact_row<DType::kFloat32>(centroids, c);
  double cost = HUGE_VAL;
  int64_t place = length;  // in the list; the lowest one on a tie
  for (int64_t e = (threadIdx.x & 31) / kOctet; e < length; e += 32 / kOctet) {
    const int64_t other = list[e];
    if (other == c) continue;
    const float* const features = reinterpret_cast<const float*>(row_address(centroids, other));
    const double found = merge_cost(exact_distance(own, features, d), counts[c], counts[other]);
    if (found < cost) {
      cost = found;
      place = e;
    }
  }
  for (int by = kOctet; by < 32; by *= 2) {
    const double other_cost = __shfl_xor_sync(~0u, cost, by);
    const int64_t other_place = __shfl_xor_sync(~0u, place, by);
    if (other_cost < cost || (other_cost == cost && other_place < place)) {
      cost = other_cost;
      place = other_place;
    }
  }
  if ((threadIdx.x & 31) > 0) return;
  costs[c] = cost;
  heirs[c] = list[place < length ? place : 0];
  by_cost[c] = {cost, static_cast<int32_t>(c)};
  by_spread[c] = {-spread[c], static_cast<int32_t>(c)};
  if (c == 0) *count = centroids.visited;
}

// What the plan is made from, for k clusters in all.
struct Plan {
  const double* costs;
  const double* spread;
  const int32_t* heirs;
  const Ranked* by_cost;
  const Ranked* by_spread;
  int64_t k, moves;
  Move* plan;
  int64_t* planned;

  static constexpr size_t kBytes = 2 * sizeof(double) + 3 * sizeof(int32_t) + sizeof(uint8_t);
};

// plan_moves of plan.h.
// Mapping: one block; one thread plans.
// Shared memory: or, where there is too little, `scratch`: all that it reads, k Plan::kBytes.
// Accumulator: none. Order of sums: none.
__global__ void __launch_bounds__(kThreads) plan_kernel(Plan in, char* scratch) {
  const int64_t k = in.k;
  double* const costs = reinterpret_cast<double*>(scratch ? scratch : dynamic_shared());
  double* const spread = costs + k;
  int32_t* const heirs = reinterpret_cast<int32_t*>(spread + k);
  int32_t* const by_cost = heirs + k;
  int32_t* const by_spread = by_cost + k;
  uint8_t* const busy = reinterpret_cast<uint8_t*>(by_spread + k);
  for (int64_t c = threadIdx.x; c < k; c += kThreads) {
    costs[c] = in.costs[c];
    spread[c] = in.spread[c];
    heirs[c] = in.heirs[c];
    by_cost[c] = in.by_cost[c].cluster;
    by_spread[c] = in.by_spread[c].cluster;
    busy[c] = 0;
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  *in.planned = plan_moves(costs, heirs, spread, by_cost, by_spread, k, in.moves, busy, in.plan);
}

// Mapping: a block a move, threads over features. Shared memory: none. Nothing is summed.
__global__ void __launch_bounds__(kThreads)
    move_kernel(Plan in, const float* centroids, const int64_t* counts, int64_t d, float* moved) {
  if (blockIdx.x >= *in.planned) return;
  const Move move = in.plan[blockIdx.x];
  const double radius = split_radius(in.spread[move.split], counts[move.split], d);
  for (int64_t j = threadIdx.x; j < d; j += kThreads) {
    move_feature(move, centroids, counts, radius, d, j, moved);
  }
}

}  // namespace

void relocate_cuda(const CudaStream& stream, const float* centroids, int64_t k, int64_t d,
                   const int64_t* counts, const double* spread, const int32_t* lists,
                   int64_t length, int64_t moves, float* moved) {
  const OpScope scope("relocate", stream);
  const int64_t most = std::min(k, moves);
  const Buffer<double> costs(scope, k);
  const Buffer<int32_t> heirs(scope, k);
  const Buffer<Ranked> by_cost(scope, k), by_spread(scope, k);
  const Buffer<int64_t> count(scope, 1), planned(scope, 1);
  const Buffer<Move> plan(scope, most);
  scope.copy(moved, centroids, k * d * static_cast<int64_t>(sizeof(float)));
  scope.launch(removals_kernel, {blocks_for(k, kThreads / 32), kThreads},
               view_float32(centroids, k, d), counts, spread, lists, length, costs.data(),
               heirs.data(), by_cost.data(), by_spread.data(), count.data());
  sort_entries<Earlier>(scope, by_cost.data(), count.data(), k);
  sort_entries<Earlier>(scope, by_spread.data(), count.data(), k);

  const Plan in{costs.data(), spread,      heirs.data(),  by_cost.data(), by_spread.data(), k,
                most,         plan.data(), planned.data()};
  const size_t bytes = static_cast<size_t>(k) * Plan::kBytes;
  const bool fits = bytes <= scope.largest_shared_bytes();
  const Buffer<char> scratch(scope, fits ? 0 : static_cast<int64_t>(bytes));
  scope.launch(plan_kernel, {1, kThreads, fits ? bytes : 0}, in, scratch.data());
  scope.launch(move_kernel, {most, kThreads}, in, centroids, counts, d, moved);
}

}  // namespace ally_fast
