#include "centroid_update.h"

#include <algorithm>
#include <vector>

#include "../../common/exact.h"
#include "../../common/parallel.h"
#include "means.h"

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
    poll((end - begin + k) * kSlice);
  }
  for (int64_t c = 0; c < k; ++c) {
    std::copy_n(total.data() + c * kSlice, width, sums + c * d + first);
  }
}

// Squares about the old centroids, and counts.
void sum_squares(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                 const float* centroids, int64_t k, int threads, double* squares, int64_t* counts) {
  const int64_t segments = (t + kSegmentRows - 1) / kSegmentRows;
  std::vector<double> distances(static_cast<size_t>(t));
  parallel_for(segments, threads, [&](int64_t segment, int) {
    const int64_t end = std::min(t, (segment + 1) * kSegmentRows);
    for (int64_t i = segment * kSegmentRows; i < end; ++i) {
      distances[i] = squared_distance(rows + i * d, centroids + assignments[i] * d, d);
      poll(d);
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
    poll(kSegmentRows + k);
  }
}

// Which cluster each empty one halves: in ascending order of the empty ones, the one of largest
// spread (lowest index on a tie), of which each half then has half; none once all spreads are 0.
// `halved` (k,) holds the spreads and is overwritten. Returns the number of halvings written.
size_t plan_halvings(const int64_t* counts, int64_t k, int64_t d, double* halved,
                     Halving* halvings) {
  size_t planned = 0;
  for (int64_t c = 0; c < k; ++c) {
    if (counts[c] != 0) continue;
    int64_t largest = 0;
    for (int64_t other = 1; other < k; ++other) {
      if (halved[other] > halved[largest]) largest = other;
    }
    if (!(halved[largest] > 0)) break;  // fewer distinct rows than clusters: nothing to halve
    halvings[planned++] = halve_cluster(c, largest, counts, d, halved);
    poll(k);
  }
  return planned;
}

// Call run(c) once for each cluster.
template <class Run>
void for_clusters(int64_t k, int threads, const Run& run) {
  constexpr int64_t kTaskClusters = 128;
  parallel_for((k + kTaskClusters - 1) / kTaskClusters, threads, [&](int64_t task, int) {
    const int64_t end = std::min(k, (task + 1) * kTaskClusters);
    for (int64_t c = task * kTaskClusters; c < end; ++c) run(c);
  });
}

}  // namespace

void centroid_update_cpu(const float* rows, int64_t t, int64_t d, const int32_t* assignments,
                         const float* centroids, int64_t k, bool normalize, int threads,
                         float* updated, int64_t* counts, double* spread, double* inertia) {
  std::vector<double> means(static_cast<size_t>(k * d));  // sums at first
  const int64_t slices = (d + kSlice - 1) / kSlice;
  parallel_for(slices, threads, [&](int64_t slice, int) {
    const int64_t first = slice * kSlice, width = std::min(kSlice, d - first);
    sum_slice(rows, t, d, assignments, centroids, k, first, width, means.data());
  });
  sum_squares(rows, t, d, assignments, centroids, k, threads, spread, counts);
  for_clusters(k, threads, [&](int64_t c) {
    double* mean = means.data() + c * d;
    spread[c] = cluster_spread(spread[c], squared_norm(mean, d), counts[c]);
    for (int64_t j = 0; j < d; ++j)
      mean[j] = mean_feature(centroids[c * d + j], mean[j], counts[c]);
  });
  *inertia = sum_in_partials(spread, k);

  std::vector<double> halved(spread, spread + k);
  std::vector<Halving> halvings(static_cast<size_t>(std::count(counts, counts + k, int64_t{0})));
  halvings.resize(plan_halvings(counts, k, d, halved.data(), halvings.data()));
  for (const Halving& halving : halvings) {
    for (int64_t j = 0; j < d; ++j) halve_feature(&halving, 1, j, d, means.data() + j);
    poll(d);
  }

  for_clusters(k, threads, [&](int64_t c) {
    const double* mean = means.data() + c * d;
    const double norm = normalize ? squared_norm(mean, d) : 0;
    for (int64_t j = 0; j < d; ++j) updated[c * d + j] = centroid_feature(mean[j], norm, normalize);
  });
}

}  // namespace ally_fast
