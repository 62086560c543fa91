// Features of rows as kernels read them: any dtype, any strides, widened exactly.
#pragma once
#include <cuda_runtime.h>
#ifndef ALLY_FAST_EMULATED_CUDA
#include <cuda_fp16.h>
#endif

#include <cstdint>

#include "../rows.h"

namespace ally_fast {

#ifdef ALLY_FAST_EMULATED_CUDA
inline float half_to_float(uint16_t bits) {
  _Float16 half;
  __builtin_memcpy(&half, &bits, sizeof half);
  return static_cast<float>(half);
}
// Round to nearest, ties to even; beyond 65504 infinity.
inline uint16_t float_to_half(float value) {
  const _Float16 half = static_cast<_Float16>(value);
  uint16_t bits;
  __builtin_memcpy(&bits, &half, sizeof bits);
  return bits;
}
#else
__device__ __forceinline__ float half_to_float(uint16_t bits) {
  return __half2float(__ushort_as_half(bits));
}
// Round to nearest, ties to even; beyond 65504 infinity.
__device__ __forceinline__ uint16_t float_to_half(float value) {
  return __half_as_ushort(__float2half_rn(value));
}
#endif

__device__ __forceinline__ float bfloat_to_float(uint16_t bits) {
  return __uint_as_float(static_cast<unsigned>(bits) << 16);
}

// What a dtype is in memory, and what holds it exactly.
template <DType kDType>
struct Element;
template <>
struct Element<DType::kFloat16> {
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return half_to_float(*reinterpret_cast<const uint16_t*>(at));
  }
};
template <>
struct Element<DType::kBFloat16> {
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return bfloat_to_float(*reinterpret_cast<const uint16_t*>(at));
  }
};
template <>
struct Element<DType::kFloat32> {
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return *reinterpret_cast<const float*>(at);
  }
};
template <>
struct Element<DType::kFloat64> {
  using Wide = double;
  static __device__ __forceinline__ double load(const char* at) {
    return *reinterpret_cast<const double*>(at);
  }
};

// Address of the i-th visited row (RowsView::row is the host's).
__device__ __forceinline__ const char* row_address(const RowsView& rows, int64_t i) {
  return rows.data + (rows.positions ? rows.positions[i] : i) * rows.row_stride;
}

// Calls run(Constant<DType>) with the view's dtype as a compile-time constant.
template <DType kValue>
struct DTypeConstant {
  static constexpr DType value = kValue;
};
template <class Run>
void with_dtype(DType dtype, const Run& run) {
  switch (dtype) {
    case DType::kFloat16:
      return run(DTypeConstant<DType::kFloat16>{});
    case DType::kBFloat16:
      return run(DTypeConstant<DType::kBFloat16>{});
    case DType::kFloat32:
      return run(DTypeConstant<DType::kFloat32>{});
    case DType::kFloat64:
      return run(DTypeConstant<DType::kFloat64>{});
  }
}

}  // namespace ally_fast
