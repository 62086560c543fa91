#include "ops/centroid_update/centroid_update.h"

#include "binding/cpu/module.h"
#include "binding/cpu/training.h"

namespace ally_fast {
namespace {

void centroid_update(const py::array& sums_array, const py::array& counts_array,
                     const py::array& grid_array, double keep, double add, bool normalize,
                     const py::array& sizes_array, const py::array& averages_array,
                     const py::array& centroids_array, int threads) {
  const auto sums = typed<int64_t>(sums_array, "sums", 2);
  const int64_t k = sums.shape(0), d = sums.shape(1);
  const auto counts = shaped<int64_t>(counts_array, "counts", {k});
  const auto grid = shaped<double>(grid_array, "grid", {2 * d + 1});
  REQUIRE(keep >= 0 && std::isfinite(keep), "keep: needs a finite value of at least 0");
  REQUIRE(add >= 0 && std::isfinite(add), "add: needs a finite value of at least 0");
  auto sizes = shaped<double>(sizes_array, "size_average", {k});
  auto averages = shaped<double>(averages_array, "sum_average", {k, d});
  auto centroids = shaped<float>(centroids_array, "centroids", {k, d});
  const int64_t *values = sums.data(), *rows = counts.data();
  const double* steps = grid.data();
  const Average average{sizes.mutable_data(), averages.mutable_data()};
  float* out = centroids.mutable_data();
  checked_threads(threads);
  const Computing computing;
  centroid_update_cpu(values, rows, k, d, steps, {keep, add, normalize}, threads, average, out);
}

}  // namespace

void register_centroid_update(py::module_& module) {
  module.def("centroid_update", &centroid_update, py::arg("sums"), py::arg("counts"),
             py::arg("grid"), py::arg("keep"), py::arg("add"), py::arg("normalize"),
             py::arg("size_average"), py::arg("sum_average"), py::arg("centroids"), py::kw_only(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
