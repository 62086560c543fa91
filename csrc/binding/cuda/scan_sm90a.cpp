#include "common/cuda/scan/scan_sm90a.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

// For the tests of the kernel alone; ops call it from C++.
void scan(const DeviceArray& rows, const DeviceArray& centroids, const DeviceArray& half_norm,
          const DeviceArray& norm, const DeviceArray& error, const DeviceArray& best,
          const DeviceArray& second, const DeviceArray& index) {
  const CudaStream stream = rows.cuda();
  ScanOperands operands{};
  ScanTable& table = operands.table;
  operands.rows = typed<const uint16_t>(rows, "rows", 2, stream);
  table.centroids = typed<const uint16_t>(centroids, "centroids", 2, stream);
  const int64_t m = operands.row_count = error.size(), k = table.k_padded = centroids.shape(0);
  table.d_padded = centroids.shape(1);
  REQUIRE(k % 128 == 0 && table.d_padded % 64 == 0, "centroids", shape_of(centroids),
          "multiples of 128 and 64");
  REQUIRE(rows.shape(0) == m && rows.shape(1) == table.d_padded, "rows", shape_of(rows),
          "one for each error");
  table.half_norm = one_each<const float>(half_norm, "half_norm", k, stream);
  table.norm = one_each<const float>(norm, "norm", k, stream);
  operands.error = typed<const float>(error, "error", 1, stream);
  float* const to_best = one_each<float>(best, "best", m, stream);
  float* const to_second = one_each<float>(second, "second", m, stream);
  int32_t* const to_index = one_each<int32_t>(index, "index", m, stream);
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
