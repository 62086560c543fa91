#include "ops/assign/assign.h"

#include "arguments.h"
#include "centroid_table.h"
#include "ops.h"

namespace ally_fast {
namespace {

TrackKernel kernel_named(const std::string& name) {
  if (name == "portable") return TrackKernel::kPortable;
  if (name == "sm90a") return TrackKernel::kSm90a;
  throw py::value_error("kernel: got '" + name + "', needs 'portable' or 'sm90a'");
}

void assign(const DeviceArray& array, const CudaCentroidTable& table, const DeviceArray& out,
            const DeviceArray& stats, bool bf16, bool normalize,
            const std::optional<DeviceArray>& positions, const std::optional<DeviceArray>& mask,
            bool certify, const std::string& kernel) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  const DeviceTable& packed = table.on(stream);
  auto* places = one_each<int32_t>(out, "out", rows.visited, stream);
  auto* counts = one_each<int64_t>(stats, "stats", 4, stream);
  const uint8_t* eligible = mask ? one_each<uint8_t>(*mask, "mask", rows.visited, stream) : nullptr;
  const TrackKernel tracker = kernel_named(kernel);
  const py::gil_scoped_release released;
  assign_cuda(stream, rows, packed, eligible, certify, tracker, places, counts);
}

void squared_distances(const DeviceArray& array, const CudaCentroidTable& table,
                       const DeviceArray& assignments, const DeviceArray& out, bool bf16,
                       bool normalize, const std::optional<DeviceArray>& positions) {
  const CudaStream stream = array.cuda();
  const RowsView rows = rows_of(array, bf16, normalize, positions, table.d());
  const DeviceTable& packed = table.on(stream);
  const auto* ids = one_each<int32_t>(assignments, "assignments", rows.visited, stream);
  auto* distances = one_each<double>(out, "out", rows.visited, stream);
  const py::gil_scoped_release released;
  squared_distances_cuda(stream, rows, packed, ids, distances);
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
