#include <algorithm>

#include "../../common/cuda/octet.h"
#include "../../common/cuda/scope.h"
#include "../../common/sums/grid.h"
#include "feature_grid.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kDeep = 64;  // values of a thread, at least, where there are enough

// Integers in the order of floats; -0 below 0.
__device__ __forceinline__ int ordered_key(float value) {
  const int bits = __float_as_int(value);
  return bits < 0 ? bits ^ INT32_MAX : bits;
}
__device__ __forceinline__ float value_of_key(int key) {
  return __int_as_float(key < 0 ? key ^ INT32_MAX : key);
}

// Mapping: a thread a feature.
// Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads) start_kernel(int64_t d, int* low, int* high) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j >= d) return;
  low[j] = INT32_MAX;
  high[j] = INT32_MIN;
}

// Keys of each feature's minimum and maximum. Rows are taken as wider ones of `width` values, a multiple
// of d, so that few features fill a block too.
// Mapping: a thread a column of the wide rows, `parts` threads a column in turns.
// Shared memory: none.
// Accumulator: minimum and maximum. Order: any.
__global__ void __launch_bounds__(kThreads)
    extremes_kernel(const float* rows, int64_t values, int64_t d, int64_t width, int64_t parts,
                    int* low, int* high) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t column = thread % width, part = thread / width;
  if (part >= parts) return;
  int least = INT32_MAX, largest = INT32_MIN;
#pragma unroll 4
  for (int64_t at = part * width + column; at < values; at += parts * width) {
    const int key = ordered_key(rows[at]);
    least = min(least, key);
    largest = max(largest, key);
  }
  atomicMin(low + column % d, least);
  atomicMax(high + column % d, largest);
}

// Mapping: one octet, lanes over features.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kOctet)
    grid_kernel(const int* low, const int* high, int64_t d, int bits, double* grid) {
  const double widest = octet_sum_of_terms(d, [=](int64_t j) {
    const GridFeature feature = grid_feature(value_of_key(low[j]), value_of_key(high[j]), bits);
    grid[j] = feature.shift;
    grid[d + j] = feature.scale;
    const double width = 2 * feature.half;
    return width * width;
  });
  if (octet_lane() == 0) grid[2 * d] = distance_scale_of(widest, bits);
}

}  // namespace

void feature_grid_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                       double* grid) {
  const OpScope scope("feature_grid", stream);
  const Buffer<int> low(scope, d), high(scope, d);
  const int64_t width = d * std::max<int64_t>(1, kThreads / d);
  const int64_t most =
      std::max<int64_t>(1, int64_t{16} * kThreads * scope.multiprocessors() / width);
  const int64_t parts = std::clamp<int64_t>(t * d / (width * kDeep), 1, most);
  scope.launch(start_kernel, {blocks_for(d, kThreads), kThreads}, d, low.data(), high.data());
  scope.launch(extremes_kernel, {blocks_for(width * parts, kThreads), kThreads}, rows, t * d, d,
               width, parts, low.data(), high.data());
  scope.launch(grid_kernel, {1, kOctet}, low.data(), high.data(), d, grid_bits(t), grid);
}

}  // namespace ally_fast
