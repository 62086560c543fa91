// Centroids packed for the tensor-core scan, made from centroids in device memory. The algebra of
// common/scan/certified.h, with float16 for what the kernel makes of rows and centroids.
#pragma once
#include <cstdint>

#include "../scope.h"

namespace ally_fast {

// The scan walks over centroids and features in multiples of these; the padding is zeros.
constexpr int64_t kTileCentroids = 128, kChunkFeatures = 64;

// What only the device knows.
struct TableScalars {
  int64_t k;                 // centroids in use
  double centroid_residual;  // max_c ||c' - b|| / norm_c; infinite: settle every row exactly
  double largest_norm;       // max_c ||c'||, c' = scale (c - shift)
  double largest_packed;     // max_c norm_c
  double shift_norm;         // scale ||shift||; infinite: rows read in place are settled exactly
  float scale;               // a power of two
  float largest_feature;     // max |c - shift|
};

// The packed table as kernels take it, by value. Pointers are to device memory.
struct TableView {
  const uint16_t* packed;  // (k_padded, d_padded) float16 bits of scale (c - shift)
  const float* half_norm;  // (k_padded,) ||c'||^2 / 2, lowered by the rounding of a score;
                           // of a place not in use FLT_MAX: it never wins
  const float* norm;       // (k_padded,) norm of the packed centroid, floored; not in use: 0
  const float* shift;      // (d_padded,), zeros in the padding
  // For rows read in place (certificate.h):
  const float* half_norm_in_place;  // (k_padded,) as half_norm
  const float* scaled_shift;        // (d_padded,) scale shift
  const TableScalars* scalars;
  const float* narrow;  // (k, d) the centroids as given: float32 here,
  const double* wide;   // or float64 here; the other is null
  int64_t k, k_padded;  // places; TableScalars::k of them are in use
  int64_t d, d_padded;
  double gamma;           // rounding of one score, relative
  double exact_rounding;  // rounding of the exact rule, relative
};

class DeviceTable {
 public:
  DeviceTable() = default;
  // Room for k centroids; nothing is packed yet.
  DeviceTable(const OpScope& scope, int64_t k, int64_t d);

  // Packs the first *count rows of `centroids` (device memory, contiguous, finite), all k of them
  // without a count. `count` (1,) is in device memory, at most k, and need not be known to the host.
  // The caller keeps `centroids` as they are for as long as the table is used. Does not wait; may be
  // called again.
  void pack(const OpScope& scope, const float* centroids, const int64_t* count = nullptr);
  void pack(const OpScope& scope, const double* centroids, const int64_t* count = nullptr);

  int64_t k() const { return view_.k; }
  int64_t d() const { return view_.d; }
  const TableView& view() const { return view_; }

 private:
  template <class T>
  void pack_as(const OpScope& scope, const T* centroids, const int64_t* count);

  TableView view_{};
  Buffer<uint16_t> packed_;
  Buffer<float> half_norm_, norm_, shift_, half_norm_in_place_, scaled_shift_;
  Buffer<double> sums_;
  Buffer<TableScalars> scalars_;
};

}  // namespace ally_fast
