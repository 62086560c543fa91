// ally_fast._cpu: checks what Python passes, makes views of it, calls the core without the GIL.
#include "binding/ops.h"

using namespace ally_fast;

PYBIND11_MODULE(_cpu, module) {
  module.doc() = "Native CPU core of ally_fast. Use the functions of ally_fast instead.";
  register_build_info(module);
  register_philox(module);
  register_packed_points(module);
  register_assign(module);
  register_centroid_update(module);
  register_cluster_sums(module);
  register_d2_sample_outer(module);
  register_dual_ascent(module);
  register_feature_grid(module);
  register_halve(module);
  register_k_center_greedy(module);
  register_load_rows(module);
  register_radius_filter(module);
  register_relocate(module);
  register_sample_rows(module);
  register_shortlist(module);
}
