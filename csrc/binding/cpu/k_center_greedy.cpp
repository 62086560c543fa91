#include "ops/k_center_greedy/k_center_greedy.h"

#include <functional>

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

py::tuple k_center_greedy(const py::array& array, int64_t b, const std::string& isa,
                          const PackedPoints* starts, std::optional<int64_t> first, bool bf16,
                          bool normalize, const std::optional<py::array>& positions, int threads) {
  check_width(array, "rows");
  const RowsView rows =
      rows_of(array, bf16, normalize, positions, starts ? starts->d() : array.shape(1));
  const int64_t *begin = rows.positions, *end = begin + rows.visited;
  check_ascending(!begin || std::adjacent_find(begin, end, std::greater_equal<>()) == end);
  check_b(b, rows.visited);
  if (b > 0) {
    check_first(first, starts != nullptr);
    const int64_t row = first.value_or(0);
    check_visited(first,
                  row >= 0 && row < rows.n && (!begin || std::binary_search(begin, end, row)));
  }
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  Array<int64_t> picks(b);
  Array<double> distances(b);
  int64_t* picks_out = picks.mutable_data();
  double* distances_out = distances.mutable_data();
  const NonfiniteRows bad = computed([&] {
    return k_center_greedy_cpu(rows, starts, first.value_or(-1), b, kernel, threads, picks_out,
                               distances_out);
  });
  check_finite(bad.count, bad.first, rows.visited);
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
