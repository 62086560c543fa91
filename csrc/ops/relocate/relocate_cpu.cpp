#include "relocate.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "../../common/parallel.h"
#include "plan.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskClusters = 16;

// removal() of plan.h, a part of the list at a time.
Removal polled_removal(const float* centroids, int64_t d, const int64_t* counts,
                       const int32_t* list, int64_t length, int64_t c) {
  constexpr int64_t kPart = 64;
  Removal best = {HUGE_VAL, list[0]};
  for (int64_t at = 0; at < length; at += kPart) {
    const int64_t count = std::min(kPart, length - at);
    const Removal found = removal(centroids, d, counts, list + at, count, c);
    if (found.cost < best.cost) best = found;
    poll(count * d);
  }
  return best;
}

// Clusters such that less(values[a], values[b]) puts a first; lowest index first on a tie.
template <class Less>
std::vector<int32_t> order_by(const double* values, int64_t k, const Less& less) {
  std::vector<int32_t> order(static_cast<size_t>(k));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return less(values[a], values[b]); });
  return order;
}

}  // namespace

void relocate_cpu(const float* centroids, int64_t k, int64_t d, const int64_t* counts,
                  const double* spread, const int32_t* lists, int64_t length, int64_t moves,
                  int threads, float* moved) {
  std::vector<double> costs(static_cast<size_t>(k));
  std::vector<int32_t> heirs(costs.size());
  parallel_for((k + kTaskClusters - 1) / kTaskClusters, threads, [&](int64_t task, int) {
    const int64_t end = std::min(k, (task + 1) * kTaskClusters);
    for (int64_t c = task * kTaskClusters; c < end; ++c) {
      const Removal best = polled_removal(centroids, d, counts, lists + c * length, length, c);
      costs[c] = best.cost;
      heirs[c] = best.heir;
    }
  });
  const auto by_cost = order_by(costs.data(), k, std::less<double>());
  const auto by_spread = order_by(spread, k, std::greater<double>());
  std::vector<uint8_t> busy(costs.size());
  std::vector<Move> plan(static_cast<size_t>(std::min(k, moves)));
  plan.resize(
      static_cast<size_t>(plan_moves(costs.data(), heirs.data(), spread, by_cost.data(),
                                     by_spread.data(), k, moves, busy.data(), plan.data())));
  for (int64_t c = 0; c < k; ++c) {
    std::copy_n(centroids + c * d, d, moved + c * d);
    poll(d);
  }
  for (const Move& move : plan) {
    const double radius = split_radius(spread[move.split], counts[move.split], d);
    for (int64_t j = 0; j < d; ++j) {
      move_feature(move, centroids, counts, radius, d, j, moved);
    }
    poll(d);
  }
}

}  // namespace ally_fast
