// Atomics on the counters that ops keep: 64-bit integers, so that any order gives the same.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace ally_fast {

// Returns what was there before.
__device__ __forceinline__ int64_t atomic_add(int64_t* to, int64_t value) {
#ifdef ALLY_FAST_EMULATED_CUDA
  return atomicAdd(to, value);
#else
  static_assert(sizeof(unsigned long long) == sizeof(int64_t), "two's complement either way");
  return static_cast<int64_t>(
      atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value)));
#endif
}

__device__ __forceinline__ void atomic_min(int64_t* to, int64_t value) {
#ifdef ALLY_FAST_EMULATED_CUDA
  atomicMin(to, value);
#else
  atomicMin(reinterpret_cast<long long*>(to), static_cast<long long>(value));
#endif
}

__device__ __forceinline__ void atomic_max(int64_t* to, int64_t value) {
#ifdef ALLY_FAST_EMULATED_CUDA
  atomicMax(to, value);
#else
  atomicMax(reinterpret_cast<long long*>(to), static_cast<long long>(value));
#endif
}

// A position for each lane whose `wants` is true, one after the other, from one atomic a warp; -1 for
// the others. All 32 lanes call it.
__device__ __forceinline__ int64_t append_positions(int64_t* count, bool wants) {
  const unsigned takers = __ballot_sync(~0u, wants);
  if (takers == 0) return -1;  // the same for all lanes
  const int lane = static_cast<int>(threadIdx.x) & 31, leader = __ffs(static_cast<int>(takers)) - 1;
  int64_t first = 0;
  if (lane == leader) first = atomic_add(count, __popc(takers));
  first = __shfl_sync(~0u, first, leader);
  return wants ? first + __popc(takers & ((1u << lane) - 1)) : -1;
}

// The same with a counter for each cluster, from one atomic for each cluster in the warp; -1 for lanes
// whose `cluster` is negative. All 32 lanes call it.
__device__ __forceinline__ int64_t append_cluster_positions(int64_t* counts, int32_t cluster) {
  const unsigned alike = __match_any_sync(~0u, cluster);
  const int lane = static_cast<int>(threadIdx.x) & 31, leader = __ffs(static_cast<int>(alike)) - 1;
  int64_t first = 0;
  if (lane == leader && cluster >= 0) first = atomic_add(counts + cluster, __popc(alike));
  first = __shfl_sync(~0u, first, leader);
  return cluster >= 0 ? first + __popc(alike & ((1u << lane) - 1)) : -1;
}

}  // namespace ally_fast
