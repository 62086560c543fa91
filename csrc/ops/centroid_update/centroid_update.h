// Per-cluster sums of training rows, from which centroids and inertia follow.
//
//   sums_c = sum of x_i,  squares_c = sum of ||x_i||^2,  counts_c = number of rows,  over a_i = c
//
// rows         IN   (t, d) float32, contiguous
// assignments  IN   (t,) int32 in [0, k)
// sums         OUT  (k, d) float64
// squares      OUT  (k,) float64; ||x_i||^2 in the order of sum_of_squares (scan/kernel_impl.h)
// counts       OUT  (k,) int64
// Order of sums: rows are cut into segments of kSegmentRows; within a segment a cluster's rows are
// added in index order, and segments are added in order. Float64 throughout, so the answer depends on
// the rows and assignments alone.
#pragma once
#include <cstdint>

namespace ally_fast {

constexpr int64_t kSegmentRows = 16384;

void centroid_update_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                         int64_t k, int threads, double* sums, double* squares, int64_t* counts);

}  // namespace ally_fast
