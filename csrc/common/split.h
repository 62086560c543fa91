// The fixed perturbation that sets the halves of a split cluster apart: mean + offset, mean - offset.
//
//   offset_j = +r for even j, -r for odd j;  r = 0.05 sqrt(spread / max(count, 1) / d)
//
// r is relative to the cluster's root-mean-square radius (per feature), so small that the halves
// stay inside it.
#pragma once
#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace ally_fast {

ALLY_FAST_HOST_DEVICE inline double split_radius(double spread, int64_t count, int64_t d) {
  const double rows = static_cast<double>(count > 1 ? count : 1);
  return 0.05 * std::sqrt(spread / rows / static_cast<double>(d));
}

ALLY_FAST_HOST_DEVICE inline double split_offset(double radius, int64_t j) {
  return j % 2 == 0 ? radius : -radius;
}

}  // namespace ally_fast
