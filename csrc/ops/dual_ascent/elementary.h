// exp and log for the loops of this op: plain operations, so that they are vectorised, and the same
// bits on every instruction set and with every C library.
#pragma once
#include "../../common/halves.h"

namespace ally_fast {

// Within one unit in the last place of exp(x) for x <= 40, subnormal results included; 0 at minus
// infinity, NaN of NaN. x = k ln 2 + r, |r| <= ln(2) / 2; exp(x) = 2^k (1 + (r + r^2 p(r))).
ALLY_FAST_INLINE float exp_float(float x) {
  // Below, the answer is 0, and computing it would underflow, which is slow. A NaN stays.
  const bool tiny = x < -104.0f;
  x = tiny ? 0.0f : x;
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, found in the low bits
  // 2^k alone may be too small for a normal number: 2^(k + 64) is not, and its exponent is k + 191.
  constexpr float kShift = kRound + 191.0f;
  const float shifted = x * 0x1.715476p0f + kShift;
  const float k = shifted - kShift;
  // ln 2 in two parts: k times the first is exact, and so is the difference.
  const float high = x - k * 0x1.63p-1f, low = k * 0x1.bd0106p-13f, r = high + low;
  float p = 0x1.6a23dp-10f;
  p = p * r + 0x1.123a2p-7f;
  p = p * r + 0x1.5558f2p-5f;
  p = p * r + 0x1.555492p-3f;
  p = p * r + 0x1.fffffcp-2f;
  const float mantissa = 1.0f + (high + (r * r * p + low));
  const float power = bits_float(float_bits(shifted) << 23);
  return tiny ? 0.0f : mantissa * power * 0x1p-64f;
}

// The others are float64, with relative errors below 1e-12: far more than a float32 keeps.

ALLY_FAST_INLINE uint64_t double_bits(double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, 8);
  return bits;
}

ALLY_FAST_INLINE double bits_double(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, 8);
  return value;
}

// exp(x) for x <= 709, 0 below -708; NaN of NaN.
ALLY_FAST_INLINE double exp_double(double x) {
  const bool tiny = x < -708.0;
  x = tiny ? 0.0 : x;
  constexpr double kRound = 0x1.8p52;  // as above
  const double shifted = x * 0x1.71547652b82fep0 + kRound;
  const double k = shifted - kRound;
  const double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
  double p = 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  const double power = bits_double((double_bits(shifted) - double_bits(kRound) + 1023u) << 52);
  return tiny ? 0.0 : power + power * (r + r * r * p);
}

// log(1 + x) for x >= 0; NaN of NaN.
ALLY_FAST_INLINE double log1p_double(double x) {
  constexpr uint64_t kOne = uint64_t{1023} << 52, kRootOfHalf = 0x3fe6a09e667f3bcd;
  // 1 + x = 2^k f, f in [sqrt(1/2), sqrt(2)); k + 1023 becomes the mantissa of a number near 2^52.
  const double sum = 1 + x;
  const uint64_t bits = double_bits(sum), exponent = (bits + (kOne - kRootOfHalf)) >> 52;
  const double k = bits_double(uint64_t{0x433} << 52 | exponent) - (0x1p52 + 1023);
  const double f = bits_double(bits - (exponent << 52) + kOne);
  // With k = 0, f - 1 is x, of which the sum may have lost digits.
  const double s = (k == 0 ? x : f - 1) / (f + 1), z = s * s;  // log f = log((1 + s) / (1 - s))
  double p = 1.0 / 23;
  p = p * z + 1.0 / 21;
  p = p * z + 1.0 / 19;
  p = p * z + 1.0 / 17;
  p = p * z + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return x >= 0 ? k * 0x1.62e42fefa39efp-1 + (2 * s + 2 * s * z * p) : x;
}

}  // namespace ally_fast
