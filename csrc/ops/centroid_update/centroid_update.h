// Per-cluster sums of training rows about the old centroids: new centroids and inertia follow.
//
//   sums_c = sum of x_i - C_c,  squares_c = sum of D(x_i, C_c),  counts_c = number of rows,  a_i = c
//   new mean = C_c + sums_c / counts_c,  spread about it = squares_c - ||sums_c||^2 / counts_c
//
// About the old centroids, so that an offset common to all rows costs no digits.
// rows         IN   (t, d) float32, contiguous
// assignments  IN   (t,) int32 in [0, k)
// centroids    IN   (k, d) float32, contiguous
// sums         OUT  (k, d) float64
// squares      OUT  (k,) float64; D in the order of squared_distance (common/scan/kernel.h)
// counts       OUT  (k,) int64
// Order of sums: rows are cut into segments of kSegmentRows; within a segment a cluster's rows are
// added in index order, and segments are added in order. Float64 throughout, so the answer depends on
// rows, assignments and centroids alone.
#pragma once
#include <cstdint>

namespace ally_fast {

constexpr int64_t kSegmentRows = 16384;

void centroid_update_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                         const float* centroids, int64_t k, int threads, double* sums,
                         double* squares, int64_t* counts);

}  // namespace ally_fast
