// What this module was built for, and what of it runs here.
#include <pybind11/stl.h>

#include "binding/ops.h"
#include "common/scan/kernel.h"

namespace py = pybind11;

namespace ally_fast {
namespace {

std::vector<std::string> names(const char* const* list) {
  std::vector<std::string> result;
  for (; *list; ++list) result.emplace_back(*list);
  return result;
}

py::dict build_info() {
  py::dict info;
  info["version"] = ALLY_FAST_VERSION;
#ifdef __clang__
  info["compiler"] = "clang " __clang_version__;
#else
  info["compiler"] = "gcc " __VERSION__;
#endif
  info["flags"] = ALLY_FAST_FLAGS;
  info["isas"] = names(compiled_kernels());
  return info;
}

}  // namespace

void register_build_info(py::module_& module) {
  module.def("isas", [] { return names(runnable_kernels()); });
  module.def("build_info", &build_info);
}

}  // namespace ally_fast
