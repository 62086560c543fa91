// The sums of centroid_update on a device: each segment's rows sorted by cluster, each run of a
// cluster added in row order, the runs of a cluster in order of segments.
#pragma once
#include "../../common/cuda/scope.h"

namespace ally_fast {

// rows, assignments, centroids  IN  as in centroid_update.h
// sums     OUT  (k, d) float64 about the old centroids
// squares  OUT  (k,) float64
// counts   OUT  (k,) int64
// workspace_bytes: for sums of segments, that can be made side by side
void sum_segments(const OpScope& scope, const float* rows, int64_t t, int64_t d,
                  const int32_t* assignments, const float* centroids, int64_t k, double* sums,
                  double* squares, int64_t* counts, int64_t workspace_bytes);

}  // namespace ally_fast
