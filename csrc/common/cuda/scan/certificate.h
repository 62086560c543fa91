// Error bounds of a score on the device: common/scan/certified.h for float16 and tensor cores.
//
// Rows read in place. A float16 row x multiplies the table's b = c' - (c' - b) as it lies, neither
// centred nor scaled nor rounded. With s = scale shift (float32 times a power of two: exact):
//   scale x.b = (x' + s).b,  so  S(x, c) = ||c'||^2 / 2 - x'.c' = scale (H_c - x.b) - x'.(c' - b),
//   H_c = (||c'||^2 / 2 + s.b) / scale          (half_norm_in_place; computed in float64)
// The centroid's rounding costs ||x'|| ||c' - b|| as before, whatever the shift, and the row's nothing.
// Only the tensor core's rounding grows with the distance from the origin: it is at most
//   gamma (||x|| ||b|| + |H_c|),   scale ||x|| <= ||x'|| + ||s||
// All that is scanned is in units of the row, S / scale; times the scale, a power of two, it is
// what the rest of this file takes. kTinyRow covers what underflows on the way there, as norm_c is at
// least kNormFloor and the scale at most 2^30: 2^-30 kTinyRow kNormFloor = 5e-32 of a row's units,
// against 8192 sums cut to zero below 2^-126.
#pragma once
#include <cuda_runtime.h>

#include "device_table.h"

namespace ally_fast {

constexpr double kUnit = 0x1p-24;       // float32, half an ulp of 1
constexpr double kNormFloor = 0x1p-14;  // the smallest normal half
// Norms and bounds are themselves computed in floating point: a hundredth covers that (d is at most
// kLargestD). Absolute terms cover underflow: squares of features below 1e-22 vanish from a norm.
constexpr double kSlop = 1.01, kTinyRow = 1e-18, kTiny = 1e-33;

// A tensor core adds m >= 4 exact float16 products to a float32 sum at once: aligned to the largest
// of them, cut off (not rounded) below its 24th bit, and the result again. With M the sum of
// magnitudes that is at most (m + 2) 2^-23 M for every m features, so less than d 2^-22 M in all;
// the start value and its rounding are among the 16. A half below 2^-14 is aligned as if it were that
// large: norms of rows and centroids count as at least kNormFloor.
inline double score_rounding(int64_t d) { return (static_cast<double>(d) + 16) * 0x1p-22 * kSlop; }
// Rounding of the exact rule, relative.
inline double exact_rule_rounding(int64_t d) { return (static_cast<double>(d) / 8 + 10) * 0x1p-53; }

__device__ __forceinline__ float infinity() { return __uint_as_float(0x7F800000u); }
constexpr float kNever = 3.40282347e+38f;  // the largest float

// Float32 at or above the value (infinities and NaN stay).
__device__ __forceinline__ float rounded_up(double value) {
  const float rounded = static_cast<float>(value);
  return static_cast<double>(rounded) < value ? nextafterf(rounded, infinity()) : rounded;
}

// The errors' own products pass through the same sums. Infinite where something overflowed.
__device__ __forceinline__ float padded_error(const TableView& table, double error) {
  const float bound = rounded_up(error * kSlop * (1 + 2 * table.gamma) + kTinyRow);
  return isfinite(bound) ? bound : infinity();
}

// From the norm and the rounding residual of a packed row.
__device__ __forceinline__ float row_error(const TableView& table, float norm, float residual) {
  const double relative = table.scalars->centroid_residual + table.gamma + 2 * kUnit;
  return padded_error(table, static_cast<double>(residual) +
                                 fmax(static_cast<double>(norm), kNormFloor) * relative);
}

// From the norm ||x'|| of a row read in place; times the scale where the scan itself takes it.
__device__ __forceinline__ float row_error_in_place(const TableView& table, float norm) {
  const TableScalars& scalars = *table.scalars;
  const double size = norm;
  const double reach = size + scalars.shift_norm + static_cast<double>(scalars.scale) * kNormFloor;
  return padded_error(table, size * scalars.centroid_residual + reach * (table.gamma + 2 * kUnit));
}

// A score lower by as much as cutting its lowest `bits` bits can have raised it, and the reverse.
__device__ __forceinline__ double cut_down(float lower, int bits) {
  return static_cast<double>(lower) - fabs(static_cast<double>(lower)) * (kUnit * 4) * (1 << bits);
}
__device__ __forceinline__ double cut_up(float lower, int bits) {
  return static_cast<double>(lower) + fabs(static_cast<double>(lower)) * (kUnit * 4) * (1 << bits);
}

// Upper end of a score, given its lower end, a packed centroid's half norm and norm, and a row's.
__device__ __forceinline__ double upper_end(const TableView& table, double lower, double half_norm,
                                            double centroid_norm, double error, double norm) {
  const double half = (half_norm + kTiny) / (1 - table.gamma) * (1 + 1e-6);
  const double score = 2 * (error * centroid_norm + table.gamma * half + kTiny);
  const double largest = table.scalars->largest_norm;
  const double exact = 2 * table.exact_rounding * (norm * norm + largest * largest);
  return lower + (score + exact) * kSlop + 4 * kUnit * fabs(lower);
}

// A row that was scanned: ||x'|| and the error of its scores.
struct ScannedRow {
  bool in_place;
  float error, norm;

  // The half norm that its score against a centroid began with, or against any.
  __device__ __forceinline__ double half_norm(const TableView& table, int64_t centroid) const {
    return in_place ? fabs(static_cast<double>(table.half_norm_in_place[centroid])) *
                          static_cast<double>(table.scalars->scale)
                    : static_cast<double>(table.half_norm[centroid]);
  }
  __device__ __forceinline__ double largest_half_norm(const TableView& table) const {
    const TableScalars& scalars = *table.scalars;
    return scalars.largest_norm * scalars.largest_norm / 2 +
           (in_place ? scalars.shift_norm * scalars.largest_packed : 0.0);
  }
};

// Scores above this cannot belong to the nearest centroid, if the lowest score `best` is that of
// `centroid`; `bits` of its lowest bits may have been replaced.
__device__ __forceinline__ double limit_of_nearest(const TableView& table, float best, int bits,
                                                   int64_t centroid, const ScannedRow& row) {
  return upper_end(table, cut_up(best, bits), row.half_norm(table, centroid),
                   static_cast<double>(table.norm[centroid]), static_cast<double>(row.error),
                   static_cast<double>(row.norm));
}

// The same for whichever centroid it belongs to.
__device__ __forceinline__ double limit_of_any(const TableView& table, float best, int bits,
                                               const ScannedRow& row) {
  return upper_end(table, cut_up(best, bits), row.largest_half_norm(table),
                   table.scalars->largest_packed, static_cast<double>(row.error),
                   static_cast<double>(row.norm));
}

// Scores above this belong to centroids farther than sqrt(squared_radius) by the exact rule.
__device__ __forceinline__ double score_limit(const TableView& table, double squared_radius,
                                              double norm) {
  // D = ||x'||^2 + 2 S in scaled units, and ||x'|| was computed in float32.
  const double square = norm * norm, scale = static_cast<double>(table.scalars->scale);
  const double largest = table.scalars->largest_norm;
  const double scaled = squared_radius * scale * scale;
  const double slack = square * (2 * table.gamma + 8 * kUnit + 2 * table.exact_rounding) +
                       largest * largest * 2 * table.exact_rounding;
  const double limit = (scaled * (1 + 2 * table.exact_rounding) - square + slack * kSlop) / 2;
  return limit + 4 * kUnit * fabs(limit) + kTiny;
}

}  // namespace ally_fast
