#include "ops/radius_filter/radius_filter.h"

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

py::array radius_filter(const py::array& array, const PackedPoints& table, double radius, bool bf16,
                        bool normalize, const std::optional<py::array>& positions, int threads) {
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  check_radius(radius);
  Array<bool> within(rows.visited);
  uint8_t* out = reinterpret_cast<uint8_t*>(within.mutable_data());
  check_threads(threads);
  computed([&] { radius_filter_cpu(rows, table, radius, threads, out); });
  return within;
}

}  // namespace

void register_radius_filter(py::module_& module) {
  module.def("radius_filter", &radius_filter, py::arg("rows"), py::arg("table"), py::arg("radius"),
             py::kw_only(), py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1);
}

}  // namespace ally_fast
