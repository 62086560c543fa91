// How many values are NaN or infinite, and where the first one is.
//
// values  IN      (count,) of dtype, contiguous, device
// first   IN      the index of values[0]; more parts of a whole may follow
// found   IN/OUT  (2,) int64, device: the number of such values is added to [0], [1] is lowered to the
//                 index of the first one; at the start (0, the largest int64)
#pragma once
#include <cstdint>

#include "stream.h"
#include "../rows.h"

namespace ally_fast {

void count_nonfinite_cuda(const CudaStream& stream, const void* values, DType dtype, int64_t count,
                          int64_t first, int64_t* found);

}  // namespace ally_fast
