#include "ops/centroid_update/centroid_update.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void centroid_update(const py::array& sums_array, const py::array& counts_array,
                     const py::array& grid_array, double keep, double add, bool normalize,
                     const py::array& sizes, const py::array& averages,
                     const py::array& centroids_array, int threads) {
  const int64_t* sums = typed<const int64_t>(sums_array, "sums", 2);
  const int64_t k = sums_array.shape(0), d = sums_array.shape(1);
  const int64_t* counts = shaped<const int64_t>(counts_array, "counts", {k});
  const double* grid = grid_of(grid_array, d);
  check_factor(keep, "keep");
  check_factor(add, "add");
  const Average average{shaped<double>(sizes, "size_average", {k}),
                        shaped<double>(averages, "sum_average", {k, d})};
  float* centroids = shaped<float>(centroids_array, "centroids", {k, d});
  check_threads(threads);
  const Computing computing;
  centroid_update_cpu(sums, counts, k, d, grid, {keep, add, normalize}, threads, average,
                      centroids);
}

}  // namespace

void register_centroid_update(py::module_& module) {
  module.def("centroid_update", &centroid_update, py::arg("sums"), py::arg("counts"),
             py::arg("grid"), py::arg("keep"), py::arg("add"), py::arg("normalize"),
             py::arg("size_average"), py::arg("sum_average"), py::arg("centroids"), py::kw_only(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
