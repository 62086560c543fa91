// Sort of entries in shared memory by the threads of a block.
//
// A bitonic network in which every exchange puts the smaller entry first (the first step of a merge
// mirrors its second half): entries past the end would stay there, so exchanges with them are left
// out and nothing is padded. Source: Batcher, "Sorting networks and their applications", AFIPS 1968.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace ally_fast {

template <class Less, class Entry>
__device__ __forceinline__ void exchange(Entry& low, Entry& high) {
  if (Less{}(high, low)) {
    const Entry held = low;
    low = high;
    high = held;
  }
}

// Index of the lower entry of a pair whose indices differ in bit `distance` and maybe below.
template <class Index>
__device__ __forceinline__ Index lower_of(Index pair, Index distance) {
  return 2 * pair - (pair & (distance - 1));
}

// One step: pairs (i, i ^ mask), `distance` the highest bit of the mask. Ends at a barrier.
template <class Less, class Entry>
__device__ __forceinline__ void tile_step(Entry* tile, int count, int distance, int mask) {
  const int pairs = ((count + 2 * distance - 1) & -(2 * distance)) / 2;
  for (int pair = static_cast<int>(threadIdx.x); pair < pairs;
       pair += static_cast<int>(blockDim.x)) {
    const int low = lower_of(pair, distance), high = low ^ mask;
    if (high < count) exchange<Less>(tile[low], tile[high]);
  }
  __syncthreads();
}

// The steps of a merge from `distance` down.
template <class Less, class Entry>
__device__ __forceinline__ void finish_merge(Entry* tile, int count, int distance) {
  for (; distance > 0; distance /= 2) tile_step<Less>(tile, count, distance, distance);
}

// All threads of the block call it, after a barrier behind the last write; it ends at one.
template <class Less, class Entry>
__device__ __forceinline__ void sort_tile(Entry* tile, int count) {
  for (int reach = 1; reach < count; reach *= 2) {
    tile_step<Less>(tile, count, reach, 2 * reach - 1);
    finish_merge<Less>(tile, count, reach / 2);
  }
}

}  // namespace ally_fast
