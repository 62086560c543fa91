// Which rows lie within a radius of any of a set of points.
//
//   within_i = 1 if min_c D(x_i, P_c) <= radius * radius, else 0;  D: the exact rule of scan/kernel.h
//
// rows    IN   (m, d) view      table  IN  (l, d) points, packed
// radius  IN   Euclidean, > 0, its square finite   within OUT (m,) uint8
// A row with a NaN or infinite feature is not within any radius (the caller rejects such rows later).
#pragma once
#include "../../common/cuda/scan/table_handle.h"
#include "../../common/scan/certified.h"

namespace ally_fast {

void radius_filter_cpu(const RowsView& rows, const PackedPoints& table, double radius, int threads,
                       uint8_t* within);

// The same on a GPU: device pointers throughout, queued on the stream.
void radius_filter_cuda(const CudaStream& stream, const RowsView& rows, const DeviceTable& table,
                        double radius, uint8_t* within);

}  // namespace ally_fast
