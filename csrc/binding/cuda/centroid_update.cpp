#include "ops/centroid_update/centroid_update.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void centroid_update(const DeviceArray& sums_array, const DeviceArray& counts_array,
                     const DeviceArray& grid_array, double keep, double add, bool normalize,
                     const DeviceArray& sizes, const DeviceArray& averages,
                     const DeviceArray& centroids_array) {
  const CudaStream stream = sums_array.cuda();
  const int64_t* sums = typed<const int64_t>(sums_array, "sums", 2, stream);
  const int64_t k = clusters_of(sums_array, "sums", 1), d = sums_array.shape(1);
  const int64_t* counts = shaped<const int64_t>(counts_array, "counts", {k}, stream);
  const double* grid = grid_of(grid_array, d, stream);
  check_factor(keep, "keep");
  check_factor(add, "add");
  const Average average{shaped<double>(sizes, "size_average", {k}, stream),
                        shaped<double>(averages, "sum_average", {k, d}, stream)};
  float* centroids = shaped<float>(centroids_array, "centroids", {k, d}, stream);
  const py::gil_scoped_release released;
  centroid_update_cuda(stream, sums, counts, k, d, grid, {keep, add, normalize}, average,
                       centroids);
}

}  // namespace

void register_centroid_update(py::module_& module) {
  module.def("centroid_update", &centroid_update, py::arg("sums"), py::arg("counts"),
             py::arg("grid"), py::arg("keep"), py::arg("add"), py::arg("normalize"),
             py::arg("size_average"), py::arg("sum_average"), py::arg("centroids"));
}

}  // namespace ally_fast
