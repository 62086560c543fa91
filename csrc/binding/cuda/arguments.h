// Arguments of the CUDA module's functions, checked.
#pragma once
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "device_array.h"

namespace ally_fast {

inline void require(bool condition, const std::string& message) {
  if (!condition) throw py::value_error(message);
}

inline void check_device(const DeviceArray& array, const char* name, const CudaStream& stream) {
  require(array.cuda().device == stream.device,
          std::string(name) + ": on cuda:" + std::to_string(array.cuda().device) +
              ", needs cuda:" + std::to_string(stream.device));
}

template <class T>
T* typed(const DeviceArray& array, const char* name, size_t rank, const CudaStream& stream) {
  const bool right =
      array.dtype().is(py::dtype::of<T>()) || array.dtype().equal(py::dtype::of<T>());
  if (!right || array.shape().size() != rank || !array.contiguous()) {
    throw py::type_error(std::string(name) + ": got " + describe(array) + ", needs a contiguous " +
                         std::to_string(rank) + "-D array of " +
                         py::str(py::dtype::of<T>()).cast<std::string>());
  }
  check_device(array, name, stream);
  return array.as<T>();
}

// A place for each of `count`.
template <class T>
T* one_each(const DeviceArray& array, const char* name, int64_t count, const CudaStream& stream) {
  T* data = typed<T>(array, name, 1, stream);
  require(array.size() == count, std::string(name) + ": got " + std::to_string(array.size()) +
                                     " places, needs " + std::to_string(count));
  return data;
}

// What the ops read as floating-point numbers.
inline DType float_type(const DeviceArray& array, const char* name, bool bf16) {
  const std::string dtype = py::str(array.dtype()).cast<std::string>();
  if (bf16 && dtype == "uint16") return DType::kBFloat16;
  if (!bf16 && dtype == "float16") return DType::kFloat16;
  if (!bf16 && dtype == "float32") return DType::kFloat32;
  if (!bf16 && dtype == "float64") return DType::kFloat64;
  throw py::type_error(std::string(name) + ": got " + dtype +
                       ", needs float16, float32, float64 or uint16 bits");
}

// Numbers, one after the other.
struct Values {
  const void* data;
  DType dtype;
  int64_t count;
};
inline Values values_of(const DeviceArray& array, const char* name, bool bf16,
                        const CudaStream& stream) {
  require(array.shape().size() == 1 && array.contiguous(),
          std::string(name) + ": got " + describe(array) + ", needs a contiguous 1-D array");
  check_device(array, name, stream);
  return {array.data(), float_type(array, name, bf16), array.size()};
}

// Rows as the ops visit them. positions: int64, device, in range (the caller's to see to).
inline RowsView rows_of(const DeviceArray& array, bool bf16, bool normalize,
                        const std::optional<DeviceArray>& positions, int64_t d) {
  require(array.shape().size() == 2 && array.shape()[1] == d,
          "rows: got " + describe(array) + ", needs d = " + std::to_string(d));
  RowsView view;
  view.dtype = float_type(array, "rows", bf16);
  view.data = array.data();
  view.n = view.visited = array.shape()[0];
  view.d = d;
  view.row_stride = array.strides()[0];
  view.col_stride = array.strides()[1];
  view.normalize = normalize;
  if (positions) {
    view.positions = typed<int64_t>(*positions, "positions", 1, array.cuda());
    view.visited = positions->size();
  }
  return view;
}

}  // namespace ally_fast
