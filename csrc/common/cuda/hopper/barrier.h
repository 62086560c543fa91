// Barriers in shared memory that count arrivals and bytes (mbarrier), and named barriers among warps
// (bar.sync). Compute capability 9.0.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#ifdef ALLY_FAST_EMULATED_CUDA
#include "emulator/hopper.h"
#endif

namespace ally_fast {

#ifdef ALLY_FAST_EMULATED_CUDA

inline uint32_t window_address(const void* pointer) { return emulator::shared_address(pointer); }
inline void barrier_init(uint64_t* barrier, int arrivals) {
  emulator::mbarrier_init(barrier, static_cast<uint32_t>(arrivals));
}
inline void fence_barrier_init() { emulator::fence_async(); }
inline void fence_shared() {}
inline void barrier_arrive(uint64_t* barrier) { emulator::mbarrier_arrive(barrier); }
inline void barrier_arrive_expect(uint64_t* barrier, uint32_t bytes) {
  emulator::mbarrier_arrive_expect(barrier, bytes);
}
inline void barrier_wait(uint64_t* barrier, uint32_t parity) {
  while (!emulator::mbarrier_try_wait(barrier, parity)) {
  }
}
template <int kId, int kThreads>
void named_barrier_sync() {
  emulator::named_sync(kId, kThreads);
}
template <int kId, int kThreads>
void named_barrier_arrive() {
  emulator::named_arrive(kId, kThreads);
}

#else

__device__ __forceinline__ uint32_t window_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// A phase ends when `arrivals` threads have arrived and the bytes expected have come. One thread.
__device__ __forceinline__ void barrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(window_address(barrier)),
               "r"(arrivals)
               : "memory");
}
// By the thread that made them, before a __syncthreads: the copy engine sees them too.
__device__ __forceinline__ void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
// What this thread wrote to shared memory, the tensor cores see after a barrier.
__device__ __forceinline__ void fence_shared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(window_address(barrier))
               : "memory");
}
// Arrives, and makes the phase wait for so many bytes of copies.
__device__ __forceinline__ void barrier_arrive_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(window_address(barrier)),
      "r"(bytes)
      : "memory");
}
// Until the phase of this parity is over. The phase before the first counts as over: parity 1.
__device__ __forceinline__ void barrier_wait(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(window_address(barrier)),
      "r"(parity)
      : "memory");
}

// Waits until kThreads threads have come, those that only arrive included. Id 0 is __syncthreads.
template <int kId, int kThreads>
__device__ __forceinline__ void named_barrier_sync() {
  asm volatile("bar.sync %0, %1;" ::"n"(kId), "n"(kThreads) : "memory");
}
template <int kId, int kThreads>
__device__ __forceinline__ void named_barrier_arrive() {
  asm volatile("bar.arrive %0, %1;" ::"n"(kId), "n"(kThreads) : "memory");
}

#endif

// Where a thread stands in a ring of slots, each with a barrier whose phases it follows.
struct RingPlace {
  int slot = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void advance(int slots) {
    if (++slot == slots) {
      slot = 0;
      parity ^= 1;
    }
  }
};

}  // namespace ally_fast
