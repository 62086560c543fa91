// ally_fast._cpu.d2_sample_outer
#include "ops/d2_sample_outer/d2_sample_outer.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <functional>

#include "binding/arguments.h"
#include "binding/cpu/module.h"

namespace ally_fast {
namespace {

Rows factor_of(const py::array& array, const std::string& name, bool bf16,
               const std::optional<py::array>& positions) {
  const int64_t d = array.ndim() == 2 ? array.shape(1) : 0;
  const Rows rows = rows_of(array, bf16, false, positions, d);
  REQUIRE(d >= 1 && d <= kLargestD, name + ": got shape " + shape_of(array) +
                                        ", needs columns in [1, " + std::to_string(kLargestD) +
                                        "]");
  return rows;
}

py::array d2_sample_outer(const py::array& left_array, const py::array& right_array, int64_t b,
                          uint64_t seed, const std::string& isa,
                          const std::optional<py::array>& targets_array, bool left_bf16,
                          bool right_bf16, const std::optional<py::array>& positions, int threads) {
  const Rows left = factor_of(left_array, "left", left_bf16, positions);
  REQUIRE(right_array.ndim() == 2 && right_array.shape(0) == left.view.n,
          "right: got shape " + shape_of(right_array) + ", needs (" + std::to_string(left.view.n) +
              ", d), a row for each of left");
  const Rows right = factor_of(right_array, "right", right_bf16, positions);
  const int64_t visited = left.view.visited;
  const int64_t* places = left.view.positions;
  REQUIRE(!places || std::adjacent_find(places, places + visited, std::greater_equal<>()) ==
                         places + visited,
          "positions: needs ascending values, each once");
  REQUIRE(b >= 0 && b <= visited, "b: got " + std::to_string(b) + ", needs 0 to " +
                                      std::to_string(visited) + " (the rows visited)");
  std::optional<Array<int64_t>> targets;
  if (targets_array) {
    targets = typed<int64_t>(*targets_array, "targets", 1);
    REQUIRE(targets->size() == left.view.n, "targets: got " + std::to_string(targets->size()) +
                                                " of them, needs " + std::to_string(left.view.n));
    const auto inside = [&](int64_t y) { return y >= 0 && y < left.view.d; };
    REQUIRE(all_right(targets->data(), targets->size(), inside),
            "targets: needs values in [0, " + std::to_string(left.view.d) + ")");
  }
  const Kernel& kernel = kernel_named(isa);
  checked_threads(threads);
  Array<int64_t> picks(b);
  const int64_t* wanted = targets ? targets->data() : nullptr;
  int64_t* out = picks.mutable_data();
  UnusableRows bad;
  {
    const Computing computing;
    bad = d2_sample_outer_cpu(left.view, right.view, wanted, b, seed, kernel, threads, out);
  }
  REQUIRE(bad.count == 0, "rows: " + std::to_string(bad.count) + " of " + std::to_string(visited) +
                              " hold NaN, infinite or huge values, the first is row " +
                              std::to_string(bad.first) +
                              "; needs squared lengths below 1e100 in left and right");
  return std::move(picks);
}

}  // namespace

void register_d2_sample_outer(py::module_& module) {
  module.def("d2_sample_outer", &d2_sample_outer, py::arg("left"), py::arg("right"), py::arg("b"),
             py::arg("seed"), py::arg("isa"), py::kw_only(), py::arg("targets") = py::none(),
             py::arg("left_bf16") = false, py::arg("right_bf16") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1);
}

}  // namespace ally_fast
