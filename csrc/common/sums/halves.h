// What halve knows of each cluster's halves, and relocate takes; see ops/halve/halve.h.
#pragma once
#include <cstdint>

namespace ally_fast {

struct Halves {
  uint8_t* stale;
  float* centroids;
  int64_t* sums;
  int64_t* counts;
  double* gains;
  int64_t* spreads;
  uint8_t* sides;
};

}  // namespace ally_fast
