#include "ops/halve/halve.h"

#include "binding/cpu/module.h"
#include "binding/cpu/training.h"

namespace ally_fast {
namespace {

void halve(const py::array& array, const py::array& assignments_array,
           const py::array& centroids_array, const py::array& sums_array,
           const py::array& counts_array, const py::array& grid_array, int64_t most,
           const py::array& stale_array, const py::array& halves_array,
           const py::array& half_sums_array, const py::array& half_counts_array,
           const py::array& gains_array, const py::array& spreads_array,
           const py::array& sides_array, const std::string& isa, int threads) {
  const auto rows = training_rows(array, "rows");
  const int64_t t = rows.shape(0), d = rows.shape(1);
  const auto centroids = typed<float>(centroids_array, "centroids", 2);
  const int64_t k = centroids.shape(0);
  REQUIRE(centroids.shape(1) == d,
          "centroids: got shape " + shape_of(centroids_array) + ", needs d = " + std::to_string(d));
  const auto sums = shaped<int64_t>(sums_array, "sums", {k, d});
  const auto counts = shaped<int64_t>(counts_array, "counts", {k});
  const auto grid = shaped<double>(grid_array, "grid", {2 * d + 1});
  checked_most(most, t);
  const auto assignments = checked_assignments(assignments_array, t, k, 0);
  auto stale = shaped<uint8_t>(stale_array, "stale", {k});
  auto halves = shaped<float>(halves_array, "halves", {k, d});
  auto half_sums = shaped<int64_t>(half_sums_array, "half_sums", {k, d});
  auto half_counts = shaped<int64_t>(half_counts_array, "half_counts", {k});
  auto gains = shaped<double>(gains_array, "gains", {k});
  auto spreads = shaped<int64_t>(spreads_array, "spreads", {k, 2});
  auto sides = shaped<uint8_t>(sides_array, "sides", {t});
  const Kernel& kernel = kernel_named(isa);
  const ClusteredRows clustered{
      rows.data(), t,   d, assignments.data(), centroids.data(), sums.data(), counts.data(), k,
      grid.data(), most};
  const Halves out{stale.mutable_data(),       halves.mutable_data(), half_sums.mutable_data(),
                   half_counts.mutable_data(), gains.mutable_data(),  spreads.mutable_data(),
                   sides.mutable_data()};
  checked_threads(threads);
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
