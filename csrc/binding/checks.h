// Checks of arguments that several ops share.
#pragma once
#include <cmath>

#include "binding/arguments.h"
#include "common/scan/certified.h"

namespace ally_fast {

template <class Array>
void check_width(const Array& array, const char* name) {
  const int64_t d = array.ndim() == 2 ? array.shape(1) : 0;
  REQUIRE(d >= 1 && d <= kLargestD, name, shape_of(array), "columns in [1, ", kLargestD, "]");
}

// Points to be packed.
template <class Array>
void check_points(const Array& array) {
  const bool floats = holds<float>(array) || holds<double>(array);
  if (!floats || array.ndim() != 2 || !contiguous(array)) {
    throw py::type_error(
        complaint("points", described(array), "a C-contiguous 2-D array of float32 or float64"));
  }
  const int64_t k = array.shape(0);
  REQUIRE(k >= 1 && k <= INT32_MAX, "points", shape_of(array), "1 to 2**31 - 1 rows");
  check_width(array, "points");
}

inline void check_b(int64_t b, int64_t visited) {
  REQUIRE(b >= 0 && b <= visited, "b", b, "0 to ", visited, " (the rows visited)");
}

// How many of the eligible rows are asked for.
inline void check_sample(const char* name, int64_t size, int64_t eligible) {
  REQUIRE(size >= 0 && size <= eligible, name, size, "0 to ", eligible, " (the eligible rows)");
}

// What is taken off each of d features; null: nothing.
template <class Array, class... On>
const double* shift_of(const std::optional<Array>& array, int64_t d, const On&... on) {
  if (!array) return nullptr;
  const double* shift = typed<const double>(*array, "shift", 1, on...);
  REQUIRE(array->size() == d, "shift", text(array->size(), " values"), d);
  return shift;
}

inline void check_radius(double radius) {
  REQUIRE(radius > 0 && std::isfinite(radius * radius), "radius", radius,
          "a value above 0 whose square is finite");
}

inline void check_ascending(bool ascending) {
  REQUIRE(ascending, "positions", "", "ascending values, each once");
}

inline void check_first(const std::optional<int64_t>& first, bool has_starts) {
  REQUIRE(first.has_value() != has_starts, "first", "",
          has_starts ? "None where there are starting points"
                     : "a row where there are no starting points");
}
inline void check_visited(const std::optional<int64_t>& first, bool visited) {
  REQUIRE(!first || visited, "first", *first, "one of the rows visited");
}

// Of the rows visited, those that cannot be used: how many, and the first.
inline void check_usable(int64_t count, int64_t first, int64_t visited, const char* hold,
                         const char* needs) {
  if (count == 0) return;
  throw py::value_error(text("rows: ", count, " of ", visited, " hold ", hold,
                             ", the first is row ", first, "; needs ", needs));
}
inline void check_finite(int64_t count, int64_t first, int64_t visited) {
  check_usable(count, first, visited, "NaN or infinite values", "finite values");
}

}  // namespace ally_fast
