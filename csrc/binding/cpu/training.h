// Checks that the operations of training share.
#pragma once
#include "binding/arguments.h"

namespace ally_fast {

template <class T>
Array<T> shaped(const py::array& array, const char* name, std::initializer_list<int64_t> shape) {
  auto result = typed<T>(array, name, static_cast<py::ssize_t>(shape.size()));
  std::string wanted;
  bool right = true;
  py::ssize_t axis = 0;
  for (const int64_t size : shape) {
    right = right && result.shape(axis++) == size;
    wanted += (wanted.empty() ? "" : ", ") + std::to_string(size);
  }
  if (shape.size() == 1) wanted += ",";
  REQUIRE(right, std::string(name) + ": got shape " + shape_of(array) + ", needs (" + wanted + ")");
  return result;
}

inline Array<float> training_rows(const py::array& array, const char* name) {
  auto rows = typed<float>(array, name, 2);
  REQUIRE(rows.shape(0) >= 1 && rows.shape(0) < int64_t{1} << 31 && rows.shape(1) >= 1,
          std::string(name) + ": got shape " + shape_of(array) +
              ", needs (t, d) of at least one row and feature, t < 2**31");
  return rows;
}

inline int64_t checked_most(int64_t most, int64_t t) {
  REQUIRE(most >= t, "most: got " + std::to_string(most) + ", needs at least the " +
                         std::to_string(t) + " rows");
  return most;
}

}  // namespace ally_fast
