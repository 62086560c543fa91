#include "ops/cluster_sums/cluster_sums.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/training.h"

namespace ally_fast {
namespace {

void cluster_sums(const py::array& array, const py::array& assignments_array,
                  const py::array& grid_array, int64_t most, const py::array& sums_array,
                  const py::array& counts_array, const std::string& isa,
                  const std::optional<py::array>& centroids_array,
                  const std::optional<py::array>& spread_array, int threads) {
  const float* rows = training_rows(array);
  const int64_t t = array.shape(0), d = array.shape(1), k = counts_array.size();
  int64_t* counts = typed<int64_t>(counts_array, "counts", 1);
  int64_t* sums = shaped<int64_t>(sums_array, "sums", {k, d});
  const double* grid = grid_of(grid_array, d);
  check_most(most, t);
  const int32_t* assignments = assignments_of(assignments_array, t, k);
  const auto [centroids, spread] = spread_of(centroids_array, spread_array, k, d);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  const Computing computing;
  cluster_sums_cpu(rows, t, d, assignments, centroids, k, grid, most, kernel, threads, sums, counts,
                   spread);
}

}  // namespace

void register_cluster_sums(py::module_& module) {
  module.def("cluster_sums", &cluster_sums, py::arg("rows"), py::arg("assignments"),
             py::arg("grid"), py::arg("most"), py::arg("sums"), py::arg("counts"), py::arg("isa"),
             py::kw_only(), py::arg("centroids") = py::none(), py::arg("spread") = py::none(),
             py::arg("threads") = 1);
}

}  // namespace ally_fast
