// Matrix products of a warpgroup on the tensor cores (wgmma), asynchronous. sm_90a only.
//
//   wgmma_fence();                      registers and shared memory are as the products shall see them
//   wgmma_accumulate(d, a, b); …        D += A B'
//   wgmma_commit();                     these were a group
//   wgmma_wait<n>();                    at most n groups are still under way
//   wgmma_finish(d);                    after wgmma_wait<0>: D may be read and written again
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "barrier.h"

namespace ally_fast {

constexpr int kWarpgroup = 128;
constexpr int kWgmmaRows = 64, kWgmmaColumns = 128, kWgmmaDepth = 16;

// Thread t holds, for i < 64, row t / 32 * 16 + (t % 32) / 4 + 8 * (i / 2 % 2),
// column 8 * (i / 4) + 2 * (t % 4) + i % 2 of D (PTX ISA, wgmma.m64nNk16).
using Accumulators = float[kWgmmaRows * kWgmmaColumns / kWarpgroup];

// An operand in shared memory as copy_box leaves it: rows of 64 float16, 128-byte swizzle, aligned to
// 1024 bytes. Eight rows, 1024 bytes, on to the next eight.
__device__ __forceinline__ uint64_t wgmma_operand(const void* box) {
  constexpr uint64_t kSwizzle128 = 1, kUnused = 1, kEightRows = 1024;
  return kSwizzle128 << 62 | (kEightRows >> 4) << 32 | kUnused << 16 |
         (window_address(box) & 0x3FFFF) >> 4;
}
// The same, so many bytes on: 32 a step of 16 in K, 8192 to the next 64 rows.
__device__ __forceinline__ uint64_t wgmma_advance(uint64_t operand, int bytes) {
  return operand + static_cast<uint64_t>(bytes >> 4);
}

#ifdef ALLY_FAST_EMULATED_CUDA

inline void wgmma_fence() { emulator::wgmma_fence(); }
inline void wgmma_commit() { emulator::wgmma_commit(); }
template <int kGroups>
void wgmma_wait() {
  emulator::wgmma_wait(kGroups);
}
inline void wgmma_finish(Accumulators&) {}
inline void wgmma_accumulate(Accumulators& d, uint64_t a, uint64_t b) {
  emulator::wgmma(d, kWgmmaColumns, a, b);
}
template <int kCount>
void raise_registers() {
  emulator::raise_registers(kCount);
}
template <int kCount>
void lower_registers() {
  emulator::lower_registers(kCount);
}

#else

__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kGroups>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}
// Keeps the compiler from reading D before the wait.
__device__ __forceinline__ void wgmma_finish(Accumulators& d) {
#pragma unroll
  for (float& value : d) asm volatile("" : "+f"(value)::"memory");
}

// A (64, 16) and B (128, 16), float16, both from shared memory, K-major.
__device__ __forceinline__ void wgmma_accumulate(Accumulators& d, uint64_t a, uint64_t b) {
  asm volatile(
      "{\n"
      ".reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, 1, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, "
      "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, "
      "%35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, "
      "%52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, accumulate, 1, 1, 0, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),
        "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]),
        "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]),
        "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
        "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]),
        "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]),
        "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]),
        "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
        "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]),
        "+f"(d[63])
      : "l"(a), "l"(b));
}

// Registers a thread of this warpgroup may use, taken from or given to the block's other warpgroups.
template <int kCount>
__device__ __forceinline__ void raise_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ __forceinline__ void lower_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}

#endif

}  // namespace ally_fast
