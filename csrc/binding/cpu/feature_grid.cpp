#include "ops/feature_grid/feature_grid.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

Array<double> feature_grid(const py::array& array, const std::string& isa, int threads) {
  const float* rows = training_rows(array);
  const int64_t t = array.shape(0), d = array.shape(1);
  const Kernel& kernel = kernel_named(isa);
  Array<double> grid(2 * d + 1);
  double* out = grid.mutable_data();
  check_threads(threads);
  computed([&] { feature_grid_cpu(rows, t, d, kernel, threads, out); });
  return grid;
}

}  // namespace

void register_feature_grid(py::module_& module) {
  module.def("feature_grid", &feature_grid, py::arg("rows"), py::arg("isa"), py::kw_only(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
