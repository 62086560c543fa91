// Shared memory of a block.
#pragma once
#include <cuda_runtime.h>

// Static: ALLY_FAST_SHARED(int, counts, [kBins]); is __shared__ int counts[kBins]. A macro, so that the
// emulator can count what a kernel has of it: static and dynamic part share one limit.
#ifdef ALLY_FAST_EMULATED_CUDA
#define ALLY_FAST_SHARED(type, name, ...)                               \
  static type name __VA_ARGS__;                                         \
  {                                                                     \
    static const void* counted_for = nullptr;                           \
    if (counted_for != emulator::running_kernel()) {                    \
      counted_for = emulator::count_static_shared(&name, sizeof(name)); \
    }                                                                   \
  }                                                                     \
  static_assert(true, "takes the semicolon")
#else
#define ALLY_FAST_SHARED(type, name, ...) __shared__ type name __VA_ARGS__
#endif

namespace ally_fast {

// Dynamic, aligned to 1024 bytes; offsets into it are the kernel's.
#ifdef ALLY_FAST_EMULATED_CUDA
inline char* dynamic_shared() { return emulator::here().dynamic_shared; }
#else
__device__ __forceinline__ char* dynamic_shared() {
  extern __shared__ __align__(1024) char ally_fast_dynamic_shared[];
  return ally_fast_dynamic_shared;
}
#endif

}  // namespace ally_fast
