// The CUDA runtime as far as ally_fast uses it, on the host: `.cu` files include this in place of the
// toolkit's header when g++ compiles them for the tests.
//
// Streams are lazy: work is queued, and done only when somebody waits for it, so that a missing
// wait shows as a wrong answer or a poisoned value. Allocations are separate heap blocks filled with
// 0xCD, so that a sanitizer sees every access outside of them. Launches check what a device would:
// the stream's device is current, sizes are within limits, large shared memory was asked for.
//
// A test can ask for another machine by the environment, read at every call:
//   ALLY_FAST_EMULATED_DEVICES        how many (2)
//   ALLY_FAST_EMULATED_BYTES          memory of each (8 GiB)
//   ALLY_FAST_EMULATED_SHARED_BYTES   shared memory a block can ask for (232448)
//   ALLY_FAST_EMULATED_PAGEABLE       1: devices read pageable host memory themselves, later (0)
//   ALLY_FAST_EMULATED_POOLS          0: without memory pools (1)
//   ALLY_FAST_EMULATED_FAULT          what befalls the next kernel: "illegal" breaks the device for
//                                     the rest of the process, "hang" never ends, "wrong" spoils the
//                                     next copy to the host
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#include "fibers.h"

#define ALLY_FAST_EMULATED_CUDA 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

using dim3 = emulator::Dim3;

// Types of the runtime.

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotReady = 600,
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr {
  cudaDevAttrPageableMemoryAccess = 88,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMemoryPoolsSupported = 115,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
};
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice };
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
};
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor, multiProcessorCount;
};
struct EmulatedStream;
struct EmulatedEvent;
struct EmulatedPool;
using cudaStream_t = EmulatedStream*;
using cudaEvent_t = EmulatedEvent*;
using cudaMemPool_t = EmulatedPool*;
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
struct cudaMemLocation {
  cudaMemLocationType type;
  int id;
};
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  cudaMemLocation location;
};
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0;
constexpr unsigned long long cudaEnableDefault = 0;
enum cudaDriverEntryPointQueryResult {
  cudaDriverEntryPointSuccess,
  cudaDriverEntryPointSymbolNotFound,
};

// Functions of the runtime.

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes);
cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream);
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream);
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int bytes);
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* result);

namespace emulator {
cudaError_t enqueue_launch(const void* kernel, Dim3 grid, Dim3 block, size_t dynamic_shared,
                           cudaStream_t stream, std::function<void()> body);
}  // namespace emulator

namespace emulator {
template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), Dim3 grid, Dim3 block, size_t dynamic_shared,
                   cudaStream_t stream, A&&... arguments) {
  const std::tuple<P...> bound(std::forward<A>(arguments)...);
  return enqueue_launch(reinterpret_cast<const void*>(kernel), grid, block, dynamic_shared, stream,
                        [kernel, bound] { std::apply(kernel, bound); });
}
}  // namespace emulator

// What a kernel calls.

#define threadIdx (emulator::here().thread)
#define blockIdx (emulator::here().block)
#define blockDim (emulator::here().block_dim)
#define gridDim (emulator::here().grid_dim)
constexpr int warpSize = 32;

struct __attribute__((aligned(8))) float2 {
  float x, y;
};
struct __attribute__((aligned(16))) float4 {
  float x, y, z, w;
};
struct __attribute__((aligned(16))) uint4 {
  unsigned x, y, z, w;
};
struct __attribute__((aligned(8))) uint2 {
  unsigned x, y;
};

inline void __syncthreads() { emulator::barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { emulator::warp_barrier(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace emulator {
inline int lane() { return here().linear % kWarp; }
template <class T>
T shuffle(unsigned mask, T value, int from) {
  T result;
  exchange(mask, &value, sizeof value, from, &result);
  return result;
}
// The lane that a shuffle within segments of `width` reads; its own where that lies outside.
inline int within(int width, int target) {
  const int first = lane() / width * width;
  return target >= first && target < first + width ? target : lane();
}
}  // namespace emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  return emulator::shuffle(mask, value, emulator::lane() / width * width + from % width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  return emulator::shuffle(mask, value, emulator::within(width, emulator::lane() ^ bits));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int by, int width = 32) {
  return emulator::shuffle(mask, value, emulator::within(width, emulator::lane() + by));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int by, int width = 32) {
  return emulator::shuffle(mask, value, emulator::within(width, emulator::lane() - by));
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  unsigned result = 0;
  for (int from = 0; from < 32; ++from) {
    if (mask >> from & 1) {
      result |= unsigned{emulator::shuffle(mask, predicate != 0, from)} << from;
    }
  }
  return result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  unsigned result = 0;
  for (int from = 0; from < 32; ++from) {
    if (mask >> from & 1) {
      result |= unsigned{emulator::shuffle(mask, value, from) == value} << from;
    }
  }
  return result;
}

template <class T>
T atomicAdd(T* place, T value) {
  const T old = *place;
  *place += value;
  return old;
}
template <class T>
T atomicMax(T* place, T value) {
  const T old = *place;
  if (value > old) *place = value;
  return old;
}
template <class T>
T atomicMin(T* place, T value) {
  const T old = *place;
  if (value < old) *place = value;
  return old;
}
template <class T>
T atomicOr(T* place, T value) {
  const T old = *place;
  *place |= value;
  return old;
}
template <class T>
T atomicExch(T* place, T value) {
  const T old = *place;
  *place = value;
  return old;
}
template <class T>
T atomicCAS(T* place, T compare, T value) {
  const T old = *place;
  if (old == compare) *place = value;
  return old;
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __uint_as_float(unsigned x) {
  float value;
  std::memcpy(&value, &x, sizeof value);
  return value;
}
inline float __int_as_float(int x) { return __uint_as_float(static_cast<unsigned>(x)); }
inline long long __double_as_longlong(double x) {
  long long bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline double __longlong_as_double(long long x) {
  double value;
  std::memcpy(&value, &x, sizeof value);
  return value;
}
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
template <class T>
T __ldg(const T* place) {
  return *place;
}
template <class T>
T __ldcs(const T* place) {
  return *place;
}
template <class T>
void __stcs(T* place, T value) {
  *place = value;
}
using std::isfinite;
using std::isinf;
using std::isnan;
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}
