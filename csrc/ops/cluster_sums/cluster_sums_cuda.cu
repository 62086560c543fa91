#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/cluster_order.h"
#include "../../common/cuda/cluster_runs.h"
#include "../../common/cuda/scope.h"
#include "cluster_sums.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRowsOfOctet = 16;

// Mapping: a warp a run of rows and a slice of features (add_run of cluster_runs.h).
// Shared memory: none.
// Accumulator: int64, in registers, then global. Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    sums_kernel(const float* rows, int64_t d, const double* grid, const int32_t* order,
                const int64_t* count, const int32_t* assignments, int64_t* sums) {
  const int64_t warp = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  add_run(
      warp, rows, d, Grid(grid, d), order, count, [=](int32_t i) { return assignments[i]; }, sums);
}

// Mapping: a thread a cluster. Shared memory: none. Nothing is summed.
__global__ void __launch_bounds__(kThreads)
    counts_kernel(const int64_t* begins, int64_t k, int64_t* counts) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c < k) counts[c] += begins[c + 1] - begins[c];
}

// Mapping: an octet 16 rows, in their own order.
// Shared memory: of block_sum.
// Accumulator: float64 for a distance, in the exact rule's order (octet.h), then integers.
// Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    spread_kernel(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                  const float* centroids, const double* grid, int bits, int64_t* spread) {
  const int64_t octet = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kOctet;
  const int64_t end = min(t, (octet + 1) * kRowsOfOctet);
  const double scale = *Grid(grid, d).distance_scale;
  DistanceSum own{0, 0};
  for (int64_t i = octet * kRowsOfOctet; i < end; ++i) {
    const double distance = octet_distance(rows + i * d, centroids + assignments[i] * d, d);
    const DistanceSum term = grid_distance(distance, scale, bits);
    own.high += term.high;
    own.low += term.low;
  }
  const bool counts = octet_lane() == 0;
  const int64_t high = block_sum(counts ? own.high : 0), low = block_sum(counts ? own.low : 0);
  if (threadIdx.x > 0) return;
  atomic_add(spread, high);
  atomic_add(spread + 1, low);
}

}  // namespace

void cluster_sums_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                       const int32_t* assignments, const float* centroids, int64_t k,
                       const double* grid, int64_t most, int64_t* sums, int64_t* counts,
                       int64_t* spread) {
  const OpScope scope("cluster_sums", stream);
  const DeviceClusterOrder order(scope, assignments, t, k, nullptr);
  scope.launch(sums_kernel, {blocks_for(run_warps(t, d), kThreads / 32), kThreads}, rows, d, grid,
               order.rows(), order.count(), assignments, sums);
  scope.launch(counts_kernel, {blocks_for(k, kThreads), kThreads}, order.begins(), k, counts);
  if (!centroids) return;
  const int64_t rows_of_block = kThreads / kOctet * kRowsOfOctet;
  scope.launch(spread_kernel, {blocks_for(t, rows_of_block), kThreads}, rows, t, d, assignments,
               centroids, grid, grid_bits(most), spread);
}

}  // namespace ally_fast
