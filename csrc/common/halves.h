// float16 and bfloat16, stored as their bits, to and from float32: rounding to nearest, ties to even,
// beyond the largest number to infinity. On the host without branches, so that loops over them are
// vectorised; inlined by force, as files of several instruction sets use them.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define ALLY_FAST_INLINE __device__ __forceinline__
#else
#define ALLY_FAST_INLINE inline __attribute__((always_inline))
#endif

namespace ally_fast {

ALLY_FAST_INLINE uint32_t float_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  return bits;
}

ALLY_FAST_INLINE float bits_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

ALLY_FAST_INLINE float bfloat_to_float(uint16_t bfloat) {
  return bits_float(uint32_t{bfloat} << 16);
}

#ifdef __CUDACC__
ALLY_FAST_INLINE float half_to_float(uint16_t half) { return __half2float(__ushort_as_half(half)); }
ALLY_FAST_INLINE uint16_t float_to_half(float value) {
  return __half_as_ushort(__float2half_rn(value));
}
ALLY_FAST_INLINE uint16_t float_to_bfloat(float value) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}
#else
ALLY_FAST_INLINE float half_to_float(uint16_t half) {
  const uint32_t magnitude = uint32_t{half & 0x7fffu} << 13;
  // Rebias the exponent; exact, also for subnormal halves.
  uint32_t bits = float_bits(bits_float(magnitude) * 0x1p112f);
  if (magnitude >= 0x0f800000u) bits |= 0x7f800000u;  // infinity or NaN
  return bits_float(bits | uint32_t{half & 0x8000u} << 16);
}

ALLY_FAST_INLINE uint16_t float_to_half(float value) {
  const uint32_t bits = float_bits(value), magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // The last bit of 0.5f is the smallest half: the addition rounds to it.
  const uint32_t subnormal = float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x47800000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  return static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
}

ALLY_FAST_INLINE uint16_t float_to_bfloat(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  // Rounding up could carry a NaN's payload into its sign.
  const uint32_t quiet = bits >> 16 | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}
#endif

}  // namespace ally_fast
