#include "ops/feature_grid/feature_grid.h"

#include "binding/cpu/module.h"
#include "binding/cpu/training.h"

namespace ally_fast {
namespace {

Array<double> feature_grid(const py::array& array, const std::string& isa, int threads) {
  const auto rows = training_rows(array, "rows");
  const int64_t t = rows.shape(0), d = rows.shape(1);
  const Kernel& kernel = kernel_named(isa);
  Array<double> grid(2 * d + 1);
  const float* data = rows.data();
  double* out = grid.mutable_data();
  checked_threads(threads);
  {
    const Computing computing;
    feature_grid_cpu(data, t, d, kernel, threads, out);
  }
  return grid;
}

}  // namespace

void register_feature_grid(py::module_& module) {
  module.def("feature_grid", &feature_grid, py::arg("rows"), py::arg("isa"), py::kw_only(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
