// Nearest centroids among short lists: the cheap iterations of training.
//
//   a_i = argmin_{c in lists[previous_i]} D(x_i, C_c),  lowest c on a tie;
//   D: the exact rule of common/scan/kernel.h
//
// Answers depend on rows, centroids, previous and lists alone. Checked by the binding: shapes, and
// that lists ascend and all indices are in range.
#pragma once
#include "../../common/cuda/scan/table_handle.h"
#include "../../common/scan/assigner.h"

namespace ally_fast {

// rows (t, d) float32, contiguous; previous (t,) int32 in [0, groups); lists (groups, length) int32
// in [0, k), each ascending without repeats; out (t,) int32, -1 for a row that is not finite.
void assign_among_cpu(const float* rows, int64_t t, const CentroidTable& table,
                      const int32_t* previous, const int32_t* lists, int64_t groups, int64_t length,
                      int threads, int32_t* out);

// The `length` centroids nearest to each query by (D, index), as ascending indices.
// queries (count, d) float32, contiguous and finite; 1 <= length <= k; lists (count, length) int32.
void nearest_lists_cpu(const float* queries, int64_t count, const CentroidTable& table,
                       int64_t length, int threads, int32_t* lists);

// The same on a GPU: device pointers throughout, queued on the stream. Indices are in range and lists
// ascend without repeats: the caller sees to it.
void assign_among_cuda(const CudaStream& stream, const float* rows, int64_t t,
                       const DeviceTable& table, const int32_t* previous, const int32_t* lists,
                       int64_t groups, int64_t length, int32_t* out);

void nearest_lists_cuda(const CudaStream& stream, const float* queries, int64_t count,
                        const DeviceTable& table, int64_t length, int32_t* lists);

}  // namespace ally_fast
