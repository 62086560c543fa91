// Centroids, or points of any kind, as a kernel scans them, and the bounds of their scores: see certified.h.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../aligned.h"
#include "kernel.h"

namespace ally_fast {

// The error bounds hold up to here.
constexpr int64_t kLargestD = 131072;

// Centroids packed for one kernel. Immutable; shared by threads.
class PackedPoints {
 public:
  // centroids (k, d), finite, contiguous; copied. Float32 widened by the caller, or float64 points.
  PackedPoints(const double* centroids, int64_t k, int64_t d, const Kernel& kernel,
               int threads = 1);

  int64_t k() const { return k_; }
  int64_t d() const { return d_; }
  int64_t d_padded() const { return d_padded_; }
  const Kernel& kernel() const { return *kernel_; }
  const PackedCentroids& packed() const { return packed_; }
  // Centroids are packed in the order of their norms: those of a group have about the same error.
  int64_t original(int64_t place) const { return order_[place]; }
  const double* exact(int64_t c) const { return exact_.get() + c * d_padded_; }

  // error_i of some rows, for the scan or the fine look, from the norms and rounding residuals that
  // pack_rows measured.
  void row_errors(bool fine, const float* norm, const float* residual, int count,
                  float* error) const;
  // Scores above this belong to centroids farther than sqrt(squared_radius) by the exact rule.
  double score_limit(double squared_radius, double norm) const;

 private:
  // What centroids of a table are at most.
  struct Largest {
    double residual = 0, norm = 0;
  };
  // What one thread packs with.
  struct Packing {
    std::vector<float> values, norm, residual;  // of a tile of centroids
    Largest largest;
  };
  // Shares of a row's residual and norm that are its error.
  struct Shares {
    float residual, norm;
  };
  void choose_shift(const double* centroids);
  void choose_order(const double* centroids, const double* shift, int threads);
  void allocate();
  // Packs centroids [begin, end), a kernel's multiple from its multiple on.
  void pack(const double* centroids, const double* shift, int64_t begin, int64_t end,
            Packing& packing);
  void bound_scores();

  const Kernel* kernel_;
  int64_t k_, d_, d_padded_;
  std::unique_ptr<double[]> exact_;  // (k, d_padded) as given, padded with zeros
  std::vector<double> wide_shift_;   // empty unless float32 is too coarse
  std::vector<double> square_;       // of each centroid's norm ||c'||
  std::vector<int64_t> order_;       // place among the packed -> centroid; 0 for the padding
  std::vector<float> shift_, half_norm_;
  std::vector<float> norm_, spread_, slack_;  // (groups,)
  RawAlignedVector<uint32_t> words_;          // packed, then for the fine look
  uint32_t *packed_words_ = nullptr, *fine_words_ = nullptr;
  PackedCentroids packed_{};
  double centroid_residual_ = 0;  // max_c ||c' - b|| / norm_c
  double gamma_ = 0;              // rounding of one score, relative
  double exact_rounding_ = 0;     // rounding of squared_distance, relative
  double largest_norm_ = 0;       // max_c ||c'||
  Shares scanned_{}, fine_{};
};

// A float32 at or just above the value (infinities and NaN stay).
inline float round_up_to_float(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? rounded + (rounded < 0 ? -rounded : rounded) * 0x1p-22f + 0x1p-149f
                         : rounded;
}

}  // namespace ally_fast
