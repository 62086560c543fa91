#include "ops/k_center_greedy/k_center_greedy.h"

#include "binding/checks.h"
#include "binding/cuda/arguments.h"
#include "binding/cuda/packed_points.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

void check_findings(const KCenterFindings& findings, const RowsView& rows,
                    const std::optional<int64_t>& first) {
  REQUIRE(findings.outside == 0, "positions", "", "values in [0, ", rows.n, ")");
  check_ascending(findings.unordered == 0);
  check_visited(first, findings.first_place >= 0);
  check_finite(findings.nonfinite.count, findings.nonfinite.first, rows.visited);
}

void k_center_greedy(const DeviceArray& array, const DeviceArray& picks,
                     const DeviceArray& distances, const CudaPackedPoints* starts,
                     std::optional<int64_t> first, bool bf16, bool normalize,
                     const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  check_width(array, "rows");
  const RowsView rows =
      rows_of(array, bf16, normalize, positions, starts ? starts->d() : array.shape(1), stream);
  const DeviceTable* points = starts ? &starts->on(stream) : nullptr;
  const int64_t b = picks.size();
  int64_t* picks_out = typed<int64_t>(picks, "picks", 1, stream);
  double* distances_out = one_each<double>(distances, "distances", b, stream);
  check_b(b, rows.visited);
  if (b == 0) return;
  check_first(first, starts != nullptr);
  KCenterFindings findings;
  {
    const py::gil_scoped_release released;
    findings =
        k_center_greedy_cuda(stream, rows, points, first.value_or(-1), b, picks_out, distances_out);
  }
  check_findings(findings, rows, first);
}

}  // namespace

void register_k_center_greedy(py::module_& module) {
  module.def("k_center_greedy", &k_center_greedy, py::arg("rows"), py::arg("picks"),
             py::arg("distances"), py::kw_only(), py::arg("starts") = py::none(),
             py::arg("first") = py::none(), py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none());
}

}  // namespace ally_fast
