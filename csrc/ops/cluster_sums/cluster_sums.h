// Each cluster's rows added up, as integers: any order gives the same bits, and so do the sums of parts,
// added.
//
//   sums_c += sum of q(x_i),  counts_c += number of rows,  a_i = c;  spread += sum of D(x_i, C_{a_i})
//   q and the grid of D: common/sums/grid.h, for the grid's own number of rows, `most`
//
// rows         IN      (t, d) float32, contiguous, among those that the grid was made of; t < 2^31
// assignments  IN      (t,) int32 in [0, k)
// centroids    IN      (k, d) float32, C; null: no spread
// grid         IN      (2 d + 1,) float64
// most         IN      rows that the grid was made of; sums of up to so many rows do not overflow
// sums         IN/OUT  (k, d) int64
// counts       IN/OUT  (k,) int64
// spread       IN/OUT  (2,) int64: high and low words; read and written with centroids only
// Checked by the binding: shapes and assignments. Each row is read once.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/kernel.h"

namespace ally_fast {

void cluster_sums_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                      const float* centroids, int64_t k, const double* grid, int64_t most,
                      const Kernel& kernel, int threads, int64_t* sums, int64_t* counts,
                      int64_t* spread);

// Device pointers throughout; assignments are the caller's to check. Does not wait. Reads rows once more
// for the spread.
void cluster_sums_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                       const int32_t* assignments, const float* centroids, int64_t k,
                       const double* grid, int64_t most, int64_t* sums, int64_t* counts,
                       int64_t* spread);

}  // namespace ally_fast
