// What every binding file does with its arguments: check them, make views, compute without the GIL.
// A message names the argument, what came and what is needed.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cfenv>
#include <optional>
#include <string>

#include "common/poll.h"
#include "common/rows.h"
#include "common/scan/kernel.h"

namespace py = pybind11;

namespace ally_fast {

// Contiguous, of exactly this type: nothing is converted silently.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

// A macro, so that the message is put together only when it is needed.
#define REQUIRE(condition, message)                   \
  do {                                                \
    if (!(condition)) throw py::value_error(message); \
  } while (0)

// The floating-point environment that the answers are defined in. Some libraries flush subnormals
// or round otherwise in a whole thread; the threads of a parallel_for inherit from this one.
class DefaultFloats {
 public:
  DefaultFloats() {
    std::fegetenv(&callers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloats() { std::fesetenv(&callers_); }
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;

 private:
  std::fenv_t callers_;
};

// Runs the handlers of signals that have come, Ctrl-C's among them; does nothing on other threads than
// Python's main one.
inline void handle_signals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

// While the core computes. Signals are handled, so Ctrl-C ends it.
struct Computing {
  Computing() {}
  py::gil_scoped_release release;
  DefaultFloats floats;
  Poll signals{handle_signals};
};

// Whether `right` holds for all values.
template <class T, class Right>
bool all_right(const T* values, int64_t count, const Right& right) {
  constexpr int64_t kPiece = 1 << 20;
  const Computing computing;
  for (int64_t at = 0; at < count; at += kPiece) {
    if (!std::all_of(values + at, values + std::min(count, at + kPiece), right)) return false;
    poll();
  }
  return true;
}

inline std::string shape_of(const py::array& array) {
  return py::str(array.attr("shape")).cast<std::string>();
}

inline std::string dtype_of(const py::array& array) {
  return py::str(array.dtype()).cast<std::string>();
}

// Whether an array holds numbers of this kind, in the machine's byte order.
inline bool holds(const py::array& array, char kind, int bytes) {
  const py::dtype dtype = array.dtype();
  return dtype.kind() == kind && dtype.itemsize() == bytes && dtype.byteorder() == '=';
}

template <class T>
Array<T> typed(const py::array& array, const char* name, py::ssize_t rank) {
  const bool right = py::isinstance<Array<T>>(array) && array.ndim() == rank;
  if (!right) {
    throw py::type_error(std::string(name) + ": got " + dtype_of(array) + " of shape " +
                         shape_of(array) + ", needs a C-contiguous " + std::to_string(rank) +
                         "-D array of " + py::str(py::dtype::of<T>()).cast<std::string>());
  }
  return Array<T>(array);
}

inline int checked_threads(int threads) {
  REQUIRE(threads >= 1, "threads: got " + std::to_string(threads) + ", needs at least 1");
  return threads;
}

inline const Kernel& kernel_named(const std::string& isa) {
  const Kernel* kernel = find_kernel(isa.c_str());
  if (!kernel) throw std::runtime_error("isa: this machine cannot run '" + isa + "'");
  return *kernel;
}

// Keeps the arrays behind a view alive while a call runs.
struct Rows {
  py::array array;
  std::optional<Array<int64_t>> positions;
  RowsView view;
};

inline Rows rows_of(const py::array& array, bool bf16, bool normalize,
                    const std::optional<py::array>& positions, int64_t d) {
  REQUIRE(array.ndim() == 2, "rows: got shape " + shape_of(array) + ", needs (m, d)");
  REQUIRE(array.shape(1) == d,
          "rows: got shape " + shape_of(array) + ", needs d = " + std::to_string(d));
  Rows rows{array, std::nullopt, {}};
  RowsView& view = rows.view;
  if (bf16 && holds(array, 'u', 2)) {
    view.dtype = DType::kBFloat16;
  } else if (!bf16 && holds(array, 'f', 2)) {
    view.dtype = DType::kFloat16;
  } else if (!bf16 && holds(array, 'f', 4)) {
    view.dtype = DType::kFloat32;
  } else if (!bf16 && holds(array, 'f', 8)) {
    view.dtype = DType::kFloat64;
  } else {
    throw py::type_error("rows: got " + dtype_of(array) +
                         ", needs float16, float32, float64 or uint16 bits");
  }
  view.data = static_cast<const char*>(array.data());
  view.n = view.visited = array.shape(0);
  view.d = d;
  view.row_stride = array.strides(0);
  view.col_stride = array.strides(1);
  view.normalize = normalize;
  if (positions) {
    rows.positions = typed<int64_t>(*positions, "positions", 1);
    view.positions = rows.positions->data();
    view.visited = rows.positions->size();
    const auto inside = [&](int64_t p) { return p >= 0 && p < view.n; };
    REQUIRE(all_right(view.positions, view.visited, inside),
            "positions: needs values in [0, " + std::to_string(view.n) + ")");
  }
  return rows;
}

inline Array<int32_t> checked_assignments(const py::array& array, int64_t count, int64_t k,
                                          int64_t least) {
  auto assignments = typed<int32_t>(array, "assignments", 1);
  REQUIRE(assignments.size() == count, "assignments: got " + std::to_string(assignments.size()) +
                                           " of them, needs " + std::to_string(count));
  const auto inside = [&](int32_t c) { return c >= least && c < k; };
  REQUIRE(
      all_right(assignments.data(), count, inside),
      "assignments: needs values in [" + std::to_string(least) + ", " + std::to_string(k) + ")");
  return assignments;
}

}  // namespace ally_fast
