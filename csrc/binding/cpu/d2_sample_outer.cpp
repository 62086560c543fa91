#include "ops/d2_sample_outer/d2_sample_outer.h"

#include <functional>

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

RowsView factor_of(const py::array& array, const char* name, bool bf16,
                   const std::optional<py::array>& positions) {
  RowsView rows = matrix_of(array, name, bf16, true);
  check_width(array, name);
  visit(rows, positions);
  return rows;
}

py::array d2_sample_outer(const py::array& left_array, const py::array& right_array, int64_t b,
                          uint64_t seed, const std::string& isa,
                          const std::optional<py::array>& targets_array, bool left_bf16,
                          bool right_bf16, const std::optional<py::array>& positions, int threads) {
  const RowsView left = factor_of(left_array, "left", left_bf16, positions);
  REQUIRE(right_array.ndim() == 2 && right_array.shape(0) == left.n, "right", shape_of(right_array),
          "(", left.n, ", d), a row for each of left");
  const RowsView right = factor_of(right_array, "right", right_bf16, positions);
  const int64_t *begin = left.positions, *end = begin + left.visited;
  check_ascending(!begin || std::adjacent_find(begin, end, std::greater_equal<>()) == end);
  check_b(b, left.visited);
  const auto* targets = one_each<const int64_t>(targets_array, "targets", left.n);
  if (targets) check_inside(targets, "targets", left.n, 0, left.d);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  Array<int64_t> picks(b);
  int64_t* out = picks.mutable_data();
  const UnusableRows bad = computed(
      [&] { return d2_sample_outer_cpu(left, right, targets, b, seed, kernel, threads, out); });
  check_usable(bad.count, bad.first, left.visited, "NaN, infinite or huge values",
               "squared lengths below 1e100 in left and right");
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
