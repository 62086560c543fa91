// What the ops' binding files add to ally_fast._cpu, one function a file.
#pragma once
#include <pybind11/pybind11.h>

namespace ally_fast {

void register_centroid_update(pybind11::module_& module);
void register_cluster_sums(pybind11::module_& module);
void register_d2_sample_outer(pybind11::module_& module);
void register_dual_ascent(pybind11::module_& module);
void register_feature_grid(pybind11::module_& module);
void register_halve(pybind11::module_& module);
void register_k_center_greedy(pybind11::module_& module);
void register_relocate(pybind11::module_& module);

}  // namespace ally_fast
