// Rows of any dtype and strides as a float32 matrix, each at its position.
//
//   out[out_positions_i] = float32((x_i - shift) scale), with rows.normalize float32(x_i / ||x_i||)
//   (scan/kernel.h, load_row); in float64, each operation rounded
//
// rows           IN   (m, d) view
// out_positions  IN   (m,) int64, distinct, rows of `out`; null: 0, 1, …
// shift          IN   (d,) float64, or null: zeros
// scale          IN   a power of two
// out            OUT  (>= m, d) float32, contiguous
// Returns false if some feature is NaN, infinite, or too large for float32.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/kernel.h"

namespace ally_fast {

bool load_rows_cpu(const RowsView& rows, const Kernel& kernel, const int64_t* out_positions,
                   const double* shift, double scale, int threads, float* out);

// Device pointers throughout. not_finite (1,) int32, IN/OUT: set to 1 where load_rows_cpu returns
// false, left alone otherwise.
void load_rows_cuda(const CudaStream& stream, const RowsView& rows, const int64_t* out_positions,
                    const double* shift, double scale, float* out, int* not_finite);

}  // namespace ally_fast
