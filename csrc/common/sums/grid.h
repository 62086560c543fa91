// Sums of rows as integers. A feature is rounded once to a grid, and grid steps are added as int64:
// integer addition is associative, so that any order, any split in parts and any machine give the same
// bits.
//
//   q_j = rint((x_j - shift_j) scale_j)        |q_j| <= 2^bits,   bits = min(50, 62 - ceil(log2 t))
//   sum_j = sum of q_j                         |sum_j| <= t 2^bits <= 2^62: no overflow for t rows
//   mean_j = shift_j + sum_j / scale_j / count
//
// For t training rows whose feature j lies in [low_j, high_j] (minima and maxima are free of order too):
// shift_j is the middle, half_j = max(high_j - shift_j, shift_j - low_j), scale_j = 2^(bits - e),
// half_j < 2^e (frexp); 1 where half_j is 0. Differences and middles are float64, each rounded once, and
// rounding is monotone, so |x_j - shift_j| <= half_j holds as computed. A mean is within 2^-bits of the
// feature's range of the exact one (t = 2^22: bits = 40), beside 2^-24 of float32's own.
//
// Squared distances are summed on a grid of 40 more bits, in two words: with W = sum of (2 half_j)^2,
// which no distance from a row to a point between the rows exceeds, W < 2^e, and
// distance_scale = 2^(bits + 40 - e),
//
//   v = min(D distance_scale, 2^(bits + 40)),   high = rint(v 2^-40),   low = rint(v - high 2^40)
//
// |high| <= 2^bits and |low| <= 2^39, so that both words' sums stay below 2^62. A distance beyond W counts
// as W: only centroids that a caller gives lie so far out.
//
// A grid is an array (2 d + 1,) of float64: shift, scale, distance_scale. Plain float64 arithmetic,
// written once for host and device.
#pragma once
#include <cmath>
#include <cstdint>

#include "../host_device.h"

namespace ally_fast {

constexpr int kDistanceBits = 40;

struct Grid {
  const double* shift;  // (d,)
  const double* scale;  // (d,), powers of two
  const double* distance_scale;

  ALLY_FAST_HOST_DEVICE Grid(const double* values, int64_t d)
      : shift(values), scale(values + d), distance_scale(values + 2 * d) {}
};

// Of a step, for sums of t rows.
ALLY_FAST_HOST_DEVICE inline int grid_bits(int64_t t) {
  int log2 = 0;
  while (int64_t{1} << log2 < t) ++log2;
  return log2 < 12 ? 50 : 62 - log2;
}

// The least e with value < 2^e; value >= 0 and finite.
ALLY_FAST_HOST_DEVICE inline int exponent_above(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return exponent;
}

struct GridFeature {
  double shift, scale, half;
};

ALLY_FAST_HOST_DEVICE inline GridFeature grid_feature(float low, float high, int bits) {
  const double first = static_cast<double>(low), last = static_cast<double>(high);
  const double shift = first / 2 + last / 2 + 0.0;  // 0, not -0, of any zeros
  const double above = last - shift, below = shift - first;
  const double half = above > below ? above : below;
  return {shift, half > 0 ? std::ldexp(1.0, bits - exponent_above(half)) : 1.0, half};
}

// From W, the sum of (2 half_j)^2.
ALLY_FAST_HOST_DEVICE inline double distance_scale_of(double widest, int bits) {
  return widest > 0 ? std::ldexp(1.0, bits + kDistanceBits - exponent_above(widest)) : 1.0;
}

// Two words of a sum of squared distances.
struct DistanceSum {
  int64_t high, low;
};

ALLY_FAST_HOST_DEVICE inline DistanceSum grid_distance(double distance, double distance_scale,
                                                       int bits) {
  const double most = std::ldexp(1.0, bits + kDistanceBits), step = 1LL << kDistanceBits;
  const double scaled = distance * distance_scale, v = scaled < most ? scaled : most;
  const double high = std::rint(v / step);
  return {static_cast<int64_t>(high), static_cast<int64_t>(std::rint(v - high * step))};
}

// A feature's sum about the shift, in the rows' own unit.
ALLY_FAST_HOST_DEVICE inline double sum_about_shift(int64_t sum, double scale) {
  return static_cast<double>(sum) / scale;
}

ALLY_FAST_HOST_DEVICE inline float mean_feature(double shift, double scale, int64_t sum,
                                                int64_t count) {
  return static_cast<float>(shift + sum_about_shift(sum, scale) / static_cast<double>(count));
}

}  // namespace ally_fast
