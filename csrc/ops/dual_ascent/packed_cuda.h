// Elements of a row as kernels load and store them: one, or sixteen bytes of them.
#pragma once
#include <type_traits>

#include "../../common/cuda/element.h"

namespace ally_fast {

template <DType kDType>
__device__ __forceinline__ float widen(uint16_t bits) {
  return kDType == DType::kFloat16 ? half_to_float(bits) : bfloat_to_float(bits);
}

template <DType kDType>
__device__ __forceinline__ unsigned narrow(float value) {
  return kDType == DType::kFloat16 ? float_to_half(value) : float_to_bfloat(value);
}

template <DType kDType>
constexpr int kBytes = kDType == DType::kFloat32 ? 4 : 2;

// kWide neighbouring elements as they lie in memory; more than one: by 16 bytes, and so aligned.
template <DType kDType, int kWide>
struct Packed {
  using Word =
      std::conditional_t<kWide == 1, std::conditional_t<kDType == DType::kFloat32, float, uint16_t>,
                         std::conditional_t<kDType == DType::kFloat32, float4, uint4>>;
  static constexpr int kWords = kWide == 1 ? 1 : kWide * kBytes<kDType> / 16;
  Word words[kWords];

  // The same number everywhere: 0 or minus infinity.
  static __device__ __forceinline__ Packed of(float padding) {
    const unsigned upper = __float_as_uint(padding) >> 16;
    const unsigned half = kDType == DType::kFloat16 && padding != 0 ? 0xfc00u : upper;
    Packed packed;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      if constexpr (kWide == 1 && kDType == DType::kFloat32) {
        packed.words[w] = padding;
      } else if constexpr (kWide == 1) {
        packed.words[w] = static_cast<uint16_t>(half);
      } else if constexpr (kDType == DType::kFloat32) {
        packed.words[w] = float4{padding, padding, padding, padding};
      } else {
        const unsigned two = half << 16 | half;
        packed.words[w] = uint4{two, two, two, two};
      }
    }
    return packed;
  }

  __device__ __forceinline__ void load(const char* at) {
#pragma unroll
    for (int w = 0; w < kWords; ++w) words[w] = reinterpret_cast<const Word*>(at)[w];
  }

  __device__ __forceinline__ void widen_to(float* x) const {
    if constexpr (kWide == 1 && kDType == DType::kFloat32) {
      x[0] = words[0];
    } else if constexpr (kWide == 1) {
      x[0] = widen<kDType>(words[0]);
    } else if constexpr (kDType == DType::kFloat32) {
#pragma unroll
      for (int w = 0; w < kWords; ++w) {
        const float4 four = words[w];
        x[4 * w] = four.x, x[4 * w + 1] = four.y, x[4 * w + 2] = four.z, x[4 * w + 3] = four.w;
      }
    } else {
      const unsigned pairs[4] = {words[0].x, words[0].y, words[0].z, words[0].w};
#pragma unroll
      for (int j = 0; j < kWide; ++j) {
        x[j] = widen<kDType>(static_cast<uint16_t>(pairs[j / 2] >> (j % 2 * 16)));
      }
    }
  }
};

template <DType kDType, int kWide>
__device__ __forceinline__ void store_vector(char* at, const float* x) {
  if constexpr (kDType == DType::kFloat32 && kWide == 1) {
    *reinterpret_cast<float*>(at) = x[0];
  } else if constexpr (kDType == DType::kFloat32) {
    *reinterpret_cast<float4*>(at) = float4{x[0], x[1], x[2], x[3]};
  } else if constexpr (kWide == 1) {
    *reinterpret_cast<uint16_t*>(at) = static_cast<uint16_t>(narrow<kDType>(x[0]));
  } else {
    unsigned words[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      words[w] = narrow<kDType>(x[2 * w]) | narrow<kDType>(x[2 * w + 1]) << 16;
    }
    *reinterpret_cast<uint4*>(at) = uint4{words[0], words[1], words[2], words[3]};
  }
}

}  // namespace ally_fast
