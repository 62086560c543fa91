#include "centroid_update.h"

#include <algorithm>

#include "../../common/parallel.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskValues = 1 << 16;

}  // namespace

void centroid_update_cpu(const int64_t* sums, const int64_t* counts, int64_t k, int64_t d,
                         const double* grid_values, const Blend& blend, int threads,
                         const Average& average, float* centroids) {
  const Grid grid(grid_values, d);
  const auto update = [&](int64_t c) {
    double* const sum = average.sums + c * d;
    float* const centroid = centroids + c * d;
    const double size = blended_size(blend, average.sizes[c], counts[c]);
    average.sizes[c] = size;
    for (int64_t j = 0; j < d; ++j) sum[j] = blended(blend, sum[j], sums[c * d + j], grid.scale[j]);
    if (!(size > 0)) return;
    const auto mean = [&](int64_t j) { return grid.shift[j] + sum[j] / size; };
    if (!blend.normalize) {
      for (int64_t j = 0; j < d; ++j) centroid[j] = static_cast<float>(mean(j));
      return;
    }
    const double norm = std::sqrt(sum_of_terms(d, [&](int64_t j) { return mean(j) * mean(j); }));
    for (int64_t j = 0; j < d; ++j) centroid[j] = norm > 0 ? static_cast<float>(mean(j) / norm) : 0;
  };
  const int64_t step = std::max<int64_t>(1, kTaskValues / d);
  parallel_for((k + step - 1) / step, threads, [&](int64_t task, int) {
    for (int64_t c = task * step; c < std::min(k, (task + 1) * step); ++c) update(c);
  });
}

}  // namespace ally_fast
