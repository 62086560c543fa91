#include "cluster_sums.h"

#include <algorithm>
#include <vector>

#include "../../common/aligned.h"
#include "../../common/sums/cluster_order.h"
#include "../../common/sums/grid.h"
#include "../../common/sums/row_sums.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskValues = 1 << 16;
constexpr int64_t kAheadFloats = 512;  // of rows to come are on their way to the cache

// A worker's own sum of one cluster, and its part of the spread.
struct Partial {
  AlignedVector<int64_t> sums;
  DistanceSum spread{0, 0};

  explicit Partial(int64_t d) : sums(static_cast<size_t>(d)) {}
};

// Two tasks may share a cluster.
void add_atomically(int64_t* to, int64_t value) { __atomic_fetch_add(to, value, __ATOMIC_RELAXED); }

}  // namespace

void cluster_sums_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                      const float* centroids, int64_t k, const double* grid_values, int64_t most,
                      const Kernel& kernel, int threads, int64_t* sums, int64_t* counts,
                      int64_t* spread) {
  const RowSums& of_row = row_sums(kernel);
  const AlignedVector<double> values(grid_values, grid_values + 2 * d + 1);
  const Grid grid(values.data(), d);
  const int bits = grid_bits(most);
  const ClusterOrder order = order_by_cluster(assignments, t, k);
  for (int64_t c = 0; c < k; ++c) counts[c] += order.begins[c + 1] - order.begins[c];

  const int64_t ahead = std::max<int64_t>(1, kAheadFloats / d);
  const int64_t step = std::max<int64_t>(16, kTaskValues / d);
  const auto parts = parallel_for_with(
      (t + step - 1) / step, threads, [&] { return std::make_unique<Partial>(d); },
      [&](int64_t task, Partial& partial) {
        const int64_t end = std::min(t, (task + 1) * step);
        for (int64_t at = task * step; at < end;) {
          const int32_t c = assignments[order.rows[at]];
          const int64_t last = std::min(end, order.begins[c + 1]);
          const bool whole = at == order.begins[c] && last == order.begins[c + 1];
          int64_t* const to = partial.sums.data();
          for (; at < last; ++at) {
            const float* row = rows + order.rows[at] * d;
            const float* next = rows + order.rows[std::min(at + ahead, t - 1)] * d;
            of_row.add(row, next, grid.shift, grid.scale, d, to);
            if (centroids) {
              const double distance = of_row.distance(row, centroids + c * d, d);
              const DistanceSum term = grid_distance(distance, *grid.distance_scale, bits);
              partial.spread.high += term.high;
              partial.spread.low += term.low;
            }
            poll(d);
          }
          int64_t* const sum = sums + c * d;
          for (int64_t j = 0; j < d; ++j) {
            if (whole) {
              sum[j] += to[j];
            } else {
              add_atomically(sum + j, to[j]);
            }
            to[j] = 0;
          }
        }
      });
  for (const auto& part : parts) {
    if (!centroids) break;
    spread[0] += part->spread.high;
    spread[1] += part->spread.low;
  }
}

}  // namespace ally_fast
