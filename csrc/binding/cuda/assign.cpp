#include "ops/assign/assign.h"

#include "binding/cuda/arguments.h"
#include "binding/cuda/packed_points.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

TrackKernel kernel_named(const std::string& name) {
  REQUIRE(name == "portable" || name == "sm90a", "kernel", text("'", name, "'"),
          "'portable' or 'sm90a'");
  return name == "sm90a" ? TrackKernel::kSm90a : TrackKernel::kPortable;
}

void assign(const DeviceArray& array, const CudaPackedPoints& table, const DeviceArray& out_array,
            const DeviceArray& stats, bool bf16, bool normalize,
            const std::optional<DeviceArray>& positions, const std::optional<DeviceArray>& mask,
            bool certify, const std::string& kernel) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d(), stream);
  const DeviceTable& packed = table.on(stream);
  int32_t* out = one_each<int32_t>(out_array, "out", rows.visited, stream);
  int64_t* counts = one_each<int64_t>(stats, "stats", 4, stream);
  const auto* eligible = one_each<const uint8_t>(mask, "mask", rows.visited, stream);
  const TrackKernel tracker = kernel_named(kernel);
  const py::gil_scoped_release released;
  assign_cuda(stream, rows, packed, eligible, certify, tracker, out, counts);
}

void squared_distances(const DeviceArray& array, const CudaPackedPoints& table,
                       const DeviceArray& assignments_array, const DeviceArray& out, bool bf16,
                       bool normalize, const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d(), stream);
  const DeviceTable& packed = table.on(stream);
  const auto* assignments =
      one_each<const int32_t>(assignments_array, "assignments", rows.visited, stream);
  double* distances = one_each<double>(out, "out", rows.visited, stream);
  const py::gil_scoped_release released;
  squared_distances_cuda(stream, rows, packed, assignments, distances);
}

}  // namespace

void register_assign(py::module_& module) {
  module.def("assign", &assign, py::arg("rows"), py::arg("table"), py::arg("out"), py::arg("stats"),
             py::kw_only(), py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("mask") = py::none(),
             py::arg("certify") = true, py::arg("kernel") = "portable");
  module.def("squared_distances", &squared_distances, py::arg("rows"), py::arg("table"),
             py::arg("assignments"), py::arg("out"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none());
}

}  // namespace ally_fast
