// Eight neighbouring lanes as the eight partial sums of the exact rule (common/exact.h): lane l takes
// features l, l + 8, … Four octets a warp, each on a row or pair of its own; they may diverge.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "../norm.h"
#include "element.h"

namespace ally_fast {

constexpr int kOctet = 8;

__device__ __forceinline__ int octet_lane() { return static_cast<int>(threadIdx.x) & 7; }
// The lanes of this thread's octet, for warp collectives. One-dimensional blocks.
__device__ __forceinline__ unsigned octet_mask() { return 0xFFu << (threadIdx.x & 24); }

// ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7)), in every lane.
__device__ __forceinline__ double octet_sum(double partial) {
  const unsigned mask = octet_mask();
  partial += __shfl_xor_sync(mask, partial, 4);
  partial += __shfl_xor_sync(mask, partial, 2);
  partial += __shfl_xor_sync(mask, partial, 1);
  return partial;
}

// Sum of term(i) for i in [0, count), in every lane: sum_of_terms of common/exact.h.
template <class Term>
__device__ __forceinline__ double octet_sum_of_terms(int64_t count, const Term& term) {
  double partial = 0;
  for (int64_t i = octet_lane(); i < count; i += kOctet) partial += term(i);
  return octet_sum(partial);
}

// D(x, c) of floats, in every lane of the octet.
__device__ __forceinline__ double octet_distance(const float* x, const float* c, int64_t d) {
  return octet_sum_of_terms(d, [=](int64_t j) {
    const double t = static_cast<double>(x[j]) - static_cast<double>(c[j]);
    return t * t;
  });
}

// The largest of the octet's values of at least 0, in every lane; NaN counts for nothing.
__device__ __forceinline__ double octet_max(double value) {
  const unsigned mask = octet_mask();
  for (int step = 4; step; step /= 2) value = fmax(value, __shfl_xor_sync(mask, value, step));
  return value;
}

// A row's features as the exact rule takes them: widened, with `normalize` float32(x / root).
template <DType kDType>
struct ExactRow {
  const char* data;
  int64_t stride;
  bool normalize;
  double root;  // the norm; 0 for a row of zeros, NaN where float64 does not hold it

  __device__ __forceinline__ double feature(int64_t j) const {
    const double x = static_cast<double>(Element<kDType>::load(data + j * stride));
    if (!normalize) return x;
    return static_cast<double>(static_cast<float>(root == 0 ? 0.0 : x / root));
  }
};

// All lanes of the octet call it with the same row.
template <DType kDType>
__device__ __forceinline__ ExactRow<kDType> exact_row(const RowsView& rows, int64_t i) {
  ExactRow<kDType> row{row_address(rows, i), rows.col_stride, rows.normalize, 0.0};
  if (rows.normalize) {
    const auto feature = [&](int64_t j) {
      return static_cast<double>(Element<kDType>::load(row.data + j * row.stride));
    };
    double partial = 0;
    for (int64_t j = octet_lane(); j < rows.d; j += kOctet) {
      const double x = feature(j);
      partial += x * x;
    }
    const double sum = octet_sum(partial);
    row.root = sqrt(sum);
    if (kDType == DType::kFloat64 && !squares_hold(sum)) {  // narrower squares always do
      double largest = 0;
      for (int64_t j = octet_lane(); j < rows.d; j += kOctet)
        largest = fmax(largest, fabs(feature(j)));
      const UnitScale unit = unit_scale(octet_max(largest));
      partial = 0;
      for (int64_t j = octet_lane(); j < rows.d; j += kOctet) {
        const double x = feature(j) * unit.first * unit.second;
        partial += x * x;
      }
      row.root = norm_of(octet_sum(partial), unit);
    }
  }
  return row;
}

// D(x, c), in every lane of the octet; `centroid` (d,) float or double.
template <DType kDType, class C>
__device__ __forceinline__ double exact_distance(const ExactRow<kDType>& row, const C* centroid,
                                                 int64_t d) {
  return octet_sum_of_terms(d, [=](int64_t j) {
    const double t = row.feature(j) - static_cast<double>(centroid[j]);
    return t * t;
  });
}

}  // namespace ally_fast
