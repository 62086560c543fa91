// Nearest centroid of every row.
//
//   a_i = argmin_c D(x_i, C_c),  lowest c on a tie;  D: the exact rule of common/scan/kernel.h
//
// rows     IN   (m, d) view, m = rows.visited
// table    IN   (k, d) centroids, packed
// threads  IN   >= 1; the answer does not depend on it
// certify  IN   false: the low-precision winner as it is (benchmarks only)
// out      OUT  (m,) int32; a row with a NaN or infinite feature gets -1
// Preconditions, all here checked by the binding: same d, positions and clusters in range. The answer depends on rows and
// centroids alone: not on kernel, threads, or on how rows are cut into calls.
#pragma once
#include "../../common/scan/certified.h"

namespace ally_fast {

struct AssignStats {
  int64_t uncertain = 0;         // rows the scan could not decide
  int64_t candidates = 0;        // exact distances computed for them
  int64_t nonfinite = 0;         // rows with a NaN or infinite feature
  int64_t first_nonfinite = -1;  // the first of them, counted in visited rows
};

AssignStats assign_cpu(const RowsView& rows, const CentroidTable& table, int threads, bool certify,
                       int32_t* out);

// The nearest among a short list of centroids: argmin_{c in lists[previous_i]} D(x_i, C_c), lowest c
// on a tie, -1 for a row that is not finite. rows (t, d) float32, contiguous; previous (t,) int32 in [0, groups); lists
// (groups, length) int32 in [0, k), each ascending without repeats; out (t,) int32.
void assign_among_cpu(const float* rows, int64_t t, const CentroidTable& table,
                      const int32_t* previous, const int32_t* lists, int64_t groups, int64_t length,
                      int threads, int32_t* out);

// The `length` centroids nearest to each query by (D, index), as ascending indices.
// queries (count, d) float32, contiguous and finite; 1 <= length <= k; lists (count, length) int32.
void nearest_lists_cpu(const float* queries, int64_t count, const CentroidTable& table,
                       int64_t length, int threads, int32_t* lists);

// D(x_i, C_{a_i}) for each visited row, by the exact rule. assignments in [0, k).
void squared_distances_cpu(const RowsView& rows, const CentroidTable& table,
                           const int32_t* assignments, int threads, double* out);

}  // namespace ally_fast
