#include "ops/sample_rows/sample_rows.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

void sample_rows(const DeviceArray& out, int64_t n, uint64_t seed,
                 const std::optional<DeviceArray>& eligible_array,
                 std::optional<int64_t> eligible_count) {
  const CudaStream stream = out.cuda();
  int64_t* indices = typed<int64_t>(out, "out", 1, stream);
  const uint8_t* eligible = nullptr;
  int64_t count = n;
  if (eligible_array) {
    eligible =
        reinterpret_cast<const uint8_t*>(typed<bool>(*eligible_array, "eligible", 1, stream));
    require(eligible_array->size() == n, "eligible: got " + std::to_string(eligible_array->size()) +
                                             " of them, needs " + std::to_string(n));
    require(eligible_count && *eligible_count >= 0 && *eligible_count <= n,
            "eligible_count: needs how many of the rows are eligible");
    count = *eligible_count;
  }
  require(out.size() <= count, "out: got " + std::to_string(out.size()) + " places, needs 0 to " +
                                   std::to_string(count) + " (the eligible rows)");
  const int64_t size = out.size();
  const py::gil_scoped_release released;
  sample_rows_cuda(stream, n, eligible, count, size, seed, indices);
}

}  // namespace

void register_sample_rows(py::module_& module) {
  module.def("sample_rows", &sample_rows, py::arg("out"), py::arg("n"), py::arg("seed"),
             py::arg("eligible") = py::none(), py::arg("eligible_count") = py::none());
}

}  // namespace ally_fast
