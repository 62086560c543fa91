// The exact rule of common/scan/kernel.h in plain scalars, for host and device.
//
//   eight float64 partial sums, term i into sum i mod 8 in order of i, each operation rounded;
//   ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7))
//
// Not for the files of an instruction set: they must leave no copies of functions that others share.
#pragma once
#include <cstdint>

#include "host_device.h"

namespace ally_fast {

// The eight partial sums as one.
ALLY_FAST_HOST_DEVICE inline double combine_partials(const double* a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

// Sum of term(i) for i in [0, count).
template <class Term>
ALLY_FAST_HOST_DEVICE inline double sum_of_terms(int64_t count, const Term& term) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) a[lane] += term(i + lane);
  }
  for (int lane = 0; i < count; ++i, ++lane) a[lane] += term(i);
  return combine_partials(a);
}

// D(x, c), of floats or doubles; no padding needed.
template <class X, class C>
ALLY_FAST_HOST_DEVICE inline double squared_distance(const X* x, const C* c, int64_t d) {
  return sum_of_terms(d, [=](int64_t j) {
    const double t = static_cast<double>(x[j]) - static_cast<double>(c[j]);
    return t * t;
  });
}

// D(x, 0).
template <class X>
ALLY_FAST_HOST_DEVICE inline double squared_norm(const X* x, int64_t d) {
  return sum_of_terms(d, [=](int64_t j) {
    const double t = static_cast<double>(x[j]);
    return t * t;
  });
}

}  // namespace ally_fast
