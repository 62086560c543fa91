#include "ops/k_center_greedy/k_center_greedy.h"

#include "arguments.h"
#include "centroid_table.h"
#include "ops.h"

namespace ally_fast {
namespace {

void check_findings(const KCenterFindings& found, const RowsView& rows,
                    const std::optional<int64_t>& first) {
  require(found.outside == 0, "positions: needs values in [0, " + std::to_string(rows.n) + ")");
  require(found.unordered == 0, "positions: needs ascending values, each once");
  require(!first || found.first_place >= 0,
          "first: got " + std::to_string(first.value_or(-1)) + ", needs one of the rows visited");
  require(found.nonfinite.count == 0,
          "rows: " + std::to_string(found.nonfinite.count) + " of " + std::to_string(rows.visited) +
              " hold NaN or infinite values, the first is row " +
              std::to_string(found.nonfinite.first) + "; needs finite values");
}

void k_center_greedy(const DeviceArray& array, const DeviceArray& picks,
                     const DeviceArray& distances, const CudaCentroidTable* starts,
                     std::optional<int64_t> first, bool bf16, bool normalize,
                     const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  const int64_t own_d = array.shape().size() == 2 ? array.shape()[1] : 0;
  const RowsView rows = rows_of(array, bf16, normalize, positions, starts ? starts->d() : own_d);
  const DeviceTable* points = starts ? &starts->on(stream) : nullptr;
  require(own_d >= 1 && own_d <= kLargestD,
          "rows: got " + describe(array) + ", needs d in [1, " + std::to_string(kLargestD) + "]");
  int64_t* picks_out = typed<int64_t>(picks, "picks", 1, stream);
  const int64_t b = picks.size();
  double* distances_out = one_each<double>(distances, "distances", b, stream);
  require(b <= rows.visited, "b: got " + std::to_string(b) + ", needs 0 to " +
                                 std::to_string(rows.visited) + " (the rows visited)");
  if (b == 0) return;
  require(first.has_value() != (starts != nullptr),
          starts ? "first: needs None where there are starting points"
                 : "first: needs a row where there are no starting points");
  KCenterFindings found;
  {
    const py::gil_scoped_release released;
    found =
        k_center_greedy_cuda(stream, rows, points, first.value_or(-1), b, picks_out, distances_out);
  }
  check_findings(found, rows, first);
}

}  // namespace

void register_k_center_greedy(py::module_& module) {
  module.def("k_center_greedy", &k_center_greedy, py::arg("rows"), py::arg("picks"),
             py::arg("distances"), py::kw_only(), py::arg("starts") = py::none(),
             py::arg("first") = py::none(), py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none());
}

}  // namespace ally_fast
