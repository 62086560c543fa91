// The scan of track.h on Hopper GPUs, by their own instructions: compute capability 9.0 exactly.
// Knows nothing of certificates: what it finds is judged elsewhere.
#pragma once
#include <cstdint>

#include "../stream.h"

namespace ally_fast {

// Device memory, 16-byte aligned. Places of centroids not in use: half_norm FLT_MAX, norm 0.
struct ScanTable {
  const uint16_t* centroids;  // (k_padded, d_padded) float16 bits
  const float* half_norm;     // (k_padded,)
  const float* norm;          // (k_padded,)
  int64_t k_padded;           // a multiple of 128
  int64_t d_padded;           // a multiple of 64
};
struct ScanOperands {
  ScanTable table;
  const uint16_t* rows;  // (row_count, d_padded) float16 bits
  const float* error;    // (row_count,)
  int64_t row_count;
};

// For each row r the smallest and the second smallest of
//   L(r, c) = half_norm[c] - (error[r] norm[c] + rows[r] . centroids[c])
// and the smallest one's c: best, second (row_count,), index (row_count,). Where both are the same, the
// index is in range and no more.
// float32: the constant part is rounded once, the products are added to it 16 at a time by the tensor
// cores, features ascending. A row that is not finite, or its error, gets some index in range.
// Throws CudaError where the device is of another compute capability, or the build left this out.
void scan_sm90a(const CudaStream& stream, const ScanOperands& operands, float* best, float* second,
                int32_t* index);

}  // namespace ally_fast
