#include "ops/load_rows/load_rows.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

void load_rows(const DeviceArray& array, const DeviceArray& out,
               const std::optional<DeviceArray>& places, const DeviceArray& not_finite, bool bf16,
               bool normalize, const std::optional<DeviceArray>& positions,
               const std::optional<DeviceArray>& shift, double scale) {
  const CudaStream stream = array.cuda();
  float* matrix = typed<float>(out, "out", 2, stream);
  const RowsView rows = rows_of(array, bf16, normalize, positions, out.shape()[1]);
  const int64_t* to = places ? typed<int64_t>(*places, "places", 1, stream) : nullptr;
  require(places ? places->size() == rows.visited : out.shape()[0] >= rows.visited,
          "places: needs one for each of " + std::to_string(rows.visited) + " rows");
  int* flag = typed<int>(not_finite, "not_finite", 1, stream);
  const double* zero = shift ? typed<double>(*shift, "shift", 1, stream) : nullptr;
  require(!shift || shift->size() == rows.d,
          "shift: needs one for each of " + std::to_string(rows.d) + " features");
  const py::gil_scoped_release released;
  load_rows_cuda(stream, rows, to, zero, scale, matrix, flag);
}

}  // namespace

void register_load_rows(py::module_& module) {
  module.def("load_rows", &load_rows, py::arg("rows"), py::arg("out"), py::arg("places"),
             py::arg("not_finite"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none(),
             py::arg("shift") = py::none(), py::arg("scale") = 1.0);
}

}  // namespace ally_fast
