#include "centroid_update.h"

#include <algorithm>
#include <vector>

#include "../../common/parallel.h"

namespace ally_fast {
namespace {

// Threads share out the features, so that each sum is one thread's and its order is fixed.
constexpr int64_t kSlice = 16;

template <int64_t kWidth>
void add_row(const float* row, const float* centroid, int64_t width, double* sum) {
  if constexpr (kWidth > 0) width = kWidth;
  for (int64_t j = 0; j < width; ++j) {
    sum[j] += static_cast<double>(row[j]) - static_cast<double>(centroid[j]);
  }
}

void sum_slice(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
               const float* centroids, int64_t k, int64_t first, int64_t width, double* sums) {
  std::vector<double> segment(static_cast<size_t>(k * kSlice)), total(segment.size());
  for (int64_t begin = 0; begin < t; begin += kSegmentRows) {
    std::fill(segment.begin(), segment.end(), 0.0);
    const int64_t end = std::min(t, begin + kSegmentRows);
    for (int64_t i = begin; i < end; ++i) {
      double* sum = segment.data() + assignments[i] * kSlice;
      const float* row = rows + i * d + first;
      const float* centroid = centroids + assignments[i] * d + first;
      if (width == kSlice) {
        add_row<kSlice>(row, centroid, width, sum);
      } else {
        add_row<0>(row, centroid, width, sum);
      }
    }
    for (size_t e = 0; e < total.size(); ++e) total[e] += segment[e];
  }
  for (int64_t c = 0; c < k; ++c) {
    std::copy_n(total.data() + c * kSlice, width, sums + c * d + first);
  }
}

double squared_distance(const float* row, const float* centroid, int64_t d) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t j = 0;
  for (; j + 8 <= d; j += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double t = static_cast<double>(row[j + lane]) - static_cast<double>(centroid[j + lane]);
      a[lane] += t * t;
    }
  }
  for (int lane = 0; j < d; ++j, ++lane) {
    const double t = static_cast<double>(row[j]) - static_cast<double>(centroid[j]);
    a[lane] += t * t;
  }
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

}  // namespace

void centroid_update_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                         const float* centroids, int64_t k, int threads, double* sums,
                         double* squares, int64_t* counts) {
  const int64_t slices = (d + kSlice - 1) / kSlice;
  parallel_for(slices, threads, [&](int64_t slice, int) {
    const int64_t first = slice * kSlice;
    sum_slice(rows, t, d, assignments, centroids, k, first, std::min(kSlice, d - first), sums);
  });

  const int64_t segments = (t + kSegmentRows - 1) / kSegmentRows;
  std::vector<double> distances(static_cast<size_t>(t));
  parallel_for(segments, threads, [&](int64_t segment, int) {
    const int64_t end = std::min(t, (segment + 1) * kSegmentRows);
    for (int64_t i = segment * kSegmentRows; i < end; ++i) {
      distances[i] = squared_distance(rows + i * d, centroids + assignments[i] * d, d);
    }
  });
  std::fill_n(counts, k, int64_t{0});
  std::fill_n(squares, k, 0.0);
  std::vector<double> partial(static_cast<size_t>(k));
  for (int64_t begin = 0; begin < t; begin += kSegmentRows) {
    std::fill(partial.begin(), partial.end(), 0.0);
    for (int64_t i = begin; i < std::min(t, begin + kSegmentRows); ++i) {
      partial[assignments[i]] += distances[i];
      ++counts[assignments[i]];
    }
    for (int64_t c = 0; c < k; ++c) squares[c] += partial[c];
  }
}

}  // namespace ally_fast
