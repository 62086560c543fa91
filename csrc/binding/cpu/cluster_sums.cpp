#include "ops/cluster_sums/cluster_sums.h"

#include <pybind11/stl.h>

#include "binding/cpu/module.h"
#include "binding/cpu/training.h"

namespace ally_fast {
namespace {

void cluster_sums(const py::array& array, const py::array& assignments_array,
                  const py::array& grid_array, int64_t most, const py::array& sums_array,
                  const py::array& counts_array, const std::string& isa,
                  const std::optional<py::array>& centroids_array,
                  const std::optional<py::array>& spread_array, int threads) {
  const auto rows = training_rows(array, "rows");
  const int64_t t = rows.shape(0), d = rows.shape(1);
  auto counts = typed<int64_t>(counts_array, "counts", 1);
  const int64_t k = counts.size();
  auto sums = shaped<int64_t>(sums_array, "sums", {k, d});
  const auto grid = shaped<double>(grid_array, "grid", {2 * d + 1});
  checked_most(most, t);
  const auto assignments = checked_assignments(assignments_array, t, k, 0);
  std::optional<Array<float>> centroids;
  std::optional<Array<int64_t>> spread;
  REQUIRE(centroids_array.has_value() == spread_array.has_value(),
          "centroids, spread: needs both or neither");
  if (centroids_array) {
    centroids = shaped<float>(*centroids_array, "centroids", {k, d});
    spread = shaped<int64_t>(*spread_array, "spread", {2});
  }
  const Kernel& kernel = kernel_named(isa);
  const float *data = rows.data(), *points = centroids ? centroids->data() : nullptr;
  const int32_t* ids = assignments.data();
  const double* steps = grid.data();
  int64_t *sums_out = sums.mutable_data(), *counts_out = counts.mutable_data();
  int64_t* spread_out = spread ? spread->mutable_data() : nullptr;
  checked_threads(threads);
  const Computing computing;
  cluster_sums_cpu(data, t, d, ids, points, k, steps, most, kernel, threads, sums_out, counts_out,
                   spread_out);
}

}  // namespace

void register_cluster_sums(py::module_& module) {
  module.def("cluster_sums", &cluster_sums, py::arg("rows"), py::arg("assignments"),
             py::arg("grid"), py::arg("most"), py::arg("sums"), py::arg("counts"), py::arg("isa"),
             py::kw_only(), py::arg("centroids") = py::none(), py::arg("spread") = py::none(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
