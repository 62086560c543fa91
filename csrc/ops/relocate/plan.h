// What relocate decides and computes per cluster and per feature; see relocate.h. Written once, for
// host and device.
#pragma once
#include <cmath>
#include <cstdint>

#include "../../common/host_device.h"
#include "../../common/sums/grid.h"
#include "../../common/sums/merge_cost.h"
#include "relocate.h"

namespace ally_fast {

// Clusters part in two by a bit of their number. The position of a cluster among those with the same bit:
ALLY_FAST_HOST_DEVICE inline int64_t position_in_part(int64_t c, int bit) {
  return (c >> (bit + 1) << bit) | (c & ((int64_t{1} << bit) - 1));
}

// And back: the cluster at a position of the part whose bit is `value`.
ALLY_FAST_HOST_DEVICE inline int64_t cluster_in_part(int64_t position, int bit, int64_t value) {
  const int64_t low = position & ((int64_t{1} << bit) - 1);
  return (position >> bit << (bit + 1)) | value << bit | low;
}

// Who takes the rows of cluster c: the nearest centroid of the other part, whose position in it was found for
// each position of c's part. An empty one is its own heir.
ALLY_FAST_HOST_DEVICE inline int32_t heir_of_cluster(const int64_t* counts, const Parts& parts,
                                                     int64_t c) {
  if (counts[c] == 0) return static_cast<int32_t>(c);
  const int64_t own = c >> parts.bit & 1, position = position_in_part(c, parts.bit);
  const int32_t heir = own ? parts.nearest_of_ones[position] : parts.nearest_of_zeros[position];
  return static_cast<int32_t>(cluster_in_part(heir, parts.bit, 1 - own));
}

struct Move {
  int32_t donor, heir, split;
};

// The greedy plan. `by_cost` and `by_gain` are the clusters by cost ascending and by gain descending,
// lowest index first on a tie; `busy` (k,) is scratch, zeros. Returns the number of moves written.
ALLY_FAST_HOST_DEVICE inline int64_t plan_moves(const double* costs, const int32_t* heirs,
                                                const double* gains, const int32_t* by_cost,
                                                const int32_t* by_gain, int64_t k, uint8_t* busy,
                                                Move* plan) {
  int64_t planned = 0, next = 0;
  for (int64_t at = 0; at < k / 2; ++at) {
    const int32_t split = by_gain[at];
    if (!(gains[split] > 0)) break;
    if (busy[split]) continue;
    // Donors passed over are not offered again: one walk over them serves all splits.
    for (; next < k; ++next) {
      const int32_t donor = by_cost[next], heir = heirs[donor];
      if (!(busy[donor] || busy[heir] || split == donor || split == heir)) break;
    }
    if (next == k || !(costs[by_cost[next]] < gains[split])) break;
    const int32_t donor = by_cost[next++];
    plan[planned++] = {donor, heirs[donor], split};
    busy[donor] = busy[heirs[donor]] = busy[split] = 1;
  }
  return planned;
}

// Feature j of a move's three clusters. Moves touch different clusters, so that their order does not
// matter. Counts are those before.
ALLY_FAST_HOST_DEVICE inline void move_feature(const Move& move, int64_t j, int64_t d,
                                               const Grid& grid, const float* halves,
                                               const int64_t* half_sums, const int64_t* half_counts,
                                               const int64_t* counts, int64_t* sums,
                                               float* centroids) {
  const int64_t donor = move.donor * d + j, heir = move.heir * d + j, split = move.split * d + j;
  const double shift = grid.shift[j], scale = grid.scale[j];
  sums[heir] += sums[donor];
  sums[donor] = half_sums[split];
  sums[split] -= half_sums[split];
  const int64_t merged = counts[move.heir] + counts[move.donor];
  if (merged > 0) centroids[heir] = mean_feature(shift, scale, sums[heir], merged);
  centroids[donor] = halves[split];
  centroids[split] =
      mean_feature(shift, scale, sums[split], counts[move.split] - half_counts[move.split]);
}

// The three counts, once all features are moved.
ALLY_FAST_HOST_DEVICE inline void move_counts(const Move& move, const int64_t* half_counts,
                                              int64_t* counts, uint8_t* stale) {
  counts[move.heir] += counts[move.donor];
  counts[move.donor] = half_counts[move.split];
  counts[move.split] -= half_counts[move.split];
  stale[move.donor] = stale[move.heir] = stale[move.split] = 1;
}

// Where rows of cluster c go, by their side.
ALLY_FAST_HOST_DEVICE inline int32_t moved_row(int32_t c, uint8_t side, const int32_t* heir_of,
                                               const int32_t* half_of) {
  if (heir_of[c] >= 0) return heir_of[c];
  return side && half_of[c] >= 0 ? half_of[c] : c;
}

}  // namespace ally_fast
