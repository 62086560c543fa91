#include "ops/assign/assign.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

AssignStats assign(const py::array& array, const PackedPoints& table, const py::array& out_array,
                   bool bf16, bool normalize, const std::optional<py::array>& positions,
                   int threads, bool certify) {
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  int32_t* out = one_each<int32_t>(out_array, "out", rows.visited);
  check_threads(threads);
  const Computing computing;
  return assign_cpu(rows, table, threads, certify, out);
}

py::array squared_distances(const py::array& array, const PackedPoints& table,
                            const py::array& assignments_array, bool bf16, bool normalize,
                            const std::optional<py::array>& positions, int threads) {
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  const int32_t* assignments = assignments_of(assignments_array, rows.visited, table.k());
  Array<double> distances(rows.visited);
  double* out = distances.mutable_data();
  check_threads(threads);
  computed([&] { squared_distances_cpu(rows, table, assignments, threads, out); });
  return distances;
}

}  // namespace

void register_assign(py::module_& module) {
  py::class_<AssignStats>(module, "AssignStats")
      .def_readonly("uncertain", &AssignStats::uncertain)
      .def_readonly("candidates", &AssignStats::candidates)
      .def_readonly("nonfinite", &AssignStats::nonfinite)
      .def_readonly("first_nonfinite", &AssignStats::first_nonfinite);
  module.def("assign", &assign, py::arg("rows"), py::arg("table"), py::arg("out"), py::kw_only(),
             py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1, py::arg("certify") = true);
  module.def("squared_distances", &squared_distances, py::arg("rows"), py::arg("table"),
             py::arg("assignments"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
