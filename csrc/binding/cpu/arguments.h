// What the CPU's binding files do besides: look into arrays, and compute without the GIL.
#pragma once
#include <algorithm>
#include <cfenv>

#include "binding/arguments.h"
#include "common/poll.h"
#include "common/scan/kernel.h"

namespace ally_fast {

// What ops return.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

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

template <class Work>
auto computed(const Work& work) {
  const Computing computing;
  return work();
}

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

template <class T>
void check_inside(const T* values, const char* name, int64_t count, int64_t least, int64_t end) {
  REQUIRE(all_right(values, count, [&](T value) { return value >= least && value < end; }), name,
          "", "values in [", least, ", ", end, ")");
}

inline void check_positions(const RowsView& view) {
  check_inside(view.positions, "positions", view.visited, 0, view.n);
}

inline const int32_t* assignments_of(const py::array& array, int64_t count, int64_t k,
                                     int64_t least = 0) {
  const int32_t* assignments = one_each<const int32_t>(array, "assignments", count);
  check_inside(assignments, "assignments", count, least, k);
  return assignments;
}

inline const Kernel& kernel_named(const std::string& isa) {
  const Kernel* kernel = find_kernel(isa.c_str());
  if (!kernel) throw std::runtime_error("isa: this machine cannot run '" + isa + "'");
  return *kernel;
}

}  // namespace ally_fast
