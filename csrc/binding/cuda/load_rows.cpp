#include "ops/load_rows/load_rows.h"

#include "binding/checks.h"
#include "binding/cuda/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

void load_rows(const DeviceArray& array, const DeviceArray& out,
               const std::optional<DeviceArray>& out_positions, const DeviceArray& not_finite,
               bool bf16, bool normalize, const std::optional<DeviceArray>& positions,
               const std::optional<DeviceArray>& shift_array, double scale) {
  const CudaStream stream = array.cuda();
  float* matrix = typed<float>(out, "out", 2, stream);
  const RowsView rows = rows_of(array, bf16, normalize, positions, out.shape(1), stream);
  const auto* to = one_each<const int64_t>(out_positions, "out_positions", rows.visited, stream);
  REQUIRE(to || out.shape(0) >= rows.visited, "out", shape_of(out), "at least ", rows.visited,
          " rows");
  int* flag = typed<int>(not_finite, "not_finite", 1, stream);
  const double* shift = shift_of(shift_array, rows.d, stream);
  const py::gil_scoped_release released;
  load_rows_cuda(stream, rows, to, shift, scale, matrix, flag);
}

}  // namespace

void register_load_rows(py::module_& module) {
  module.def("load_rows", &load_rows, py::arg("rows"), py::arg("out"), py::arg("out_positions"),
             py::arg("not_finite"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none(),
             py::arg("shift") = py::none(), py::arg("scale") = 1.0);
}

}  // namespace ally_fast
