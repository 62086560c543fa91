// Tensor-core products, the shared-memory loads that feed them, and copies that do not wait: the
// instructions of sm_80, each with a twin for the emulator.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#ifdef ALLY_FAST_EMULATED_CUDA
#include <functional>
#include <vector>

#include "emulator/tensor_core.h"
#endif

#include "../element.h"

namespace ally_fast {

#ifndef ALLY_FAST_EMULATED_CUDA

// Address within shared memory; offsets in bytes may be added to it.
using SharedAddress = uint32_t;

__device__ __forceinline__ SharedAddress shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}
__device__ __forceinline__ float load_shared_float(SharedAddress at) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(at));
  return value;
}
__device__ __forceinline__ float2 load_shared_float2(SharedAddress at) {
  float2 value;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(value.x), "=f"(value.y) : "r"(at));
  return value;
}
__device__ __forceinline__ void store_shared_float(SharedAddress at, float value) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(at), "f"(value) : "memory");
}

// Four 8 x 8 matrices of 16-bit words: lane l gives the address of row l % 8 of matrix l / 8 (16
// bytes, aligned); word i holds (row l / 4, columns 2 (l % 4) and the next) of matrix i.
__device__ __forceinline__ void load_matrices(uint32_t (&words)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(row));
}

// c (16 x 8, float32) += a (16 x 16) b (16 x 8), float16; fragments as the PTX ISA lays them out.
__device__ __forceinline__ void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// 16 bytes (aligned) from global to shared memory, by way of the L2 cache alone.
__device__ __forceinline__ void copy_async_16(SharedAddress to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void copy_async_4(SharedAddress to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
// Closes this thread's group of copies.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most the latest kGroups groups of this thread are under way.
template <int kGroups>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

// Two floats as float16, nearest even: `low` in the low half.
__device__ __forceinline__ uint32_t floats_to_halves(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

#else

using SharedAddress = char*;

inline SharedAddress shared_address(const void* pointer) {
  return const_cast<char*>(static_cast<const char*>(pointer));
}
inline float load_shared_float(SharedAddress at) { return *reinterpret_cast<const float*>(at); }
inline float2 load_shared_float2(SharedAddress at) { return *reinterpret_cast<const float2*>(at); }
inline void store_shared_float(SharedAddress at, float value) {
  *reinterpret_cast<float*>(at) = value;
}

inline void load_matrices(uint32_t (&words)[4], SharedAddress row) {
  SharedAddress all[32];
  emulator::gather(&row, sizeof row, all);
  const int lane = emulator::lane();
  for (int i = 0; i < 4; ++i) {
    std::memcpy(&words[i], all[8 * i + lane / 4] + 4 * (lane % 4), sizeof words[i]);
  }
}

inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  uint32_t as[32][4], bs[32][2];
  const uint32_t b[2] = {b0, b1};
  emulator::gather(a, sizeof a, as);
  emulator::gather(b, sizeof b, bs);
  emulator::multiply_fragments(c, as, bs, emulator::lane());
}

// Every other copy is made at once, the rest as late as the waits allow: the first kind shows a
// target that is still being read, the second a wait that is missing.
struct EmulatedCopies {
  int made = 0;
  std::vector<std::vector<std::function<void()> > > groups{{}};
};
inline EmulatedCopies& emulated_copies() {
  static std::vector<EmulatedCopies> threads(1024);
  return threads[static_cast<size_t>(emulator::here().linear)];
}
template <int kBytes>
inline void emulate_copy(SharedAddress to, const void* from) {
  if (reinterpret_cast<uintptr_t>(to) % kBytes || reinterpret_cast<uintptr_t>(from) % kBytes) {
    __builtin_trap();  // the device would fault
  }
  EmulatedCopies& copies = emulated_copies();
  const auto copy = [=] { std::memcpy(to, from, kBytes); };
  if (copies.made++ % 2) {
    copy();
  } else {
    copies.groups.back().push_back(copy);
  }
}
inline void copy_async_16(SharedAddress to, const void* from) { emulate_copy<16>(to, from); }
inline void copy_async_4(SharedAddress to, const void* from) { emulate_copy<4>(to, from); }
inline void commit_copies() { emulated_copies().groups.emplace_back(); }
template <int kGroups>
inline void wait_for_copies() {
  auto& groups = emulated_copies().groups;
  while (groups.size() > kGroups + 1) {
    for (const auto& copy : groups.front()) copy();
    groups.erase(groups.begin());
  }
}

inline uint32_t floats_to_halves(float low, float high) {
  return float_to_half(low) | static_cast<uint32_t>(float_to_half(high)) << 16;
}

#endif

}  // namespace ally_fast
