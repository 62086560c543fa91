// Features of rows as kernels read them: any dtype, any strides, widened exactly.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "../halves.h"
#include "../rows.h"

namespace ally_fast {

// What a dtype is in memory, and what holds it exactly.
template <DType kDType>
struct Element;
template <>
struct Element<DType::kFloat16> {
  static constexpr int64_t kBytes = 2;
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return half_to_float(*reinterpret_cast<const uint16_t*>(at));
  }
};
template <>
struct Element<DType::kBFloat16> {
  static constexpr int64_t kBytes = 2;
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return bfloat_to_float(*reinterpret_cast<const uint16_t*>(at));
  }
};
template <>
struct Element<DType::kFloat32> {
  static constexpr int64_t kBytes = 4;
  using Wide = float;
  static __device__ __forceinline__ float load(const char* at) {
    return *reinterpret_cast<const float*>(at);
  }
};
template <>
struct Element<DType::kFloat64> {
  static constexpr int64_t kBytes = 8;
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
