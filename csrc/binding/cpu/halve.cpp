#include "ops/halve/halve.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void halve(const py::array& rows, const py::array& assignments, const py::array& centroids,
           const py::array& sums, const py::array& counts, const py::array& grid, int64_t most,
           const py::array& stale, const py::array& halves, const py::array& half_sums,
           const py::array& half_counts, const py::array& gains, const py::array& spreads,
           const py::array& sides, const std::string& isa, int threads) {
  const ClusteredRows clustered =
      clustered_rows<py::array>(rows, {assignments, centroids, sums, counts, grid}, most);
  check_inside(clustered.assignments, "assignments", clustered.t, 0, clustered.k);
  const Halves out =
      halves_of<py::array>({stale, halves, half_sums, half_counts, gains, sides, &spreads},
                           clustered.k, clustered.d, clustered.t);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  const Computing computing;
  halve_cpu(clustered, kernel, threads, out);
}

}  // namespace

void register_halve(py::module_& module) {
  module.def("halve", &halve, py::arg("rows"), py::arg("assignments"), py::arg("centroids"),
             py::arg("sums"), py::arg("counts"), py::arg("grid"), py::arg("most"), py::arg("stale"),
             py::arg("halves"), py::arg("half_sums"), py::arg("half_counts"), py::arg("gains"),
             py::arg("spreads"), py::arg("sides"), py::arg("isa"), py::kw_only(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
