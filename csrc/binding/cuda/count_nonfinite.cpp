#include "common/cuda/count_nonfinite.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

void count_nonfinite(const DeviceArray& array, const DeviceArray& found, int64_t first, bool bf16) {
  const CudaStream stream = array.cuda();
  const Values values = values_of(array, "values", bf16, stream);
  int64_t* counts = shaped<int64_t>(found, "found", {2}, stream);
  const py::gil_scoped_release released;
  count_nonfinite_cuda(stream, values.data, values.dtype, values.count, first, counts);
}

}  // namespace

void register_count_nonfinite(py::module_& module) {
  module.def("count_nonfinite", &count_nonfinite, py::arg("values"), py::arg("found"),
             py::arg("first") = 0, py::kw_only(), py::arg("bf16") = false);
}

}  // namespace ally_fast
