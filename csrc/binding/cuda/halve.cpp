#include "ops/halve/halve.h"

#include "ops.h"
#include "training.h"

namespace ally_fast {
namespace {

void halve(const DeviceArray& array, const DeviceArray& assignments_array,
           const DeviceArray& centroids_array, const DeviceArray& sums_array,
           const DeviceArray& counts_array, const DeviceArray& grid_array, int64_t most,
           const DeviceArray& stale, const DeviceArray& halves, const DeviceArray& half_sums,
           const DeviceArray& half_counts, const DeviceArray& gains, const DeviceArray& spreads,
           const DeviceArray& sides) {
  const CudaStream stream = array.cuda();
  const float* rows = training_rows(array, "rows");
  const int64_t t = array.shape()[0], d = array.shape()[1];
  const float* centroids = typed<float>(centroids_array, "centroids", 2, stream);
  const int64_t k = clusters_of(centroids_array, "centroids", 1);
  require(centroids_array.shape()[1] == d,
          "centroids: got " + describe(centroids_array) + ", needs d = " + std::to_string(d));
  checked_most(most, t);
  const ClusteredRows clustered{rows,
                                t,
                                d,
                                shaped<int32_t>(assignments_array, "assignments", {t}, stream),
                                centroids,
                                shaped<int64_t>(sums_array, "sums", {k, d}, stream),
                                shaped<int64_t>(counts_array, "counts", {k}, stream),
                                k,
                                shaped<double>(grid_array, "grid", {2 * d + 1}, stream),
                                most};
  const Halves out{shaped<uint8_t>(stale, "stale", {k}, stream),
                   shaped<float>(halves, "halves", {k, d}, stream),
                   shaped<int64_t>(half_sums, "half_sums", {k, d}, stream),
                   shaped<int64_t>(half_counts, "half_counts", {k}, stream),
                   shaped<double>(gains, "gains", {k}, stream),
                   shaped<int64_t>(spreads, "spreads", {k, 2}, stream),
                   shaped<uint8_t>(sides, "sides", {t}, stream)};
  const py::gil_scoped_release released;
  halve_cuda(stream, clustered, out);
}

}  // namespace

void register_halve(py::module_& module) {
  module.def("halve", &halve, py::arg("rows"), py::arg("assignments"), py::arg("centroids"),
             py::arg("sums"), py::arg("counts"), py::arg("grid"), py::arg("most"), py::arg("stale"),
             py::arg("halves"), py::arg("half_sums"), py::arg("half_counts"), py::arg("gains"),
             py::arg("spreads"), py::arg("sides"));
}

}  // namespace ally_fast
