// Rows by cluster, each cluster's in ascending order: a counting sort.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "../parallel.h"

namespace ally_fast {

struct ClusterOrder {
  std::vector<int32_t> rows;  // (t,)
  std::vector<int64_t>
      begins;  // (k + 1,): cluster c has rows[begins[c]] to rows[begins[c + 1] - 1]
};

inline ClusterOrder order_by_cluster(const int32_t* assignments, int64_t t, int64_t k) {
  ClusterOrder order{std::vector<int32_t>(static_cast<size_t>(t)),
                     std::vector<int64_t>(static_cast<size_t>(k + 1))};
  polled_for(t, [&](int64_t i) { ++order.begins[assignments[i] + 1]; });
  for (int64_t c = 0; c < k; ++c) order.begins[c + 1] += order.begins[c];
  std::vector<int64_t> next(order.begins.begin(), order.begins.end() - 1);
  polled_for(t, [&](int64_t i) { order.rows[next[assignments[i]]++] = static_cast<int32_t>(i); });
  return order;
}

}  // namespace ally_fast
