#include "ops/relocate/relocate.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

void relocate(const DeviceArray& centroids_array, const DeviceArray& counts_array,
              const DeviceArray& spread_array, const DeviceArray& lists_array, int64_t moves,
              const DeviceArray& moved_array) {
  const CudaStream stream = centroids_array.cuda();
  const float* centroids = typed<float>(centroids_array, "centroids", 2, stream);
  const int64_t* counts = typed<int64_t>(counts_array, "counts", 1, stream);
  const double* spread = typed<double>(spread_array, "spread", 1, stream);
  const int32_t* lists = typed<int32_t>(lists_array, "lists", 2, stream);
  float* moved = typed<float>(moved_array, "moved", 2, stream);
  const int64_t k = centroids_array.shape()[0], d = centroids_array.shape()[1];
  const int64_t length = lists_array.shape()[1];
  require(k >= 1 && k <= INT32_MAX && d >= 1,
          "centroids: got " + describe(centroids_array) + ", needs k and d of at least 1");
  require(counts_array.size() == k && spread_array.size() == k,
          "counts, spread: needs one for each of " + std::to_string(k) + " centroids");
  require(lists_array.shape()[0] == k && length >= 1, "lists: got " + describe(lists_array) +
                                                          ", needs k = " + std::to_string(k) +
                                                          " rows of at least one");
  require(moved_array.shape() == centroids_array.shape(),
          "moved: got " + describe(moved_array) + ", needs the shape of the centroids");
  require(moves >= 0, "moves: got " + std::to_string(moves) + ", needs at least 0");
  const py::gil_scoped_release released;
  relocate_cuda(stream, centroids, k, d, counts, spread, lists, length, moves, moved);
}

}  // namespace

void register_relocate(py::module_& module) {
  module.def("relocate", &relocate, py::arg("centroids"), py::arg("counts"), py::arg("spread"),
             py::arg("lists"), py::arg("moves"), py::arg("moved"));
}

}  // namespace ally_fast
