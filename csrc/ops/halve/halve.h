// Each cluster's best halves, by two-means among its own rows, and what halving it gains.
//
// For a stale cluster c of n rows x_i with mean m = C_c:
//   spread_c = sum of D(x_i, m);  far = the row of largest D(x_i, m), lowest index on a tie
//   w = far - m, limit = 0;  then kHalvings times:
//     side_i = sum_j (x_ij - m_j) w_j > limit          (order of the exact rule)
//     b, a = means of the rows of side 1 and 0, rounded to float32 (from integer sums, common/sums/grid.h)
//     w = b - a,  limit = (D(b, m) - D(a, m)) / 2      (so that side_i tells which one is nearer)
//   halves_c = b,  half_sums_c, half_counts_c: the rows of side 1
//   gain_c = D(a, b) n_a n_b / n   (Ward: what inertia loses once a and b take the place of m)
// If D(far, m) is 0, or one side is empty at any time: half_counts_c = 0, gain_c = 0, side_i = 0, and halves
// and half_sums are left as they are. All arithmetic is float64.
//
// rows         IN      (t, d) float32, contiguous, among those that the grid was made of; t < 2^31
// assignments  IN      (t,) int32 in [0, k)
// centroids    IN      (k, d) float32: means of the clusters, rounded; any value where a cluster is empty
// sums         IN      (k, d) int64: of all rows of each cluster
// counts       IN      (k,) int64: the assignments'
// grid, most   IN      as in cluster_sums.h
// stale        IN/OUT  (k,) uint8: clusters to visit; zeros afterwards
// halves       IN/OUT  (k, d) float32
// half_sums    IN/OUT  (k, d) int64
// half_counts  IN/OUT  (k,) int64
// gains        IN/OUT  (k,) float64
// spreads      IN/OUT  (k, 2) int64: high and low words (grid.h)
// sides        IN/OUT  (t,) uint8
// What belongs to clusters that are not stale stays. Checked by the binding: shapes and assignments.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/kernel.h"
#include "../../common/sums/halves.h"

namespace ally_fast {

constexpr int kHalvings = 3;

struct ClusteredRows {
  const float* rows;
  int64_t t, d;
  const int32_t* assignments;
  const float* centroids;
  const int64_t* sums;
  const int64_t* counts;
  int64_t k;
  const double* grid;
  int64_t most;
};

void halve_cpu(const ClusteredRows& clustered, const Kernel& kernel, int threads,
               const Halves& halves);

// Device pointers throughout; assignments are the caller's to check. Does not wait.
void halve_cuda(const CudaStream& stream, const ClusteredRows& clustered, const Halves& halves);

}  // namespace ally_fast
