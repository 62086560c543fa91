// Rows copied as they are, bit for bit: those at given positions, or all of them.
#pragma once
#include <cstdint>

#include "../rows.h"
#include "stream.h"

namespace ally_fast {

// out[i] = row i of the view (`positions` and strides heeded, dtype and normalize not).
// item_bytes  IN   1, 2, 4 or 8: bytes of a feature
// out         OUT  (visited, d), contiguous
void gather_rows(const CudaStream& stream, const RowsView& rows, int64_t item_bytes, void* out);

}  // namespace ally_fast
