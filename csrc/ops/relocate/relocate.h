// Clusters that are hardly missed are merged, and those that two centroids serve better are split, as
// long as a split gains more than a merge costs.
//
// Clusters part in two by bit `bit` of their number. For cluster c, heir_c is the nearest centroid of the
// other part, and removing c costs   D(C_c, C_heir) n_c n_heir / (n_c + n_heir)   (Ward); an empty cluster
// is its own heir and costs 0.
// Splits are tried by gain (halve.h) descending, the first k / 2 of them, donors by cost ascending, lowest
// index on a tie; a move needs cost_donor < gain_split, and a cluster takes part in one move at most
// (plan_moves in plan.h). The donor's rows go to its heir; the donor becomes one half of the split, the
// split the other. Centroids are means of the sums, rounded to float32 (common/sums/grid.h).
// t, d, k           IN      rows, features, clusters; k >= 2
// nearest_of_zeros  IN      int32, for each cluster whose bit is 0, ascending: the position of the nearest
//                           centroid among those whose bit is 1, ascending
// nearest_of_ones   IN      the same the other way round
// bit               IN      2^bit < k
// grid              IN      (2 d + 1,) float64
// halves            IN/OUT  what halve left, nothing stale; stale_c = 1 afterwards for clusters that moved
// assignments       IN/OUT  (t,) int32
// centroids         IN/OUT  (k, d) float32
// sums, counts      IN/OUT  (k, d), (k,) int64
// gained            OUT     one float64: gains less costs of all moves, in the order of the plan
// Arithmetic is float64, written once in plan.h. Checked by the binding: shapes, positions, assignments.
#pragma once
#include <cstdint>

#include "../../common/cuda/stream.h"
#include "../../common/sums/halves.h"

namespace ally_fast {

struct Parts {
  const int32_t* nearest_of_zeros;
  const int32_t* nearest_of_ones;
  int bit;
};

struct Clustering {
  int64_t t, d, k;
  const double* grid;
  int32_t* assignments;
  float* centroids;
  int64_t* sums;
  int64_t* counts;
};

void relocate_cpu(const Clustering& clustering, const Parts& parts, const Halves& halves,
                  int threads, double* gained);

// Device pointers; positions and assignments are the caller's to check. Does not wait.
void relocate_cuda(const CudaStream& stream, const Clustering& clustering, const Parts& parts,
                   const Halves& halves, double* gained);

}  // namespace ally_fast
