#include "ops/relocate/relocate.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

double relocate(const py::array& assignments, const py::array& centroids, const py::array& sums,
                const py::array& counts, const py::array& grid, const py::array& nearest_of_zeros,
                const py::array& nearest_of_ones, int bit, const py::array& stale,
                const py::array& halves, const py::array& half_sums, const py::array& half_counts,
                const py::array& gains, const py::array& sides, int threads) {
  const Clustering clustering =
      clustering_of<py::array>({assignments, centroids, sums, counts, grid});
  const int64_t k = clustering.k, t = clustering.t, ones = count_ones(k, bit);
  check_inside(clustering.assignments, "assignments", t, 0, k);
  const Parts parts = parts_of(nearest_of_zeros, nearest_of_ones, bit, k);
  check_inside(parts.nearest_of_zeros, "nearest_of_zeros", k - ones, 0, ones);
  check_inside(parts.nearest_of_ones, "nearest_of_ones", ones, 0, k - ones);
  const Halves both = halves_of<py::array>(
      {stale, halves, half_sums, half_counts, gains, sides, nullptr}, k, clustering.d, t);
  double gained = 0;
  check_threads(threads);
  computed([&] { relocate_cpu(clustering, parts, both, threads, &gained); });
  return gained;
}

}  // namespace

void register_relocate(py::module_& module) {
  module.def("relocate", &relocate, py::arg("assignments"), py::arg("centroids"), py::arg("sums"),
             py::arg("counts"), py::arg("grid"), py::arg("nearest_of_zeros"),
             py::arg("nearest_of_ones"), py::arg("bit"), py::arg("stale"), py::arg("halves"),
             py::arg("half_sums"), py::arg("half_counts"), py::arg("gains"), py::arg("sides"),
             py::kw_only(), py::arg("threads") = 1);
}

}  // namespace ally_fast
