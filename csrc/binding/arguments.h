// How both modules check what Python passes, and make views of it. Messages are worded here.
//
// An Array is a py::array (host memory) or a DeviceArray; `on` is nothing for the first, and the stream of
// the call for the second. Pointers live as long as the arrays, which the caller of an op holds.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/rows.h"

namespace ally_fast {

namespace py = pybind11;

inline std::string shown(const std::string& words) { return words; }
inline std::string shown(const py::object& object) { return py::str(object); }
template <class T>
std::enable_if_t<std::is_arithmetic_v<T>, std::string> shown(T number) {
  return std::to_string(number);
}
inline std::string shown(const std::vector<int64_t>& shape) {
  std::string words;
  for (const int64_t extent : shape) words += (words.empty() ? "" : ", ") + shown(extent);
  return "(" + words + (shape.size() == 1 ? ",)" : ")");
}

template <class... Parts>
std::string text(const Parts&... parts) {
  return (std::string() + ... + shown(parts));
}

// "name: got this, needs that"; an empty `got` is left out.
template <class Got, class... Needs>
std::string complaint(const char* name, const Got& got, const Needs&... needs) {
  const std::string came = shown(got);
  return text(name, came.empty() ? ": needs " : ": got " + came + ", needs ", needs...);
}

// REQUIRE(condition, name, got, needs...). A macro, so that the words are put together only when needed.
#define REQUIRE(condition, ...)                                      \
  do {                                                               \
    if (!(condition)) throw py::value_error(complaint(__VA_ARGS__)); \
  } while (0)

template <class Array>
std::vector<int64_t> extents(const Array& array) {
  std::vector<int64_t> shape;
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) shape.push_back(array.shape(axis));
  return shape;
}
template <class Array>
std::string shape_of(const Array& array) {
  return text("shape ", extents(array));
}
template <class Array>
std::string described(const Array& array) {
  return text(array.dtype(), " of ", shape_of(array));
}

// What differs between host and device memory has an overload in cuda/arguments.h.
inline bool contiguous(const py::array& array) { return (array.flags() & py::array::c_style) != 0; }
inline void check_memory(const py::array& array, const char* name, bool written) {
  REQUIRE(!written || array.writeable(), name, "", "an array that can be written to");
}

// Whether the elements are of exactly this type: nothing is converted silently.
template <class T, class Array>
bool holds(const Array& array) {
  const py::dtype own = array.dtype(), needed = py::dtype::of<std::remove_const_t<T>>();
  return own.is(needed) || own.equal(needed);
}

// The elements of a contiguous array. T is const where they are only read.
template <class T, class Array, class... On>
T* typed(const Array& array, const char* name, py::ssize_t rank, const On&... on) {
  if (!holds<T>(array) || array.ndim() != rank || !contiguous(array)) {
    throw py::type_error(complaint(name, described(array), rank == 1 ? "a " : "a C-", "contiguous ",
                                   rank, "-D array of ", py::dtype::of<std::remove_const_t<T>>()));
  }
  check_memory(array, name, !std::is_const_v<T>, on...);
  const void* data = array.data();
  return static_cast<T*>(const_cast<void*>(data));
}

template <class T, class Array, class... On>
T* shaped(const Array& array, const char* name, const std::vector<int64_t>& shape,
          const On&... on) {
  T* data = typed<T>(array, name, static_cast<py::ssize_t>(shape.size()), on...);
  REQUIRE(extents(array) == shape, name, shape_of(array), shape);
  return data;
}

// One element for each of `count`.
template <class T, class Array, class... On>
T* one_each(const Array& array, const char* name, int64_t count, const On&... on) {
  T* data = typed<T>(array, name, 1, on...);
  REQUIRE(array.size() == count, name, text(array.size(), " of them"), count);
  return data;
}
template <class T, class Array, class... On>
T* one_each(const std::optional<Array>& array, const char* name, int64_t count, const On&... on) {
  return array ? one_each<T>(*array, name, count, on...) : nullptr;
}

// What the ops read as floating-point numbers.
template <class Array>
DType float_type(const Array& array, const char* name, bool bf16, bool doubles = true) {
  const py::dtype dtype = array.dtype();
  const auto is = [&](char kind, int bytes) {
    return dtype.kind() == kind && dtype.itemsize() == bytes && dtype.byteorder() == '=';
  };
  if (bf16 && is('u', 2)) return DType::kBFloat16;
  if (!bf16 && is('f', 2)) return DType::kFloat16;
  if (!bf16 && is('f', 4)) return DType::kFloat32;
  if (!bf16 && doubles && is('f', 8)) return DType::kFloat64;
  throw py::type_error(complaint(name, dtype,
                                 bf16      ? "uint16 bits of bfloat16"
                                 : doubles ? "float16, float32 or float64"
                                           : "float16 or float32"));
}

// Floating-point numbers of any strides, all of their rows.
template <class Array, class... On>
RowsView matrix_of(const Array& array, const char* name, bool bf16, bool doubles, const On&... on) {
  REQUIRE(array.ndim() == 2, name, shape_of(array), "two dimensions");
  RowsView view;
  view.dtype = float_type(array, name, bf16, doubles);
  check_memory(array, name, false, on...);
  const void* data = array.data();
  view.data = static_cast<const char*>(data);
  view.n = view.visited = array.shape(0);
  view.d = array.shape(1);
  view.row_stride = array.strides(0);
  view.col_stride = array.strides(1);
  return view;
}

template <class Array, class... On>
void visit(RowsView& view, const std::optional<Array>& positions, const On&... on) {
  if (!positions) return;
  view.positions = typed<const int64_t>(*positions, "positions", 1, on...);
  view.visited = positions->size();
  check_positions(view, on...);  // each module's own
}

template <class Array, class... On>
RowsView rows_of(const Array& array, bool bf16, bool normalize,
                 const std::optional<Array>& positions, int64_t d, const On&... on) {
  RowsView view = matrix_of(array, "rows", bf16, true, on...);
  REQUIRE(view.d == d, "rows", shape_of(array), "d = ", d);
  view.normalize = normalize;
  visit(view, positions, on...);
  return view;
}

inline void check_threads(int threads) { REQUIRE(threads >= 1, "threads", threads, "at least 1"); }

}  // namespace ally_fast
