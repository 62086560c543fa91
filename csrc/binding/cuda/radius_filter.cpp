#include "ops/radius_filter/radius_filter.h"

#include "binding/checks.h"
#include "binding/cuda/arguments.h"
#include "binding/cuda/packed_points.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

void radius_filter(const DeviceArray& array, const CudaPackedPoints& table, double radius,
                   const DeviceArray& within, bool bf16, bool normalize,
                   const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d(), stream);
  const DeviceTable& points = table.on(stream);
  check_radius(radius);
  uint8_t* out = flags_of(within, "within", rows.visited, stream);
  const py::gil_scoped_release released;
  radius_filter_cuda(stream, rows, points, radius, out);
}

}  // namespace

void register_radius_filter(py::module_& module) {
  module.def("radius_filter", &radius_filter, py::arg("rows"), py::arg("table"), py::arg("radius"),
             py::arg("within"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none());
}

}  // namespace ally_fast
