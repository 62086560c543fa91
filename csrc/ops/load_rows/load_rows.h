// Rows of any dtype and strides as a float32 matrix, put in the places asked for.
//
//   out[place_i] = float32(x_i), with rows.normalize float32(x_i / ||x_i||) (scan/kernel.h, load_row)
//
// rows     IN   (m, d) view
// places   IN   (m,) int64, distinct, rows of `out`; null: 0, 1, …
// out      OUT  (>= m, d) float32, contiguous
// Returns false if some feature is NaN, infinite, or too large for float32.
#pragma once
#include "../../common/scan/kernel.h"

namespace ally_fast {

bool load_rows_cpu(const RowsView& rows, const Kernel& kernel, const int64_t* places, int threads,
                   float* out);

}  // namespace ally_fast
