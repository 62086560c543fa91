// Arrays of other libraries by the DLPack protocol (https://dmlc.github.io/dlpack, unversioned
// capsules).
#pragma once
#include "binding/cuda/device_array.h"

namespace ally_fast {

// The array in a capsule named "dltensor", which is used up. Raises BufferError for one that is not on
// a CUDA device or has more than two dimensions. bfloat16 comes as uint16: the second value tells.
std::pair<DeviceArray, bool> from_dlpack(const py::capsule& capsule, const StreamPtr& stream);

}  // namespace ally_fast
