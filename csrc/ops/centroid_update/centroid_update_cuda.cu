#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/octet.h"
#include "../../common/cuda/scope.h"
#include "../../common/exact.h"
#include "centroid_update.h"
#include "means.h"
#include "segment_sums.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kOneBlock = 1024;
constexpr int kStaged = 2048;  // values that one block holds in shared memory

// D(values, 0), in every lane of the octet.
__device__ __forceinline__ double octet_norm(const double* values, int64_t d) {
  double partial = 0;
  for (int64_t j = octet_lane(); j < d; j += kOctet) partial += values[j] * values[j];
  return octet_sum(partial);
}

// From sums and squares about the old centroids to means and spreads, in their place.
// Mapping: an octet a cluster. Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void means_kernel(int64_t k, int64_t d, const float* centroids, const int64_t* counts,
                             double* means, double* spread) {
  const int64_t c = int64_t{blockIdx.x} * (kThreads / kOctet) + threadIdx.x / kOctet;
  if (c >= k) return;
  double* const mean = means + c * d;
  const double norm = octet_norm(mean, d);
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    mean[j] = mean_feature(centroids[c * d + j], mean[j], counts[c]);
  }
  if (octet_lane() == 0) spread[c] = cluster_spread(spread[c], norm, counts[c]);
}

// Mapping: one block; eight threads add.
// Shared memory: 2048 spreads at a time.
// Accumulator: float64. Order of sums: sum_in_partials of exact.h.
__global__ void __launch_bounds__(kThreads)
    inertia_kernel(int64_t k, const double* spread, double* inertia) {
  ALLY_FAST_SHARED(double, tile, [kStaged]);
  ALLY_FAST_SHARED(double, partials, [8]);
  double partial = 0;
  for (int64_t first = 0; first < k; first += kStaged) {
    const int count = static_cast<int>(min(int64_t{kStaged}, k - first));
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
      tile[i] = spread[first + i];
    }
    __syncthreads();
    if (threadIdx.x >= 8) continue;
#pragma unroll 8
    for (int i = static_cast<int>(threadIdx.x); i < count; i += 8) partial += tile[i];
  }
  if (threadIdx.x < 8) partials[threadIdx.x] = partial;
  __syncthreads();
  if (threadIdx.x == 0) *inertia = combine_partials(partials);
}

struct Largest {
  double value;
  int64_t index;
};

// The largest value, lowest index on a tie, in every thread of the block.
__device__ __forceinline__ Largest block_largest(const double* values, int64_t count) {
  ALLY_FAST_SHARED(Largest, of_warp, [kOneBlock / 32]);
  const auto take = [](Largest& own, double value, int64_t index) {
    if (value > own.value || (value == own.value && index < own.index)) own = {value, index};
  };
  Largest own{-1.0, count};
  for (int64_t i = threadIdx.x; i < count; i += kOneBlock) take(own, values[i], i);
  for (int by = 16; by > 0; by /= 2) {
    const double value = __shfl_xor_sync(~0u, own.value, by);
    const int64_t index = __shfl_xor_sync(~0u, own.index, by);
    take(own, value, index);
  }
  __syncthreads();  // a call before may still be read
  if ((threadIdx.x & 31) == 0) of_warp[threadIdx.x / 32] = own;
  __syncthreads();
  Largest all = of_warp[0];
  for (int w = 1; w < kOneBlock / 32; ++w) take(all, of_warp[w].value, of_warp[w].index);
  return all;
}

// plan_halvings of centroid_update_cpu.cpp, with a whole block looking for the largest spread. `empty` (k,) scratch.
// Mapping: one block.
// Shared memory: of the functions called.
// Accumulator: none. Order of sums: none.
__global__ void __launch_bounds__(kOneBlock, 1)
    plan_kernel(int64_t k, int64_t d, const int64_t* counts, double* halved, int32_t* empty,
                Halving* halvings, int64_t* planned) {
  int64_t found = 0;
  for (int64_t first = 0; first < k; first += kOneBlock) {
    const int64_t c = first + threadIdx.x;
    const bool is_empty = c < k && counts[c] == 0;
    int64_t total;
    const int64_t place = found + block_exclusive_sum(is_empty, &total);
    if (is_empty) empty[place] = static_cast<int32_t>(c);
    found += total;
  }
  __syncthreads();
  int64_t at = 0;
  for (; at < found; ++at) {
    const Largest largest = block_largest(halved, k);
    if (!(largest.value > 0)) break;
    __syncthreads();
    if (threadIdx.x == 0) halvings[at] = halve_cluster(empty[at], largest.index, counts, d, halved);
    __syncthreads();
  }
  if (threadIdx.x == 0) *planned = at;
}

// Mapping: a thread a feature. Shared memory: none.
// Accumulator: none. Order of sums: by halving.
__global__ void __launch_bounds__(kThreads)
    halve_kernel(int64_t d, const Halving* halvings, const int64_t* planned, double* means) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j < d) halve_feature(halvings, *planned, j, d, means + j);
}

// Mapping: an octet a cluster. Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void centroids_kernel(int64_t k, int64_t d, const double* means, bool normalize,
                                 float* updated) {
  const int64_t c = int64_t{blockIdx.x} * (kThreads / kOctet) + threadIdx.x / kOctet;
  if (c >= k) return;
  const double* const mean = means + c * d;
  const double norm = normalize ? octet_norm(mean, d) : 0.0;
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    updated[c * d + j] = centroid_feature(mean[j], norm, normalize);
  }
}

}  // namespace

void centroid_update_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                          const int32_t* assignments, const float* centroids, int64_t k,
                          bool normalize, float* updated, int64_t* counts, double* spread,
                          double* inertia, int64_t workspace_bytes) {
  const OpScope scope("centroid_update", stream);
  const Buffer<double> means(scope, k * d), halved(scope, k);
  const Buffer<int32_t> empty(scope, k);
  const Buffer<Halving> halvings(scope, k);
  const Buffer<int64_t> planned(scope, 1);
  const Shape by_cluster{blocks_for(k, kThreads / kOctet), kThreads};

  sum_segments(scope, rows, t, d, assignments, centroids, k, means.data(), spread, counts,
               workspace_bytes);
  scope.launch(means_kernel, by_cluster, k, d, centroids, counts, means.data(), spread);
  scope.launch(inertia_kernel, {1, kThreads}, k, spread, inertia);
  scope.copy(halved.data(), spread, halved.bytes());
  scope.launch(plan_kernel, {1, kOneBlock}, k, d, counts, halved.data(), empty.data(),
               halvings.data(), planned.data());
  scope.launch(halve_kernel, {blocks_for(d, kThreads), kThreads}, d, halvings.data(),
               planned.data(), means.data());
  scope.launch(centroids_kernel, by_cluster, k, d, means.data(), normalize, updated);
}

}  // namespace ally_fast
