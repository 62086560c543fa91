// Sums over the threads of a block; integers, so that no order matters. All threads call them, in
// one-dimensional blocks of whole warps.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "shared.h"

namespace ally_fast {

// Sum of the values of the threads before this one; `total` OUT: of all, in every thread.
__device__ __forceinline__ int64_t block_exclusive_sum(int64_t value, int64_t* total) {
  ALLY_FAST_SHARED(int64_t, of_warp, [32]);
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int warps = static_cast<int>(blockDim.x) >> 5;
  int64_t sum = value;  // of the lanes up to this one
  for (int by = 1; by < 32; by *= 2) {
    const int64_t below = __shfl_up_sync(~0u, sum, by);
    if (lane >= by) sum += below;
  }
  __syncthreads();  // a call before may still be read
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  int64_t before = 0, all = 0;
  for (int w = 0; w < warps; ++w) {
    if (w == warp) before = all;
    all += of_warp[w];
  }
  *total = all;
  return before + sum - value;
}

__device__ __forceinline__ int64_t block_sum(int64_t value) {
  int64_t total;
  block_exclusive_sum(value, &total);
  return total;
}

// out[i] = sum of value(0), …, value(i - 1) for i in [0, count], by one block.
template <class Value>
__device__ void exclusive_sums(int64_t count, const Value& value, int64_t* out) {
  int64_t before = 0;
  for (int64_t first = 0; first < count; first += blockDim.x) {
    const int64_t i = first + threadIdx.x;
    int64_t total;
    const int64_t sum = block_exclusive_sum(i < count ? value(i) : 0, &total);
    if (i < count) out[i] = before + sum;
    before += total;
  }
  if (threadIdx.x == 0) out[count] = before;
}

}  // namespace ally_fast
