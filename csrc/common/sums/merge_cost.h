// Ward's cost of merging two clusters; the same bits on host and device.
#pragma once
#include <cstdint>

#include "../host_device.h"

namespace ally_fast {

// Of clusters of `own` and `other` rows whose means are `distance` (squared) apart; 0 if one is empty.
ALLY_FAST_HOST_DEVICE inline double merge_cost(double distance, int64_t own, int64_t other) {
  const double n = static_cast<double>(own), m = static_cast<double>(other);
  return distance * (n * m / (n + m > 1.0 ? n + m : 1.0));
}

}  // namespace ally_fast
