// The norm of a row whose squares float64 does not hold: exact factors bring them near 1 first.
// Written once, for host and device; inlined by force, as files of several instruction sets use it.
#pragma once
#include <cfloat>
#include <cmath>

#include "host_device.h"

#ifdef __CUDACC__
#define ALLY_FAST_SHARED_INLINE __host__ __device__ __forceinline__
#else
#define ALLY_FAST_SHARED_INLINE inline __attribute__((always_inline))
#endif

namespace ally_fast {

// Whether a sum of squares lost nothing to overflow or underflow that could matter.
ALLY_FAST_SHARED_INLINE bool squares_hold(double sum) { return sum >= 0x1p-900 && sum <= 0x1p900; }

// x * first * second is near 1 for the largest feature x of a row. One power of two alone could itself
// overflow. The factors are 1 for a row of zeros, and for one that is not finite.
struct UnitScale {
  double first = 1, second = 1;
  int exponent = 0;  // first * second = 2^-exponent
};

ALLY_FAST_SHARED_INLINE UnitScale unit_scale(double largest) {
  UnitScale scale;
  if (!(largest > 0 && largest <= DBL_MAX)) return scale;
  frexp(largest, &scale.exponent);
  const int half = -scale.exponent / 2;
  scale.first = ldexp(1.0, half);
  scale.second = ldexp(1.0, -scale.exponent - half);
  return scale;
}

// From the squares of a scaled row to the norm of the row; NaN where float64 does not hold it, so that
// whatever is divided by it counts as not finite.
ALLY_FAST_SHARED_INLINE double norm_of(double sum, const UnitScale& scale) {
  const double norm = ldexp(sqrt(sum), scale.exponent);
  return norm <= DBL_MAX ? norm : static_cast<double>(NAN);
}

}  // namespace ally_fast
