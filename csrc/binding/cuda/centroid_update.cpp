#include "ops/centroid_update/centroid_update.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

void centroid_update(const DeviceArray& rows_array, const DeviceArray& assignments_array,
                     const DeviceArray& centroids_array, bool normalize, const DeviceArray& updated,
                     const DeviceArray& counts, const DeviceArray& spread,
                     const DeviceArray& inertia, int64_t workspace_bytes) {
  const CudaStream stream = rows_array.cuda();
  const float* rows = typed<float>(rows_array, "rows", 2, stream);
  const float* centroids = typed<float>(centroids_array, "centroids", 2, stream);
  const int32_t* assignments = typed<int32_t>(assignments_array, "assignments", 1, stream);
  const int64_t t = rows_array.shape()[0], d = rows_array.shape()[1];
  const int64_t k = centroids_array.shape()[0];
  require(d >= 1 && k >= 1 && k <= INT32_MAX && centroids_array.shape()[1] == d,
          "centroids: got " + describe(centroids_array) + ", needs d = " + std::to_string(d));
  require(assignments_array.size() == t, "assignments: got " + describe(assignments_array) +
                                             ", needs one for each of " + std::to_string(t) +
                                             " rows");
  float* means = typed<float>(updated, "updated", 2, stream);
  int64_t* rows_of_cluster = typed<int64_t>(counts, "counts", 1, stream);
  double* spreads = typed<double>(spread, "spread", 1, stream);
  double* sum = typed<double>(inertia, "inertia", 1, stream);
  require(updated.shape() == centroids_array.shape(),
          "updated: got " + describe(updated) + ", needs the shape of the centroids");
  require(counts.size() == k && spread.size() == k && inertia.size() == 1,
          "counts, spread, inertia: needs " + std::to_string(k) + " of the first two, and one");
  require(workspace_bytes >= 0,
          "workspace_bytes: got " + std::to_string(workspace_bytes) + ", needs at least 0");
  const py::gil_scoped_release released;
  centroid_update_cuda(stream, rows, t, d, assignments, centroids, k, normalize, means,
                       rows_of_cluster, spreads, sum, workspace_bytes);
}

}  // namespace

void register_centroid_update(py::module_& module) {
  module.def("centroid_update", &centroid_update, py::arg("rows"), py::arg("assignments"),
             py::arg("centroids"), py::arg("normalize"), py::arg("updated"), py::arg("counts"),
             py::arg("spread"), py::arg("inertia"), py::arg("workspace_bytes") = int64_t{64} << 20);
}

}  // namespace ally_fast
