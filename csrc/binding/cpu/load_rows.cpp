#include "ops/load_rows/load_rows.h"

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

bool load_rows(const py::array& array, const py::array& out, const std::string& isa,
               const py::array& out_positions, bool bf16, bool normalize,
               const std::optional<py::array>& shift_array, double scale, int threads) {
  float* matrix = typed<float>(out, "out", 2);
  const RowsView rows = rows_of(array, bf16, normalize, {}, out.shape(1));
  const auto* to = one_each<const int64_t>(out_positions, "out_positions", rows.visited);
  check_inside(to, "out_positions", rows.visited, 0, out.shape(0));
  const double* shift = shift_of(shift_array, rows.d);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  const Computing computing;
  return load_rows_cpu(rows, kernel, to, shift, scale, threads, matrix);
}

}  // namespace

void register_load_rows(py::module_& module) {
  module.def("load_rows", &load_rows, py::arg("rows"), py::arg("out"), py::arg("isa"),
             py::arg("out_positions"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("shift") = py::none(), py::arg("scale") = 1.0,
             py::arg("threads") = 1);
}

}  // namespace ally_fast
