#include "ops/d2_sample/d2_sample.h"

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

void d2_sample(const DeviceArray& array, const DeviceArray& out, uint64_t seed) {
  const CudaStream stream = array.cuda();
  const float* rows = typed<float>(array, "rows", 2, stream);
  int64_t* positions = typed<int64_t>(out, "out", 1, stream);
  const int64_t t = array.shape()[0], d = array.shape()[1], k = out.size();
  require(k >= 1 && k <= t, "out: got " + std::to_string(k) + " places, needs 1 to " +
                                std::to_string(t) + " (the rows)");
  require(d >= 1 && d <= kLargestD,
          "rows: got " + describe(array) + ", needs d in [1, " + std::to_string(kLargestD) + "]");
  const py::gil_scoped_release released;
  d2_sample_cuda(stream, rows, t, d, k, seed, positions);
}

}  // namespace

void register_d2_sample(py::module_& module) {
  module.def("d2_sample", &d2_sample, py::arg("rows"), py::arg("out"), py::arg("seed"));
}

}  // namespace ally_fast
