#include "ops/cluster_sums/cluster_sums.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void cluster_sums(const DeviceArray& array, const DeviceArray& assignments_array,
                  const DeviceArray& grid_array, int64_t most, const DeviceArray& sums_array,
                  const DeviceArray& counts_array,
                  const std::optional<DeviceArray>& centroids_array,
                  const std::optional<DeviceArray>& spread_array) {
  const CudaStream stream = array.cuda();
  const float* rows = training_rows(array, stream);
  const int64_t t = array.shape(0), d = array.shape(1);
  int64_t* counts = typed<int64_t>(counts_array, "counts", 1, stream);
  const int64_t k = clusters_of(counts_array, "counts", 1);
  int64_t* sums = shaped<int64_t>(sums_array, "sums", {k, d}, stream);
  const double* grid = grid_of(grid_array, d, stream);
  check_most(most, t);
  const auto* assignments = one_each<const int32_t>(assignments_array, "assignments", t, stream);
  const auto [centroids, spread] = spread_of(centroids_array, spread_array, k, d, stream);
  const py::gil_scoped_release released;
  cluster_sums_cuda(stream, rows, t, d, assignments, centroids, k, grid, most, sums, counts,
                    spread);
}

}  // namespace

void register_cluster_sums(py::module_& module) {
  module.def("cluster_sums", &cluster_sums, py::arg("rows"), py::arg("assignments"),
             py::arg("grid"), py::arg("most"), py::arg("sums"), py::arg("counts"), py::kw_only(),
             py::arg("centroids") = py::none(), py::arg("spread") = py::none());
}

}  // namespace ally_fast
