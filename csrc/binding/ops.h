// The binding files of both modules: each adds its functions and classes, under the same names in
// `ally_fast._cpu` and `ally_fast._cuda`.
#pragma once
#include <pybind11/pybind11.h>

namespace ally_fast {

// In both
void register_assign(pybind11::module_& module);
void register_centroid_update(pybind11::module_& module);
void register_cluster_sums(pybind11::module_& module);
void register_dual_ascent(pybind11::module_& module);
void register_feature_grid(pybind11::module_& module);
void register_halve(pybind11::module_& module);
void register_k_center_greedy(pybind11::module_& module);
void register_load_rows(pybind11::module_& module);
void register_packed_points(pybind11::module_& module);
void register_radius_filter(pybind11::module_& module);
void register_relocate(pybind11::module_& module);
void register_sample_rows(pybind11::module_& module);
void register_shortlist(pybind11::module_& module);

// On the CPU alone
void register_build_info(pybind11::module_& module);
void register_d2_sample_outer(pybind11::module_& module);
void register_philox(pybind11::module_& module);

// On the GPU alone
void register_count_nonfinite(pybind11::module_& module);
void register_device_array(pybind11::module_& module);
void register_devices(pybind11::module_& module);
void register_scan_sm90a(pybind11::module_& module);
void register_upload(pybind11::module_& module);

}  // namespace ally_fast
