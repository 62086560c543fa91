#include "ops/relocate/relocate.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void relocate(const DeviceArray& assignments, const DeviceArray& centroids, const DeviceArray& sums,
              const DeviceArray& counts, const DeviceArray& grid,
              const DeviceArray& nearest_of_zeros, const DeviceArray& nearest_of_ones, int bit,
              const DeviceArray& stale, const DeviceArray& halves, const DeviceArray& half_sums,
              const DeviceArray& half_counts, const DeviceArray& gains, const DeviceArray& sides,
              const DeviceArray& gained_array) {
  const CudaStream stream = centroids.cuda();
  const Clustering clustering =
      clustering_of<DeviceArray>({assignments, centroids, sums, counts, grid}, stream);
  const int64_t k = clustering.k;
  const Parts parts = parts_of(nearest_of_zeros, nearest_of_ones, bit, k, stream);
  const Halves both =
      halves_of<DeviceArray>({stale, halves, half_sums, half_counts, gains, sides, nullptr}, k,
                             clustering.d, clustering.t, stream);
  double* gained = shaped<double>(gained_array, "gained", {1}, stream);
  const py::gil_scoped_release released;
  relocate_cuda(stream, clustering, parts, both, gained);
}

}  // namespace

void register_relocate(py::module_& module) {
  module.def("relocate", &relocate, py::arg("assignments"), py::arg("centroids"), py::arg("sums"),
             py::arg("counts"), py::arg("grid"), py::arg("nearest_of_zeros"),
             py::arg("nearest_of_ones"), py::arg("bit"), py::arg("stale"), py::arg("halves"),
             py::arg("half_sums"), py::arg("half_counts"), py::arg("gains"), py::arg("sides"),
             py::arg("gained"));
}

}  // namespace ally_fast
