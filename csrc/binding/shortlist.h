// How a shortlist is to be, on either device.
#pragma once
#include <algorithm>
#include <cmath>

#include "binding/arguments.h"
#include "common/tie_order.h"

namespace ally_fast {

inline const double* weights_of(const py::array& array, int64_t k, int64_t b) {
  REQUIRE(k >= 1 && k <= INT32_MAX, "k", k, "at least 1 and fewer than 2**31");
  REQUIRE(b >= 0, "b", b, "at least 0");
  const double* weights = one_each<const double>(array, "weights", k);
  const auto right = [](double w) { return std::isfinite(w) && w > 0; };
  REQUIRE(std::all_of(weights, weights + k, right), "weights", "", "finite values above 0");
  return weights;
}

inline TieOrder ties_of(const std::optional<uint64_t>& seed) {
  return seed ? random_ties(*seed) : TieOrder{};
}

}  // namespace ally_fast
