#include "ops/relocate/relocate.h"

#include "binding/cpu/module.h"
#include "binding/cpu/training.h"

namespace ally_fast {
namespace {

// Places of nearest centroids in the other part, one for each cluster of this part.
Array<int32_t> checked_places(const py::array& array, const char* name, int64_t own,
                              int64_t others) {
  auto places = shaped<int32_t>(array, name, {own});
  REQUIRE(all_right(places.data(), own, [&](int32_t p) { return p >= 0 && p < others; }),
          std::string(name) + ": needs values in [0, " + std::to_string(others) + ")");
  return places;
}

double relocate(const py::array& assignments_array, const py::array& centroids_array,
                const py::array& sums_array, const py::array& counts_array,
                const py::array& grid_array, const py::array& zeros_array,
                const py::array& ones_array, int bit, const py::array& stale_array,
                const py::array& halves_array, const py::array& half_sums_array,
                const py::array& half_counts_array, const py::array& gains_array,
                const py::array& sides_array, int threads) {
  auto centroids = typed<float>(centroids_array, "centroids", 2);
  const int64_t k = centroids.shape(0), d = centroids.shape(1);
  REQUIRE(k >= 2, "centroids: got shape " + shape_of(centroids_array) + ", needs at least two");
  REQUIRE(bit >= 0 && bit < 32 && (int64_t{1} << bit) < k,
          "bit: got " + std::to_string(bit) + ", needs 2**bit < k = " + std::to_string(k));
  auto sums = shaped<int64_t>(sums_array, "sums", {k, d});
  auto counts = shaped<int64_t>(counts_array, "counts", {k});
  const auto grid = shaped<double>(grid_array, "grid", {2 * d + 1});
  auto assignments = checked_assignments(assignments_array, assignments_array.size(), k, 0);
  const int64_t t = assignments.size();
  int64_t ones = 0;
  for (int64_t c = 0; c < k; ++c) ones += c >> bit & 1;
  const auto of_zeros = checked_places(zeros_array, "nearest_of_zeros", k - ones, ones);
  const auto of_ones = checked_places(ones_array, "nearest_of_ones", ones, k - ones);
  auto stale = shaped<uint8_t>(stale_array, "stale", {k});
  auto halves = shaped<float>(halves_array, "halves", {k, d});
  auto half_sums = shaped<int64_t>(half_sums_array, "half_sums", {k, d});
  auto half_counts = shaped<int64_t>(half_counts_array, "half_counts", {k});
  auto gains = shaped<double>(gains_array, "gains", {k});
  auto sides = shaped<uint8_t>(sides_array, "sides", {t});
  const Clustering clustering{t,
                              d,
                              k,
                              grid.data(),
                              assignments.mutable_data(),
                              centroids.mutable_data(),
                              sums.mutable_data(),
                              counts.mutable_data()};
  const Halves found{stale.mutable_data(),       halves.mutable_data(), half_sums.mutable_data(),
                     half_counts.mutable_data(), gains.mutable_data(),  nullptr,
                     sides.mutable_data()};
  double gained = 0;
  checked_threads(threads);
  {
    const Computing computing;
    relocate_cpu(clustering, {of_zeros.data(), of_ones.data(), bit}, found, threads, &gained);
  }
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
