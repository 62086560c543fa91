#include "ops/relocate/relocate.h"

#include "ops.h"
#include "training.h"

namespace ally_fast {
namespace {

void relocate(const DeviceArray& assignments_array, const DeviceArray& centroids_array,
              const DeviceArray& sums, const DeviceArray& counts, const DeviceArray& grid,
              const DeviceArray& nearest_of_zeros, const DeviceArray& nearest_of_ones, int bit,
              const DeviceArray& stale, const DeviceArray& halves, const DeviceArray& half_sums,
              const DeviceArray& half_counts, const DeviceArray& gains, const DeviceArray& sides,
              const DeviceArray& gained_array) {
  const CudaStream stream = centroids_array.cuda();
  float* centroids = typed<float>(centroids_array, "centroids", 2, stream);
  const int64_t k = clusters_of(centroids_array, "centroids", 2), d = centroids_array.shape()[1];
  require(bit >= 0 && bit < 32 && (int64_t{1} << bit) < k,
          "bit: got " + std::to_string(bit) + ", needs 2**bit < k = " + std::to_string(k));
  int32_t* assignments = typed<int32_t>(assignments_array, "assignments", 1, stream);
  const int64_t t = assignments_array.size();
  int64_t ones = 0;
  for (int64_t c = 0; c < k; ++c) ones += c >> bit & 1;
  const Clustering clustering{t,
                              d,
                              k,
                              shaped<double>(grid, "grid", {2 * d + 1}, stream),
                              assignments,
                              centroids,
                              shaped<int64_t>(sums, "sums", {k, d}, stream),
                              shaped<int64_t>(counts, "counts", {k}, stream)};
  const Parts parts{shaped<int32_t>(nearest_of_zeros, "nearest_of_zeros", {k - ones}, stream),
                    shaped<int32_t>(nearest_of_ones, "nearest_of_ones", {ones}, stream), bit};
  const Halves found{shaped<uint8_t>(stale, "stale", {k}, stream),
                     shaped<float>(halves, "halves", {k, d}, stream),
                     shaped<int64_t>(half_sums, "half_sums", {k, d}, stream),
                     shaped<int64_t>(half_counts, "half_counts", {k}, stream),
                     shaped<double>(gains, "gains", {k}, stream),
                     nullptr,
                     shaped<uint8_t>(sides, "sides", {t}, stream)};
  double* gained = shaped<double>(gained_array, "gained", {1}, stream);
  const py::gil_scoped_release released;
  relocate_cuda(stream, clustering, parts, found, gained);
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
