// ally_fast._cpu.k_center_greedy
#include "ops/k_center_greedy/k_center_greedy.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <functional>

#include "binding/arguments.h"
#include "binding/cpu/module.h"

namespace ally_fast {
namespace {

void check_first(const RowsView& rows, const std::optional<int64_t>& first, bool has_starts) {
  REQUIRE(first.has_value() != has_starts,
          has_starts ? "first: needs None where there are starting points"
                     : "first: needs a row where there are no starting points");
  if (!first) return;
  const int64_t *begin = rows.positions, *end = rows.positions + rows.visited;
  REQUIRE(*first >= 0 && *first < rows.n && (!begin || std::binary_search(begin, end, *first)),
          "first: got " + std::to_string(*first) + ", needs one of the rows visited");
}

py::tuple k_center_greedy(const py::array& array, int64_t b, const std::string& isa,
                          const CentroidTable* starts, std::optional<int64_t> first, bool bf16,
                          bool normalize, const std::optional<py::array>& positions, int threads) {
  const int64_t own_d = array.ndim() == 2 ? array.shape(1) : 0;
  const Rows rows = rows_of(array, bf16, normalize, positions, starts ? starts->d() : own_d);
  const int64_t visited = rows.view.visited;
  REQUIRE(
      own_d >= 1 && own_d <= kLargestD,
      "rows: got shape " + shape_of(array) + ", needs d in [1, " + std::to_string(kLargestD) + "]");
  const int64_t* places = rows.view.positions;
  REQUIRE(!places || std::adjacent_find(places, places + visited, std::greater_equal<>()) ==
                         places + visited,
          "positions: needs ascending values, each once");
  REQUIRE(b >= 0 && b <= visited, "b: got " + std::to_string(b) + ", needs 0 to " +
                                      std::to_string(visited) + " (the rows visited)");
  if (b > 0) check_first(rows.view, first, starts != nullptr);
  const Kernel& kernel = kernel_named(isa);
  checked_threads(threads);
  Array<int64_t> picks(b);
  Array<double> distances(b);
  int64_t* picks_out = picks.mutable_data();
  double* distances_out = distances.mutable_data();
  NonfiniteRows bad;
  {
    const Computing computing;
    bad = k_center_greedy_cpu(rows.view, starts, first.value_or(-1), b, kernel, threads, picks_out,
                              distances_out);
  }
  REQUIRE(bad.count == 0, "rows: " + std::to_string(bad.count) + " of " + std::to_string(visited) +
                              " hold NaN or infinite values, the first is row " +
                              std::to_string(bad.first) + "; needs finite values");
  return py::make_tuple(picks, distances);
}

}  // namespace

void register_k_center_greedy(py::module_& module) {
  module.def("k_center_greedy", &k_center_greedy, py::arg("rows"), py::arg("b"), py::arg("isa"),
             py::kw_only(), py::arg("starts") = py::none(), py::arg("first") = py::none(),
             py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1);
}

}  // namespace ally_fast
