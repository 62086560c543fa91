#include "ops/halve/halve.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void halve(const DeviceArray& rows, const DeviceArray& assignments, const DeviceArray& centroids,
           const DeviceArray& sums, const DeviceArray& counts, const DeviceArray& grid,
           int64_t most, const DeviceArray& stale, const DeviceArray& halves,
           const DeviceArray& half_sums, const DeviceArray& half_counts, const DeviceArray& gains,
           const DeviceArray& spreads, const DeviceArray& sides) {
  const CudaStream stream = rows.cuda();
  const ClusteredRows clustered =
      clustered_rows<DeviceArray>(rows, {assignments, centroids, sums, counts, grid}, most, stream);
  const Halves out =
      halves_of<DeviceArray>({stale, halves, half_sums, half_counts, gains, sides, &spreads},
                             clustered.k, clustered.d, clustered.t, stream);
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
