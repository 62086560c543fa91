// One row as float16 for the tensor cores, by eight neighbouring lanes.
#pragma once
#include "../octet.h"
#include "certificate.h"
#include "mma.h"

namespace ally_fast {

constexpr int kEight = 8;  // features a lane packs at once: 16 bytes of float16

// Features [begin, begin + 8) of scale (x - shift) in float32, zeros past the last one. Float64 rows
// are centred before they are rounded, normalised ones are float32 values already.
template <DType kDType>
__device__ __forceinline__ void load_centred(const ExactRow<kDType>& row, const TableView& table,
                                             float scale, int begin, float (&x)[kEight]) {
  constexpr bool kWide = kDType == DType::kFloat64;
  constexpr int kBytes = kWide ? 8 : kDType == DType::kFloat32 ? 4 : 2;
  struct __align__(16) Together {
    char bytes[kEight * kBytes];
  };
  struct __align__(16) Shifts {
    float value[kEight];
  };
  const int d = static_cast<int>(table.d);
  const char* at = row.data + begin * row.stride;
  const Shifts shift = *reinterpret_cast<const Shifts*>(table.shift + begin);
  const auto centre = [&](auto feature, int e) {
    if (kWide && !row.normalize) {
      x[e] =
          static_cast<float>((static_cast<double>(feature) - static_cast<double>(shift.value[e])) *
                             static_cast<double>(scale));
    } else {
      x[e] = (static_cast<float>(feature) - shift.value[e]) * scale;
    }
  };
  if (row.stride == kBytes && begin + kEight <= d && !row.normalize &&
      reinterpret_cast<uintptr_t>(at) % 16 == 0) {
    const Together all = *reinterpret_cast<const Together*>(at);
#pragma unroll
    for (int e = 0; e < kEight; ++e) centre(Element<kDType>::load(all.bytes + e * kBytes), e);
  } else {
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      using Wide = typename Element<kDType>::Wide;
      centre(begin + e < d ? static_cast<Wide>(row.feature(begin + e)) : Wide{0}, e);
    }
  }
}

__device__ __forceinline__ float octet_sum(float partial) {
  const unsigned mask = octet_mask();
  partial += __shfl_xor_sync(mask, partial, 4);
  partial += __shfl_xor_sync(mask, partial, 2);
  partial += __shfl_xor_sync(mask, partial, 1);
  return partial;
}

// Packs the row into `to` (d_padded float16, 16-byte aligned); all lanes of the octet get
// norm = ||x'|| and the error of its scores (see packed_rows.h).
template <DType kDType>
__device__ __forceinline__ void pack_row(const ExactRow<kDType>& row, const TableView& table,
                                         uint16_t* to, float* norm, float* error) {
  const float scale = table.scalars->scale;
  float square = 0, residual = 0;
  for (int begin = octet_lane() * kEight; begin < table.d_padded; begin += 8 * kEight) {
    float x[kEight];
    load_centred<kDType>(row, table, scale, begin, x);
    uint32_t words[kEight / 2];
#pragma unroll
    for (int e = 0; e < kEight; e += 2) {
      const uint32_t word = floats_to_halves(x[e], x[e + 1]);
      const float low = x[e] - half_to_float(static_cast<uint16_t>(word));
      const float high = x[e + 1] - half_to_float(static_cast<uint16_t>(word >> 16));
      square = __fmaf_rn(x[e], x[e], __fmaf_rn(x[e + 1], x[e + 1], square));
      residual = __fmaf_rn(low, low, __fmaf_rn(high, high, residual));
      words[e / 2] = word;
    }
    *reinterpret_cast<uint4*>(to + begin) = uint4{words[0], words[1], words[2], words[3]};
  }
  *norm = sqrtf(octet_sum(square));
  *error = row_error(table, *norm, sqrtf(octet_sum(residual)));
}

// A row of zeros: in the scan it harms nobody.
__device__ __forceinline__ void pack_nothing(const TableView& table, uint16_t* to) {
  for (int begin = octet_lane() * kEight; begin < table.d_padded; begin += 8 * kEight) {
    *reinterpret_cast<uint4*>(to + begin) = uint4{0, 0, 0, 0};
  }
}

// Whether every feature as it lies in memory is finite; all lanes of the octet call it.
template <DType kDType>
__device__ __forceinline__ bool is_finite(const ExactRow<kDType>& row, int64_t d) {
  bool finite = true;
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    finite = finite && isfinite(Element<kDType>::load(row.data + j * row.stride));
  }
  return __all_sync(octet_mask(), finite);
}

// Distance by the exact rule, in every lane of the octet.
template <DType kDType>
__device__ __forceinline__ double distance_to(const ExactRow<kDType>& row, const TableView& table,
                                              int64_t c) {
  return table.narrow ? exact_distance(row, table.narrow + c * table.d, table.d)
                      : exact_distance(row, table.wide + c * table.d, table.d);
}

}  // namespace ally_fast
