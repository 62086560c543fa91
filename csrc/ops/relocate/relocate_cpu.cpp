#include "relocate.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "../../common/exact.h"
#include "../../common/parallel.h"
#include "plan.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskRows = 1 << 16;

// Clusters by value, lowest index first on a tie.
template <class Before>
std::vector<int32_t> sorted_clusters(int64_t k, const Before& before) {
  std::vector<int32_t> order(static_cast<size_t>(k));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return before(a, b) || (!before(b, a) && a < b); });
  return order;
}

}  // namespace

void relocate_cpu(const Clustering& clustering, const Parts& parts, const Halves& halves,
                  int threads, double* gained) {
  const int64_t k = clustering.k, d = clustering.d, t = clustering.t;
  std::vector<double> costs(static_cast<size_t>(k));
  std::vector<int32_t> heirs(costs.size());
  constexpr int64_t kTaskClusters = 128;
  parallel_for((k + kTaskClusters - 1) / kTaskClusters, threads, [&](int64_t task, int) {
    const int64_t end = std::min(k, (task + 1) * kTaskClusters);
    for (int64_t c = task * kTaskClusters; c < end; ++c) {
      const int64_t heir = heirs[c] = heir_of_cluster(clustering.counts, parts, c);
      const float* const centroids = clustering.centroids;
      costs[c] = heir == c
                     ? 0.0
                     : merge_cost(squared_distance(centroids + c * d, centroids + heir * d, d),
                                  clustering.counts[c], clustering.counts[heir]);
    }
  });
  const auto by_cost =
      sorted_clusters(k, [&](int32_t a, int32_t b) { return costs[a] < costs[b]; });
  const auto by_gain =
      sorted_clusters(k, [&](int32_t a, int32_t b) { return halves.gains[a] > halves.gains[b]; });
  std::vector<uint8_t> busy(costs.size());
  std::vector<Move> plan(costs.size());
  plan.resize(plan_moves(costs.data(), heirs.data(), halves.gains, by_cost.data(), by_gain.data(),
                         k, busy.data(), plan.data()));
  poll();

  *gained = 0;
  std::vector<int32_t> heir_of(costs.size(), -1), half_of(costs.size(), -1);
  for (const Move& move : plan) {
    *gained += halves.gains[move.split] - costs[move.donor];
    heir_of[move.donor] = move.heir;
    half_of[move.split] = move.donor;
  }
  if (plan.empty()) return;
  const Uninterrupted whole;  // what belongs together changes together
  const Grid grid(clustering.grid, d);
  for (const Move& move : plan) {
    for (int64_t j = 0; j < d; ++j) {
      move_feature(move, j, d, grid, halves.centroids, halves.sums, halves.counts,
                   clustering.counts, clustering.sums, clustering.centroids);
    }
    move_counts(move, halves.counts, clustering.counts, halves.stale);
  }
  parallel_for((t + kTaskRows - 1) / kTaskRows, threads, [&](int64_t task, int) {
    for (int64_t i = task * kTaskRows; i < std::min(t, (task + 1) * kTaskRows); ++i) {
      int32_t& c = clustering.assignments[i];
      c = moved_row(c, halves.sides[i], heir_of.data(), half_of.data());
    }
  });
}

}  // namespace ally_fast
