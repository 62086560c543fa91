#include "common/cuda/scan/scan_sm90a.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

// For the tests of the kernel alone; ops call it from C++.
void scan(const DeviceArray& rows, const DeviceArray& centroids, const DeviceArray& half_norm,
          const DeviceArray& norm, const DeviceArray& error, const DeviceArray& best,
          const DeviceArray& second, const DeviceArray& index) {
  const CudaStream stream = rows.cuda();
  ScanOperands operands{};
  ScanTable& table = operands.table;
  operands.rows = typed<uint16_t>(rows, "rows", 2, stream);
  table.centroids = typed<uint16_t>(centroids, "centroids", 2, stream);
  table.half_norm = typed<float>(half_norm, "half_norm", 1, stream);
  table.norm = typed<float>(norm, "norm", 1, stream);
  operands.error = typed<float>(error, "error", 1, stream);
  operands.row_count = error.size();
  table.k_padded = centroids.shape()[0];
  table.d_padded = centroids.shape()[1];
  require(table.k_padded % 128 == 0 && table.d_padded % 64 == 0,
          "centroids: got " + describe(centroids) + ", needs multiples of 128 and 64");
  require(rows.shape()[0] == operands.row_count && rows.shape()[1] == table.d_padded,
          "rows: got " + describe(rows) + ", needs one for each error");
  require(half_norm.size() == table.k_padded && norm.size() == table.k_padded,
          "half_norm, norm: need one for each centroid");
  float* const to_best = typed<float>(best, "best", 1, stream);
  float* const to_second = typed<float>(second, "second", 1, stream);
  int32_t* const to_index = typed<int32_t>(index, "index", 1, stream);
  require(
      best.size() == error.size() && second.size() == error.size() && index.size() == error.size(),
      "best, second, index: need one for each row");
  const py::gil_scoped_release released;
  scan_sm90a(stream, operands, to_best, to_second, to_index);
}

}  // namespace

void register_scan_sm90a(py::module_& module) {
  module.def("_scan_sm90a", &scan, py::arg("rows"), py::arg("centroids"), py::arg("half_norm"),
             py::arg("norm"), py::arg("error"), py::arg("best"), py::arg("second"),
             py::arg("index"));
}

}  // namespace ally_fast
