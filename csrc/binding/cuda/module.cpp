// ally_fast._cuda: what CUDA devices there are, arrays in their memory, and the ops on those.
// Importing it needs neither a driver nor a device.
#include "binding/ops.h"
#include "common/cuda/stream.h"

namespace py = pybind11;
using namespace ally_fast;

PYBIND11_MODULE(_cuda, module) {
  module.doc() = "CUDA core of ally_fast. Use the functions of ally_fast instead.";
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const CudaOutOfMemory& error) {
      PyErr_SetString(PyExc_MemoryError, error.what());
    }
  });
  register_device_array(module);
  register_upload(module);
  register_devices(module);
  register_packed_points(module);
  register_assign(module);
  register_centroid_update(module);
  register_cluster_sums(module);
  register_count_nonfinite(module);
  register_dual_ascent(module);
  register_feature_grid(module);
  register_halve(module);
  register_k_center_greedy(module);
  register_load_rows(module);
  register_radius_filter(module);
  register_relocate(module);
  register_sample_rows(module);
  register_scan_sm90a(module);
  register_shortlist(module);
}
