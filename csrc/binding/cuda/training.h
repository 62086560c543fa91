// Checks that the operations of training share.
#pragma once
#include "arguments.h"

namespace ally_fast {

template <class T>
T* shaped(const DeviceArray& array, const char* name, const std::vector<int64_t>& shape,
          const CudaStream& stream) {
  T* data = typed<T>(array, name, shape.size(), stream);
  if (array.shape() != shape) {
    std::string wanted;
    for (const int64_t extent : shape) {
      wanted += (wanted.empty() ? "" : ", ") + std::to_string(extent);
    }
    throw py::value_error(std::string(name) + ": got " + describe(array) + ", needs shape (" +
                          wanted + ")");
  }
  return data;
}

inline const float* training_rows(const DeviceArray& array, const char* name) {
  const float* rows = typed<float>(array, name, 2, array.cuda());
  require(array.shape()[0] >= 1 && array.shape()[0] < int64_t{1} << 31 && array.shape()[1] >= 1,
          std::string(name) + ": got " + describe(array) +
              ", needs (t, d) of at least one row and feature, t < 2**31");
  return rows;
}

inline int64_t clusters_of(const DeviceArray& array, const char* name, int64_t least) {
  const int64_t k = array.shape()[0];
  require(k >= least && k <= INT32_MAX, std::string(name) + ": got " + describe(array) +
                                            ", needs at least " + std::to_string(least) +
                                            " and fewer than 2**31 clusters");
  return k;
}

inline int64_t checked_most(int64_t most, int64_t t) {
  require(most >= t, "most: got " + std::to_string(most) + ", needs at least the " +
                         std::to_string(t) + " rows");
  return most;
}

}  // namespace ally_fast
