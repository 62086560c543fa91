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

// What the plan is made from, and what it says.
struct Plan {
  double* costs;      // (k,)
  int32_t* heirs;     // (k,)
  Ranked* by_cost;    // (k,)
  Ranked* by_gain;    // (k,): gains negated
  int64_t* clusters;  // k, for the sorts
  Move* moves;        // (k / 2,)
  int64_t* planned;   // how many
  int32_t* heir_of;   // (k,): who takes a donor's rows; -1 for others
  int32_t* half_of;   // (k,): who takes half of a split one's; -1 for others

  // Of a cluster in plan_kernel's memory.
  static constexpr size_t kBytes = 2 * sizeof(double) + 3 * sizeof(int32_t) + sizeof(uint8_t);
};

// Each cluster's heir and cost, and what is to be sorted.
// Mapping: an octet a cluster.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kThreads)
    costs_kernel(Clustering clustering, Parts parts, const double* gains, Plan out) {
  const int64_t c = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kOctet, d = clustering.d;
  if (c >= clustering.k) return;
  const int64_t* const counts = clustering.counts;
  const int64_t heir = heir_of_cluster(counts, parts, c);
  const float* const centroids = clustering.centroids;
  const double apart = octet_distance(centroids + c * d, centroids + heir * d, d);
  if (octet_lane() > 0) return;
  const double cost = heir == c ? 0.0 : merge_cost(apart, counts[c], counts[heir]);
  const int32_t cluster = static_cast<int32_t>(c);
  out.costs[c] = cost;
  out.heirs[c] = static_cast<int32_t>(heir);
  out.by_cost[c] = {cost, cluster};
  out.by_gain[c] = {-gains[c], cluster};
  out.heir_of[c] = out.half_of[c] = -1;
  if (c == 0) *out.clusters = clustering.k;
}

// plan_moves of plan.h; gained OUT: of all moves, in the order of the plan.
// Mapping: one block; one thread plans.
// Shared memory: or, where there is too little, `scratch`: all that it reads, k Plan::kBytes.
// Accumulator: float64. Order of sums: the plan's.
__global__ void __launch_bounds__(kThreads)
    plan_kernel(int64_t k, const double* all_gains, Plan in, char* scratch, double* gained) {
  double* const costs = reinterpret_cast<double*>(scratch ? scratch : dynamic_shared());
  double* const gains = costs + k;
  int32_t* const heirs = reinterpret_cast<int32_t*>(gains + k);
  int32_t* const by_cost = heirs + k;
  int32_t* const by_gain = by_cost + k;
  uint8_t* const busy = reinterpret_cast<uint8_t*>(by_gain + k);
  for (int64_t c = threadIdx.x; c < k; c += kThreads) {
    costs[c] = in.costs[c];
    gains[c] = all_gains[c];
    heirs[c] = in.heirs[c];
    by_cost[c] = in.by_cost[c].cluster;
    by_gain[c] = in.by_gain[c].cluster;
    busy[c] = 0;
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  const int64_t planned = plan_moves(costs, heirs, gains, by_cost, by_gain, k, busy, in.moves);
  double sum = 0;
  for (int64_t m = 0; m < planned; ++m) {
    sum += gains[in.moves[m].split] - costs[in.moves[m].donor];
  }
  *gained = sum;
  *in.planned = planned;
}

// Mapping: a block a move, threads over features. Shared memory: none. Moves touch different clusters.
__global__ void __launch_bounds__(kThreads)
    move_kernel(Clustering clustering, Halves halves, Plan in) {
  if (blockIdx.x >= *in.planned) return;
  const Move move = in.moves[blockIdx.x];
  const int64_t d = clustering.d;
  const Grid grid(clustering.grid, d);
  for (int64_t j = threadIdx.x; j < d; j += kThreads) {
    move_feature(move, j, d, grid, halves.centroids, halves.sums, halves.counts, clustering.counts,
                 clustering.sums, clustering.centroids);
  }
  __syncthreads();  // all have read the counts
  if (threadIdx.x > 0) return;
  move_counts(move, halves.counts, clustering.counts, halves.stale);
  in.heir_of[move.donor] = move.heir;
  in.half_of[move.split] = move.donor;
}

// Mapping: a thread a row. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads)
    rows_kernel(Clustering clustering, const uint8_t* sides, Plan in) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= clustering.t || *in.planned == 0) return;
  int32_t& c = clustering.assignments[i];
  c = moved_row(c, sides[i], in.heir_of, in.half_of);
}

}  // namespace

void relocate_cuda(const CudaStream& stream, const Clustering& clustering, const Parts& parts,
                   const Halves& halves, double* gained) {
  const OpScope scope("relocate", stream);
  const int64_t k = clustering.k, most = k / 2;
  const Buffer<double> costs(scope, k);
  const Buffer<int32_t> heirs(scope, k), heir_of(scope, k), half_of(scope, k);
  const Buffer<Ranked> by_cost(scope, k), by_gain(scope, k);
  const Buffer<int64_t> clusters(scope, 1), planned(scope, 1);
  const Buffer<Move> moves(scope, most);
  const Plan plan{costs.data(), heirs.data(),   by_cost.data(), by_gain.data(), clusters.data(),
                  moves.data(), planned.data(), heir_of.data(), half_of.data()};
  scope.launch(costs_kernel, {blocks_for(k, kThreads / kOctet), kThreads}, clustering, parts,
               halves.gains, plan);
  sort_entries<Earlier>(scope, by_cost.data(), clusters.data(), k);
  sort_entries<Earlier>(scope, by_gain.data(), clusters.data(), k);

  const size_t bytes = static_cast<size_t>(k) * Plan::kBytes;
  const bool fits = bytes <= scope.largest_shared_bytes();
  const Buffer<char> scratch(scope, fits ? 0 : static_cast<int64_t>(bytes));
  scope.launch(plan_kernel, {1, kThreads, fits ? bytes : 0}, k, halves.gains, plan, scratch.data(),
               gained);
  scope.launch(move_kernel, {most, kThreads}, clustering, halves, plan);
  scope.launch(rows_kernel, {blocks_for(clustering.t, kThreads), kThreads}, clustering,
               halves.sides, plan);
}

}  // namespace ally_fast
