#include "ops/sample_rows/sample_rows.h"

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

py::array sample_rows(int64_t n, int64_t size, uint64_t seed,
                      const std::optional<py::array>& eligible_array, int threads) {
  const bool* eligible = one_each<const bool>(eligible_array, "eligible", n);
  const int64_t count = eligible ? std::count(eligible, eligible + n, true) : n;
  check_sample("size", size, count);
  Array<int64_t> indices(size);
  int64_t* out = indices.mutable_data();
  check_threads(threads);
  const auto* flags = reinterpret_cast<const uint8_t*>(eligible);
  computed([&] { sample_rows_cpu(n, flags, count, size, seed, threads, out); });
  return indices;
}

}  // namespace

void register_sample_rows(py::module_& module) {
  module.def("sample_rows", &sample_rows, py::arg("n"), py::arg("size"), py::arg("seed"),
             py::arg("eligible") = py::none(), py::arg("threads") = 1);
}

}  // namespace ally_fast
