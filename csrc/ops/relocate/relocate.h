// Centroids moved from where they are hardly missed to where one more helps most.
//
//   cost_c = min over listed o != c of  D(C_c, C_o) n_c n_o / (n_c + n_o)      heir_c = that o
//   (Ward's cost of merging c with o: what inertia gains if c is removed and o takes its rows)
//
// Splits are tried by spread descending, the first 2 moves of them, donors by cost ascending, lowest
// index on a tie; a move needs cost_donor < spread_split / 2, and a cluster takes part in one move at
// most (plan.h). The heir becomes the mean of donor and heir, donor and split the halves of the split.
// centroids  IN   (k, d) float32, contiguous
// counts     IN   (k,) int64, n: rows of each cluster
// spread     IN   (k,) float64, not negative: sum of squared distances to the mean
// lists      IN   (k, length) int32 in [0, k), length >= 1: each centroid's nearest ones, itself among
//                 them; on a tie of costs the first in the list is the heir
// moves      IN   at most this many
// moved      OUT  (k, d) float32: the centroids after the moves
// Arithmetic is float64, written once in plan.h; the answer depends on the inputs alone. Checked by
// the binding: shapes, lists, finite centroids.
#pragma once
#include <cstdint>

#include "../../common/cuda/stream.h"

namespace ally_fast {

void relocate_cpu(const float* centroids, int64_t k, int64_t d, const int64_t* counts,
                  const double* spread, const int32_t* lists, int64_t length, int64_t moves,
                  int threads, float* moved);

// Device pointers; the lists are the caller's to check. Does not wait.
void relocate_cuda(const CudaStream& stream, const float* centroids, int64_t k, int64_t d,
                   const int64_t* counts, const double* spread, const int32_t* lists,
                   int64_t length, int64_t moves, float* moved);

}  // namespace ally_fast
