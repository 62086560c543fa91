#include "ops/radius_filter/radius_filter.h"

#include <cmath>

#include "arguments.h"
#include "centroid_table.h"
#include "ops.h"

namespace ally_fast {
namespace {

void radius_filter(const DeviceArray& array, const CudaCentroidTable& table, double radius,
                   const DeviceArray& within, bool bf16, bool normalize,
                   const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  const DeviceTable& points = table.on(stream);
  require(radius > 0 && std::isfinite(radius * radius),
          "radius: needs a value above 0 whose square is finite");
  auto* flags = reinterpret_cast<uint8_t*>(one_each<bool>(within, "within", rows.visited, stream));
  const py::gil_scoped_release released;
  radius_filter_cuda(stream, rows, points, radius, flags);
}

}  // namespace

void register_radius_filter(py::module_& module) {
  module.def("radius_filter", &radius_filter, py::arg("rows"), py::arg("table"), py::arg("radius"),
             py::arg("within"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none());
}

}  // namespace ally_fast
