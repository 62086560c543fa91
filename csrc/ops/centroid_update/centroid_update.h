// New centroids from the sums of a batch: a moving average of each cluster's size and sum, and their
// ratio.
//
//   N_c <- keep N_c + add n_c        S_cj <- keep S_cj + add (sums_cj / scale_j)
//   mean_cj = shift_j + S_cj / N_c   where N_c > 0; else C_c stays
//
// With keep = 0 and add = 1 an update of Lloyd's: means of the clusters. With `normalize` the mean is then
// divided by sqrt(D(mean, 0)) (order of the exact rule), and is zeros if that is 0. Means are rounded to
// float32. All else is float64, each operation rounded, without contraction.
// sums, counts  IN      (k, d), (k,) int64; see cluster_sums.h
// grid          IN      (2 d + 1,) float64
// keep, add     IN      finite, not negative
// normalize     IN      scale the new centroids to unit length
// size_average  IN/OUT  (k,) float64, N
// sum_average   IN/OUT  (k, d) float64, S, about the grid's shift
// centroids     IN/OUT  (k, d) float32, C
#pragma once
#include <cmath>
#include <cstdint>

#include "../../common/cuda/stream.h"
#include "../../common/exact.h"
#include "../../common/sums/grid.h"

namespace ally_fast {

struct Average {
  double* sizes;
  double* sums;
};

struct Blend {
  double keep, add;
  bool normalize;
};

// One feature of S, after this batch.
ALLY_FAST_HOST_DEVICE inline double blended(const Blend& blend, double average, int64_t sum,
                                            double scale) {
  return blend.keep * average + blend.add * sum_about_shift(sum, scale);
}

ALLY_FAST_HOST_DEVICE inline double blended_size(const Blend& blend, double average,
                                                 int64_t count) {
  return blend.keep * average + blend.add * static_cast<double>(count);
}

void centroid_update_cpu(const int64_t* sums, const int64_t* counts, int64_t k, int64_t d,
                         const double* grid, const Blend& blend, int threads,
                         const Average& average, float* centroids);

// Device pointers. Does not wait.
void centroid_update_cuda(const CudaStream& stream, const int64_t* sums, const int64_t* counts,
                          int64_t k, int64_t d, const double* grid, const Blend& blend,
                          const Average& average, float* centroids);

}  // namespace ally_fast
