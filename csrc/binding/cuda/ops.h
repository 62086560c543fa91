// The ops, one file each: their functions in `ally_fast._cuda` have the names of `ally_fast._cpu`.
#pragma once
#include <pybind11/pybind11.h>

namespace ally_fast {

void register_centroid_table(pybind11::module_& module);
void register_assign(pybind11::module_& module);
void register_dual_ascent(pybind11::module_& module);
void register_radius_filter(pybind11::module_& module);
void register_k_center_greedy(pybind11::module_& module);
void register_load_rows(pybind11::module_& module);
void register_feature_grid(pybind11::module_& module);
void register_cluster_sums(pybind11::module_& module);
void register_halve(pybind11::module_& module);
void register_relocate(pybind11::module_& module);
void register_scan_sm90a(pybind11::module_& module);
void register_centroid_update(pybind11::module_& module);
void register_count_nonfinite(pybind11::module_& module);
void register_sample_rows(pybind11::module_& module);
void register_shortlist(pybind11::module_& module);

}  // namespace ally_fast
