// Nearest centroid of every row.
//
//   a_i = argmin_c D(x_i, C_c),  lowest c on a tie;  D: the exact rule of common/scan/kernel.h
//
// rows     IN   (m, d) view, m = rows.visited
// table    IN   (k, d) centroids, packed
// threads  IN   >= 1; the answer does not depend on it
// certify  IN   false: the low-precision winner as it is (benchmarks only)
// out      OUT  (m,) int32; -1 for a row with a NaN or infinite feature, and for one (of float64) so
//               far out that all its squared distances overflow. Features of 2^480 and more, or a
//               spread below 2^-480, where squares overflow or vanish, are for the caller to refuse
// Preconditions (checked by the binding): same d, positions and clusters in range. The answer depends
// on rows and centroids alone: not on kernel, threads, or on how rows are cut into calls.
#pragma once
#include "../../common/cuda/scan/table_handle.h"
#include "../../common/cuda/scan/track_kernel.h"
#include "../../common/scan/certified.h"

namespace ally_fast {

struct AssignStats {
  int64_t uncertain = 0;         // rows the scan could not decide
  int64_t candidates = 0;        // exact distances computed for them
  int64_t nonfinite = 0;         // rows with a NaN or infinite feature, or no finite distance
  int64_t first_nonfinite = -1;  // the first of them, counted in visited rows

  void add(const AssignStats& other);
};

AssignStats assign_cpu(const RowsView& rows, const PackedPoints& table, int threads, bool certify,
                       int32_t* out);

// D(x_i, C_{a_i}) for each visited row, by the exact rule. assignments in [0, k).
void squared_distances_cpu(const RowsView& rows, const PackedPoints& table,
                           const int32_t* assignments, int threads, double* out);

// The same on a GPU: device pointers throughout, queued on the stream.
// mask   IN   (m,) uint8, zero for a row that takes no part (its answer is -1, it is not counted);
//             or null
// stats  IN/OUT  (4,) int64: uncertain, candidates and nonfinite of AssignStats are added, the fourth is
//             lowered to the first row that is not finite; at the start (0, 0, 0, -1)
// kernel IN   does the scan; CudaError where the device or the build does not have it
void assign_cuda(const CudaStream& stream, const RowsView& rows, const DeviceTable& table,
                 const uint8_t* mask, bool certify, TrackKernel kernel, int32_t* out,
                 int64_t* stats);

void squared_distances_cuda(const CudaStream& stream, const RowsView& rows,
                            const DeviceTable& table, const int32_t* assignments, double* out);

}  // namespace ally_fast
