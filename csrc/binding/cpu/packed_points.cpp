#include <cmath>

#include "binding/checks.h"
#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

PackedPoints make_points(const py::array& array, const std::string& isa, int threads) {
  check_points(array);
  // Float32 is widened here, which is exact if subnormals are kept.
  const DefaultFloats floats;
  const Array<double> wide(array);
  const double* points = wide.data();
  const int64_t k = wide.shape(0), d = wide.shape(1);
  REQUIRE(all_right(points, k * d, [](double x) { return std::isfinite(x); }), "points", "",
          "finite values");
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  const Computing computing;
  return PackedPoints(points, k, d, kernel, threads);
}

}  // namespace

void register_packed_points(py::module_& module) {
  py::class_<PackedPoints>(module, "PackedPoints")
      .def(py::init(&make_points), py::arg("points"), py::arg("isa"), py::arg("threads") = 1)
      .def_property_readonly("k", &PackedPoints::k)
      .def_property_readonly("d", &PackedPoints::d)
      .def_property_readonly("isa", [](const PackedPoints& p) { return p.kernel().name; });
  module.attr("LARGEST_D") = kLargestD;
}

}  // namespace ally_fast
