// An update of Lloyd's: new centroids from assigned rows, and what the next decisions need.
//
//   sums_c = sum of x_i - C_c,  squares_c = sum of D(x_i, C_c),  counts_c = number of rows,  a_i = c
//   mean_c = C_c + sums_c / n_c,  spread_c = squares_c - D(sums_c, 0) / n_c,  n_c = max(counts_c, 1)
//   inertia = sum of spread_c;  D and its order: common/exact.h
//
// About the old centroids, so that an offset common to all rows costs no digits. A spread of at most
// 1e-12 squares_c is 0. Each empty cluster, in ascending order, halves the one of largest spread,
// lowest index on a tie (plan_halvings; the offset: common/split.h); counts, spread and
// inertia are those before. With `normalize` a mean is then divided by sqrt(D(mean, 0)), and stays
// zeros if that is 0. New centroids are the means rounded to float32.
// rows         IN   (t, d) float32, contiguous
// assignments  IN   (t,) int32 in [0, k)
// centroids    IN   (k, d) float32, contiguous: the old ones, C
// normalize    IN   scale the new centroids to unit length
// updated      OUT  (k, d) float32: the new centroids
// counts       OUT  (k,) int64
// spread       OUT  (k,) float64
// inertia      OUT  one float64
// Order of sums: rows are cut into segments of kSegmentRows; within a segment a cluster's rows are
// added in index order, and segments are added in order. Spreads are added in eight partial sums,
// cluster c into sum c mod 8, combined as in D (sum_in_partials). Float64 throughout, so the answer
// depends on rows, assignments and centroids alone. Checked by the binding: shapes and assignments.
#pragma once
#include <cstdint>

#include "../../common/cuda/stream.h"

namespace ally_fast {

constexpr int64_t kSegmentRows = 16384;

void centroid_update_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                         const float* centroids, int64_t k, bool normalize, int threads,
                         float* updated, int64_t* counts, double* spread, double* inertia);

// Device pointers throughout, `inertia` (1,) among them; assignments are the caller's to check. Does
// not wait. workspace_bytes: for sums of segments that are made side by side; the answer does not
// depend on it.
void centroid_update_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                          const int32_t* assignments, const float* centroids, int64_t k,
                          bool normalize, float* updated, int64_t* counts, double* spread,
                          double* inertia, int64_t workspace_bytes);

}  // namespace ally_fast
