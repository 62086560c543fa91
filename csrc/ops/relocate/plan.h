// What relocate computes per cluster, per plan and per feature; see relocate.h. Written once, for
// host and device.
#pragma once
#include <cmath>
#include <cstdint>

#include "../../common/exact.h"
#include "../../common/host_device.h"
#include "../../common/split.h"

namespace ally_fast {

// Ward's cost of merging two clusters whose means are `distance` (squared) apart.
ALLY_FAST_HOST_DEVICE inline double merge_cost(double distance, int64_t own, int64_t other) {
  const double n = static_cast<double>(own), m = static_cast<double>(other);
  return distance * (n * m / (n + m > 1.0 ? n + m : 1.0));
}

struct Removal {
  double cost;
  int32_t heir;
};

// What removing cluster c costs, and who takes its rows; infinite if it is alone in its list.
ALLY_FAST_HOST_DEVICE inline Removal removal(const float* centroids, int64_t d,
                                             const int64_t* counts, const int32_t* list,
                                             int64_t length, int64_t c) {
  Removal best = {HUGE_VAL, list[0]};
  for (int64_t e = 0; e < length; ++e) {
    const int64_t o = list[e];
    if (o == c) continue;
    const double distance = squared_distance(centroids + c * d, centroids + o * d, d);
    const double cost = merge_cost(distance, counts[c], counts[o]);
    if (cost < best.cost) best = {cost, list[e]};
  }
  return best;
}

struct Move {
  int32_t donor, heir, split;
};

// The greedy plan. `by_cost` and `by_spread` are the clusters by cost ascending and by spread
// descending, lowest index first on a tie; `busy` (k,) is scratch, zeros. Returns the number of moves
// written, at most `moves`.
ALLY_FAST_HOST_DEVICE inline int64_t plan_moves(const double* costs, const int32_t* heirs,
                                                const double* spread, const int32_t* by_cost,
                                                const int32_t* by_spread, int64_t k, int64_t moves,
                                                uint8_t* busy, Move* plan) {
  int64_t planned = 0, next = 0;
  for (int64_t at = 0; at < k && at / 2 < moves && planned < moves; ++at) {
    const int32_t split = by_spread[at];
    if (!(spread[split] > 0)) break;
    if (busy[split]) continue;
    // Donors passed over are not offered again: one walk over them serves all splits.
    for (; next < k; ++next) {
      const int32_t donor = by_cost[next], heir = heirs[donor];
      if (!(busy[donor] || busy[heir] || split == donor || split == heir)) break;
    }
    if (next == k || costs[by_cost[next]] >= spread[split] / 2) break;
    const int32_t donor = by_cost[next++];
    plan[planned++] = {donor, heirs[donor], split};
    busy[donor] = busy[heirs[donor]] = busy[split] = 1;
  }
  return planned;
}

// A feature of the heir: the mean of donor and heir.
ALLY_FAST_HOST_DEVICE inline float merged_feature(float donor, int64_t n, float heir, int64_t m) {
  const double sum = static_cast<double>(donor) * static_cast<double>(n) +
                     static_cast<double>(heir) * static_cast<double>(m);
  return static_cast<float>(sum / static_cast<double>(n + m > 1 ? n + m : 1));
}

// Apply a move to feature j; `radius` is split_radius of the split cluster. Moves touch different
// clusters, so that their order does not matter.
ALLY_FAST_HOST_DEVICE inline void move_feature(const Move& move, const float* centroids,
                                               const int64_t* counts, double radius, int64_t d,
                                               int64_t j, float* moved) {
  const int64_t donor = move.donor * d + j, heir = move.heir * d + j, split = move.split * d + j;
  moved[heir] =
      merged_feature(centroids[donor], counts[move.donor], centroids[heir], counts[move.heir]);
  const double offset = split_offset(radius, j), mean = static_cast<double>(centroids[split]);
  moved[donor] = static_cast<float>(mean + offset);
  moved[split] = static_cast<float>(mean - offset);
}

}  // namespace ally_fast
