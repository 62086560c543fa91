#include "ops/assign_among/assign_among.h"

#include "arguments.h"
#include "centroid_table.h"
#include "ops.h"

namespace ally_fast {
namespace {

void assign_among(const DeviceArray& array, const CudaCentroidTable& table,
                  const DeviceArray& previous_array, const DeviceArray& lists_array,
                  const DeviceArray& out_array) {
  const CudaStream stream = array.cuda();
  const auto* rows = typed<float>(array, "rows", 2, stream);
  const auto* lists = typed<int32_t>(lists_array, "lists", 2, stream);
  const int64_t t = array.shape()[0];
  const int64_t groups = lists_array.shape()[0], length = lists_array.shape()[1];
  require(array.shape()[1] == table.d(),
          "rows: got " + describe(array) + ", needs d = " + std::to_string(table.d()));
  require(length >= 1 && length <= table.k(), "lists: got " + describe(lists_array) +
                                                  ", needs 1 to k = " + std::to_string(table.k()) +
                                                  " columns");
  require(groups >= 1 || t == 0, "lists: got none for " + std::to_string(t) + " rows");
  const auto* previous = one_each<int32_t>(previous_array, "previous", t, stream);
  auto* out = one_each<int32_t>(out_array, "out", t, stream);
  const DeviceTable& packed = table.on(stream);
  const py::gil_scoped_release released;
  assign_among_cuda(stream, rows, t, packed, previous, lists, groups, length, out);
}

void nearest_lists(const DeviceArray& array, const CudaCentroidTable& table, int64_t length,
                   const DeviceArray& out) {
  const CudaStream stream = array.cuda();
  const auto* queries = typed<float>(array, "queries", 2, stream);
  const int64_t count = array.shape()[0];
  require(array.shape()[1] == table.d(),
          "queries: got " + describe(array) + ", needs d = " + std::to_string(table.d()));
  require(length >= 1 && length <= table.k(), "length: got " + std::to_string(length) +
                                                  ", needs 1 to k = " + std::to_string(table.k()));
  auto* lists = typed<int32_t>(out, "out", 2, stream);
  require(out.shape()[0] == count && out.shape()[1] == length,
          "out: got " + describe(out) + ", needs (" + std::to_string(count) + ", " +
              std::to_string(length) + ")");
  const DeviceTable& packed = table.on(stream);
  const py::gil_scoped_release released;
  nearest_lists_cuda(stream, queries, count, packed, length, lists);
}

}  // namespace

void register_assign_among(py::module_& module) {
  module.def("assign_among", &assign_among, py::arg("rows"), py::arg("table"), py::arg("previous"),
             py::arg("lists"), py::arg("out"));
  module.def("nearest_lists", &nearest_lists, py::arg("queries"), py::arg("table"),
             py::arg("length"), py::arg("out"));
}

}  // namespace ally_fast
