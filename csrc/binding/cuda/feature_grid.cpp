#include "ops/feature_grid/feature_grid.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void feature_grid(const DeviceArray& array, const DeviceArray& out) {
  const CudaStream stream = array.cuda();
  const float* rows = training_rows(array, stream);
  const int64_t t = array.shape(0), d = array.shape(1);
  double* grid = shaped<double>(out, "grid", {2 * d + 1}, stream);
  const py::gil_scoped_release released;
  feature_grid_cuda(stream, rows, t, d, grid);
}

}  // namespace

void register_feature_grid(py::module_& module) {
  module.def("feature_grid", &feature_grid, py::arg("rows"), py::arg("grid"));
}

}  // namespace ally_fast
