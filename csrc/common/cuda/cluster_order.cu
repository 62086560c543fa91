#include "cluster_order.h"

#include "atomic.h"
#include "block_sum.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kOneBlock = 1024;

// -1 past the end, and for rows that are left out.
__device__ __forceinline__ int32_t cluster_of(const int32_t* assignments, int64_t t,
                                              const uint8_t* among, int64_t i) {
  if (i >= t) return -1;
  const int32_t c = assignments[i];
  return among && !among[c] ? -1 : c;
}

// Mapping: a thread a row.
// Shared memory: none.
// Accumulator: integers, from one atomic for each cluster in a warp. Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    count_kernel(const int32_t* assignments, int64_t t, const uint8_t* among, int64_t* counts) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  append_cluster_positions(counts, cluster_of(assignments, t, among, i));
}

// Mapping: one block, threads in strides over the clusters.
// Shared memory: of exclusive_sums.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kOneBlock, 1)
    begins_kernel(int64_t k, const int64_t* counts, int64_t* begins) {
  exclusive_sums(k, [&](int64_t c) { return counts[c]; }, begins);
}

// `next` (k,): where each cluster's next row goes.
// Mapping, shared memory, accumulator: as count_kernel.
__global__ void __launch_bounds__(kThreads)
    order_kernel(const int32_t* assignments, int64_t t, const uint8_t* among, int64_t* next,
                 int32_t* rows) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t position = append_cluster_positions(next, cluster_of(assignments, t, among, i));
  if (position >= 0) rows[position] = static_cast<int32_t>(i);
}

}  // namespace

DeviceClusterOrder::DeviceClusterOrder(const OpScope& scope, const int32_t* assignments, int64_t t,
                                       int64_t k, const uint8_t* among)
    : k_(k), rows_(scope, t), begins_(scope, k + 1) {
  const Buffer<int64_t> counts(scope, k);
  const Shape by_row{blocks_for(t, kThreads), kThreads};
  scope.fill(counts.data(), 0, counts.bytes());
  scope.launch(count_kernel, by_row, assignments, t, among, counts.data());
  scope.launch(begins_kernel, {1, kOneBlock}, k, counts.data(), begins_.data());
  scope.copy(counts.data(), begins_.data(), counts.bytes());
  scope.launch(order_kernel, by_row, assignments, t, among, counts.data(), rows_.data());
}

}  // namespace ally_fast
