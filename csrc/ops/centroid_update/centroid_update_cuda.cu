#include "../../common/cuda/octet.h"
#include "../../common/cuda/scope.h"
#include "centroid_update.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;

// Mapping: an octet a cluster, a lane the same features throughout.
// Shared memory: none.
// Accumulator: float64, of the norm (normalize only). Order of sums: the exact rule's (octet.h).
__global__ void update_kernel(const int64_t* sums, const int64_t* counts, int64_t k, int64_t d,
                              const double* grid_values, Blend blend, Average average,
                              float* centroids) {
  const int64_t c = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kOctet;
  if (c >= k) return;
  const Grid grid(grid_values, d);
  double* const sum = average.sums + c * d;
  float* const centroid = centroids + c * d;
  const double size = blended_size(blend, average.sizes[c], counts[c]);
  __syncwarp(octet_mask());  // all have read it
  if (octet_lane() == 0) average.sizes[c] = size;
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    sum[j] = blended(blend, sum[j], sums[c * d + j], grid.scale[j]);
  }
  if (!(size > 0)) return;
  const auto mean = [&](int64_t j) { return grid.shift[j] + sum[j] / size; };
  if (!blend.normalize) {
    for (int64_t j = octet_lane(); j < d; j += kOctet) centroid[j] = static_cast<float>(mean(j));
    return;
  }
  const double norm = sqrt(octet_sum_of_terms(d, [&](int64_t j) { return mean(j) * mean(j); }));
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    centroid[j] = norm > 0 ? static_cast<float>(mean(j) / norm) : 0;
  }
}

}  // namespace

void centroid_update_cuda(const CudaStream& stream, const int64_t* sums, const int64_t* counts,
                          int64_t k, int64_t d, const double* grid, const Blend& blend,
                          const Average& average, float* centroids) {
  const OpScope scope("centroid_update", stream);
  scope.launch(update_kernel, {blocks_for(k, kThreads / kOctet), kThreads}, sums, counts, k, d,
               grid, blend, average, centroids);
}

}  // namespace ally_fast
