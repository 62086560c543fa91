#include "feature_grid.h"

#include <algorithm>
#include <vector>

#include "../../common/exact.h"
#include "../../common/parallel.h"
#include "../../common/sums/grid.h"
#include "../../common/sums/row_sums.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskValues = 1 << 18;

// Each feature's minimum and maximum so far.
struct Extremes {
  std::vector<float> low, high;

  explicit Extremes(const float* row, int64_t d) : low(row, row + d), high(row, row + d) {}
};

}  // namespace

void feature_grid_cpu(const float* rows, int64_t t, int64_t d, const Kernel& kernel, int threads,
                      double* grid) {
  const RowSums& sums = row_sums(kernel);
  const int64_t step = std::max<int64_t>(1, kTaskValues / d);
  const auto parts = parallel_for_with(
      (t + step - 1) / step, threads, [&] { return std::make_unique<Extremes>(rows, d); },
      [&](int64_t task, Extremes& found) {
        const int64_t begin = task * step, count = std::min(t, begin + step) - begin;
        sums.extremes(rows + begin * d, count, d, found.low.data(), found.high.data());
      });
  Extremes all(rows, d);
  for (const auto& part : parts) {
    sums.extremes(part->low.data(), 1, d, all.low.data(), all.high.data());
    sums.extremes(part->high.data(), 1, d, all.low.data(), all.high.data());
  }
  const int bits = grid_bits(t);
  std::vector<double> halves(static_cast<size_t>(d));
  for (int64_t j = 0; j < d; ++j) {
    const GridFeature feature = grid_feature(all.low[j], all.high[j], bits);
    grid[j] = feature.shift;
    grid[d + j] = feature.scale;
    halves[j] = 2 * feature.half;
  }
  grid[2 * d] = distance_scale_of(squared_norm(halves.data(), d), bits);
}

}  // namespace ally_fast
