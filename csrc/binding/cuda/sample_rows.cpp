#include "ops/sample_rows/sample_rows.h"

#include "binding/checks.h"
#include "binding/cuda/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

void sample_rows(const DeviceArray& out, int64_t n, uint64_t seed,
                 const std::optional<DeviceArray>& eligible_array,
                 std::optional<int64_t> eligible_count) {
  const CudaStream stream = out.cuda();
  int64_t* indices = typed<int64_t>(out, "out", 1, stream);
  const uint8_t* eligible = flags_of(eligible_array, "eligible", n, stream);
  const int64_t size = out.size(), count = eligible ? eligible_count.value_or(-1) : n;
  REQUIRE(!eligible || (count >= 0 && count <= n), "eligible_count", "",
          "how many of the rows are eligible");
  check_sample("out", size, count);
  const py::gil_scoped_release released;
  sample_rows_cuda(stream, n, eligible, count, size, seed, indices);
}

}  // namespace

void register_sample_rows(py::module_& module) {
  module.def("sample_rows", &sample_rows, py::arg("out"), py::arg("n"), py::arg("seed"),
             py::arg("eligible") = py::none(), py::arg("eligible_count") = py::none());
}

}  // namespace ally_fast
