// Rows from host memory to a device: `ally_fast._cuda.UploadRing`.
#pragma once
#include <pybind11/pybind11.h>

namespace ally_fast {

void register_upload(pybind11::module_& module);

}  // namespace ally_fast
