// Per cluster and per feature, from sums to new centroids; see centroid_update.h. Written once, for
// host and device: every function is plain float64 arithmetic in the order that it is written in.
#pragma once
#include <cmath>
#include <cstdint>

#include "../../common/host_device.h"
#include "../../common/split.h"

namespace ally_fast {

// A feature of the mean, from the feature's sum about the old centroid.
ALLY_FAST_HOST_DEVICE inline double mean_feature(float centroid, double sum, int64_t count) {
  const double rows = static_cast<double>(count > 1 ? count : 1);
  return static_cast<double>(centroid) + sum / rows;
}

// Spread about the mean, from the squares about the old centroid; `norm` is the squared norm of sums.
ALLY_FAST_HOST_DEVICE inline double cluster_spread(double squares, double norm, int64_t count) {
  const double rows = static_cast<double>(count > 1 ? count : 1);
  const double spread = squares - norm / rows;
  // Below this, relative to the distances to the old centroid, it is rounding: copies of a row.
  return spread <= 1e-12 * squares ? 0.0 : spread;
}

// A feature of the new centroid; `norm` is the mean's squared norm, read with `normalize` only.
ALLY_FAST_HOST_DEVICE inline float centroid_feature(double mean, double norm, bool normalize) {
  if (!normalize) return static_cast<float>(mean);
  return norm > 0 ? static_cast<float>(mean / std::sqrt(norm)) : 0.0f;
}

// An empty cluster, and the one it takes half of.
struct Halving {
  int32_t empty, halved;
  double radius;  // see split.h
};

// The empty cluster takes half of the other's spread.
ALLY_FAST_HOST_DEVICE inline Halving halve_cluster(int64_t empty, int64_t largest,
                                                   const int64_t* counts, int64_t d,
                                                   double* halved) {
  const double radius = split_radius(halved[largest], counts[largest], d);
  halved[largest] = halved[largest] / 2;
  halved[empty] = halved[largest];
  return {static_cast<int32_t>(empty), static_cast<int32_t>(largest), radius};
}

// Halve one feature of the means: `means` points at feature j of cluster 0.
ALLY_FAST_HOST_DEVICE inline void halve_feature(const Halving* halvings, int64_t count, int64_t j,
                                                int64_t d, double* means) {
  for (int64_t h = 0; h < count; ++h) {
    const double offset = split_offset(halvings[h].radius, j);
    double* mean = means + halvings[h].halved * d;
    means[halvings[h].empty * d] = *mean + offset;
    *mean -= offset;
  }
}

}  // namespace ally_fast
