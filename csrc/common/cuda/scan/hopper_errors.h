// Where the threads of hopper_scan.h learn what a score of a row may be off by: given for packed rows
// (neither flag set), measured under the first products (kMeasures) or before them, while rows are
// converted in shared memory (kConverts).
#pragma once
#include "../hopper/tensor_map.h"
#include "certificate.h"
#include "hopper_track.h"
#include "mma.h"

namespace ally_fast {
namespace {

// Rows of a thread, from its first on.
__device__ __forceinline__ int row_offset(int r) { return r / 2 * kWgmmaRows + r % 2 * 8; }

// The errors of a thread's rows in the scan's units, and what it knows of the row that it will judge.
template <int kThreadRows>
struct RowErrors {
  float each[kThreadRows];
  ScannedRow own;
};

struct GivenErrors {
  static constexpr bool kMeasures = false, kConverts = false;
  template <int kThreadRows>
  struct Sums {};
  const float* error;
  int64_t row_count;

  template <int kThreadRows>
  __device__ __forceinline__ RowErrors<kThreadRows> start(int64_t first) const {
    RowErrors<kThreadRows> errors{};
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      const int64_t row = first + row_offset(r);
      errors.each[r] = row < row_count ? error[row] : 0.0f;
    }
    return errors;
  }
  template <int kThreadRows>
  __device__ __forceinline__ void read(char*, int, int, Sums<kThreadRows>&) const {}
  template <int kThreadRows>
  __device__ __forceinline__ RowErrors<kThreadRows> finish(const Sums<kThreadRows>&) const {
    return {};
  }
};

// Of the caller's rows: float16, multiplied as they are; bfloat16 (kConverted), centred, scaled and
// rounded to float16 in shared memory.
template <bool kConverted>
struct MeasuredErrors {
  static constexpr bool kMeasures = !kConverted, kConverts = kConverted;
  template <int kThreadRows>
  struct Sums {
    float square[kThreadRows] = {}, residual[kThreadRows] = {};
  };
  TableView table;

  template <int kThreadRows>
  __device__ __forceinline__ RowErrors<kThreadRows> start(int64_t) const {
    return {};
  }

  // Adds up a chunk's features from the box that the products read, and converts it. `first` is the
  // thread's first row in the box. Four neighbouring lanes share their rows' features.
  template <int kThreadRows>
  __device__ __forceinline__ void read(char* box, int first, int chunk,
                                       Sums<kThreadRows>& sums) const {
    const float scale = table.scalars->scale;
#pragma unroll 1  // there are no registers for more
    for (int part = 0; part < 4; ++part) {
      // Rows are permuted (tensor_map.h). They begin with different parts, so that sixteen lanes, four
      // rows, read all banks.
      const int piece = static_cast<int>(threadIdx.x) % 4 + (part / 2 + first) % 2 * 4;
      const int side = (part + first / 2) % 2;
      float shift[4];
      *reinterpret_cast<float4*>(shift) = *reinterpret_cast<const float4*>(
          table.scaled_shift + chunk * kBoxColumns + piece * 8 + side * 4);
#pragma unroll
      for (int r = 0; r < kThreadRows; ++r) {
        const int row = first + row_offset(r);
        auto* const at = reinterpret_cast<uint2*>(box + row * kBoxColumns * 2 +
                                                  (piece ^ row % 8) * 16 + side * 8);
        uint2 four = *at;
        add(four.x, scale, shift, sums.square[r], sums.residual[r]);
        add(four.y, scale, shift + 2, sums.square[r], sums.residual[r]);
        if (kConverted) *at = four;
      }
    }
    __syncwarp();  // one lane gives the box back for all
  }

  template <int kThreadRows>
  __device__ __forceinline__ RowErrors<kThreadRows> finish(const Sums<kThreadRows>& sums) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float square = 0, residual = 0;
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      const float squares = quad_sum(sums.square[r]);
      const float residuals = kConverted ? quad_sum(sums.residual[r]) : 0.0f;
      if (lane % 4 == r) square = squares, residual = residuals;
    }
    RowErrors<kThreadRows> errors{};
    const float norm = sqrtf(square);
    errors.own = {
        !kConverted,
        kConverted ? row_error(table, norm, sqrtf(residual)) : row_error_in_place(table, norm),
        norm};
    float error = errors.own.error;
    if (!kConverted) {
      error = rounded_up(static_cast<double>(error) / static_cast<double>(table.scalars->scale));
    }
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      errors.each[r] = __shfl_sync(~0u, error, lane / 4 * 4 + r);
    }
    return errors;
  }

 private:
  static __device__ __forceinline__ float quad_sum(float sum) {
    sum += __shfl_xor_sync(~0u, sum, 1);
    return sum + __shfl_xor_sync(~0u, sum, 2);
  }

  // Two features.
  static __device__ __forceinline__ void add(uint32_t& pair, float scale, const float* shift,
                                             float& square, float& residual) {
    const auto low = static_cast<uint16_t>(pair), high = static_cast<uint16_t>(pair >> 16);
    const float x =
        __fmaf_rn(kConverted ? bfloat_to_float(low) : half_to_float(low), scale, -shift[0]);
    const float y =
        __fmaf_rn(kConverted ? bfloat_to_float(high) : half_to_float(high), scale, -shift[1]);
    square = __fmaf_rn(x, x, __fmaf_rn(y, y, square));
    if (!kConverted) return;
    pair = floats_to_halves(x, y);
    const float left = x - half_to_float(static_cast<uint16_t>(pair));
    const float right = y - half_to_float(static_cast<uint16_t>(pair >> 16));
    residual = __fmaf_rn(left, left, __fmaf_rn(right, right, residual));
  }
};

}  // namespace
}  // namespace ally_fast
