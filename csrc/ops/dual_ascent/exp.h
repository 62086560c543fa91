// exp in float32 for the loops of this op: plain operations, so that it is vectorised, and the same
// bits on every instruction set.
#pragma once
#include "../../common/halves.h"

namespace ally_fast {

// Within one unit in the last place of exp(x) for x <= 88, subnormal results included; 0 at minus
// infinity, NaN of NaN. x = k ln 2 + r, |r| <= ln(2) / 2; exp(x) = 2^k (1 + (r + r^2 p(r))).
ALLY_FAST_INLINE float exp_float(float x) {
  // Below, the answer is 0, and computing it would underflow, which is slow. A NaN stays.
  const bool tiny = x < -104.0f;
  x = tiny ? 0.0f : x;
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, found in the low bits
  const float shifted = x * 0x1.715476p0f + kRound;
  const float k = shifted - kRound;
  // ln 2 in two parts: k times the first is exact, and so is the difference.
  const float high = x - k * 0x1.63p-1f, low = k * 0x1.bd0106p-13f, r = high + low;
  float p = 0x1.9f089ap-13f;
  p = p * r + 0x1.6d8d02p-10f;
  p = p * r + 0x1.111270p-7f;
  p = p * r + 0x1.55548ep-5f;
  p = p * r + 0x1.555554p-3f;
  p = p * r + 0x1p-1f;
  const float mantissa = 1.0f + (high + (r * r * p + low));
  // In two factors: 2^k alone may be too small for a normal number.
  const uint32_t exponent = float_bits(shifted) - float_bits(kRound) + 256u;
  const uint32_t half = exponent >> 1;
  const float first = bits_float((half - 1u) << 23),
              second = bits_float((exponent - half - 1u) << 23);
  return tiny ? 0.0f : mantissa * first * second;
}

}  // namespace ally_fast
