#include "device_table.h"

#include <algorithm>

#include "../../rows.h"
#include "../element.h"
#include "certificate.h"
#include "table_handle.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kColumns = 128;       // a block of sum_columns
constexpr int64_t kMostSlabs = 64;  // of centroids, summed apart
constexpr int64_t kLeastSlabRows = 16;
// The largest feature of a centroid comes to lie in [2^-6, 2^-5): rows may be two million times
// farther out before float16 overflows, and what underflows weighs less than rounding does.
constexpr int kHeadroom = 5;
// Within these limits, scores of rows read in place neither overflow nor vanish (certificate.h).
constexpr float kLeastScale = 0x1p-60f, kMostScale = 0x1p30f;
constexpr double kMostHalfNorm = 1e37;

int64_t slab_rows(int64_t k) { return std::max(blocks_for(k, kMostSlabs), kLeastSlabRows); }

__device__ __forceinline__ int64_t used(const int64_t* count, int64_t k) {
  return count ? min(*count, k) : k;
}

// Doubles and floats of at least 0 are ordered as their bits.
__device__ __forceinline__ void raise(double* place, double value) {
  atomicMax(reinterpret_cast<unsigned long long*>(place),
            static_cast<unsigned long long>(__double_as_longlong(value)));
}
__device__ __forceinline__ void raise(float* place, float value) {
  atomicMax(reinterpret_cast<unsigned int*>(place), __float_as_uint(value));
}

__device__ __forceinline__ float table_scale(float largest_feature) {
  int exponent = 0;
  if (isfinite(largest_feature)) {
    frexpf(largest_feature, &exponent);
  } else {
    exponent = 128;  // float64 beyond float32
  }
  return ldexpf(1.0f, -min(max(exponent, -130), 120) - kHeadroom);
}

// Less what rounding may add to a score on its account (certificate.h).
__device__ __forceinline__ float lowered(double half_norm, double gamma) {
  return static_cast<float>(half_norm - (gamma * fabs(half_norm) + kTiny));
}

// Mapping: a thread a column of a slab of centroids.
// Shared memory: none.
// Accumulator: float64.
// Order of sums: as the rows come; slabs in turn (centre_kernel). Any shift gives the same answers.
template <class T>
__global__ void sum_columns_kernel(const T* centroids, const int64_t* count, int64_t k, int64_t d,
                                   int64_t rows, int column_blocks, double* sums) {
  const int64_t j = int64_t{blockIdx.x % column_blocks} * kColumns + threadIdx.x;
  const int64_t slab = blockIdx.x / column_blocks;
  if (j >= d) return;
  const int64_t end = min((slab + 1) * rows, used(count, k));
  double sum = 0;
  for (int64_t c = slab * rows; c < end; ++c) sum += static_cast<double>(centroids[c * d + j]);
  sums[slab * d + j] = sum;
}

// Mapping: a thread a column; the first one also resets the scalars.
// Shared memory: none.
// Accumulator: float64.
// Order of sums: slabs in turn.
__global__ void centre_kernel(const double* sums, const int64_t* count, int64_t k, int64_t d,
                              int64_t d_padded, int64_t slabs, float* shift,
                              TableScalars* scalars) {
  const int64_t j = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t in_use = used(count, k);
  if (j == 0) *scalars = TableScalars{in_use, 0, 0, 0, 0, 0, 0};
  if (j >= d_padded) return;
  double sum = 0;
  for (int64_t slab = 0; j < d && slab < slabs; ++slab) sum += sums[slab * d + j];
  const auto mean = static_cast<float>(sum / static_cast<double>(max(in_use, int64_t{1})));
  shift[j] = isfinite(mean) ? mean : 0.0f;
}

// Mapping: a warp a centroid.
// Shared memory: none.
// Accumulator: the largest |c - shift|, float32.
// Order of sums: none.
template <class T>
__global__ void largest_feature_kernel(const T* centroids, int64_t d, const float* shift,
                                       TableScalars* scalars) {
  const int64_t c = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (c >= scalars->k) return;
  float largest = 0;
  for (int64_t j = threadIdx.x % 32; j < d; j += 32) {
    const double feature =
        static_cast<double>(centroids[c * d + j]) - static_cast<double>(shift[j]);
    largest = fmaxf(largest, static_cast<float>(fabs(feature)));
  }
  for (int step = 16; step; step /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, step));
  }
  if (threadIdx.x % 32 == 0) raise(&scalars->largest_feature, largest);
}

__device__ __forceinline__ double warp_sum(double value) {
  for (int step = 16; step; step /= 2) value += __shfl_xor_sync(~0u, value, step);
  return value;
}

// What pack_centroids_kernel fills; the pointers of TableView.
struct PackedTable {
  uint16_t* packed;
  float *half_norm, *norm, *half_norm_in_place, *scaled_shift;
  TableScalars* scalars;
};

// Mapping: a warp a place of the table, in use or not; lane l packs features l, l + 32, …
// Shared memory: none.
// Accumulator: float64, of the squares of centroid, packed image, residual and shift, and of the
//   packed image's product with the shift.
// Order of sums: lanes, then a butterfly.
template <class T>
__global__ void pack_centroids_kernel(const T* centroids, TableView view, PackedTable table) {
  const int64_t c = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (c >= view.k_padded) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  TableScalars* const scalars = table.scalars;
  const bool real = c < scalars->k;
  const float scale = table_scale(scalars->largest_feature);
  double square = 0, packed_square = 0, residual_square = 0, shift_square = 0, shift_product = 0;
  for (int64_t j = lane; j < view.d_padded; j += 32) {
    uint16_t bits = 0;
    const double shift = static_cast<double>(view.shift[j]) * static_cast<double>(scale);
    if (c == 0) table.scaled_shift[j] = static_cast<float>(shift);
    if (real && j < view.d) {
      const double feature =
          static_cast<double>(centroids[c * view.d + j]) - static_cast<double>(view.shift[j]);
      const double exact = feature * static_cast<double>(scale);
      bits = float_to_half(static_cast<float>(exact));
      const double seen = static_cast<double>(half_to_float(bits));
      square += exact * exact;
      packed_square += seen * seen;
      residual_square += (exact - seen) * (exact - seen);
      shift_square += shift * shift;
      shift_product += shift * seen;
    }
    table.packed[c * view.d_padded + j] = bits;
  }
  square = warp_sum(square);
  packed_square = warp_sum(packed_square);
  residual_square = warp_sum(residual_square);
  shift_square = warp_sum(shift_square);
  shift_product = warp_sum(shift_product);
  if (lane != 0) return;
  if (c == 0) scalars->scale = scale;
  table.half_norm[c] = table.half_norm_in_place[c] = kNever;
  table.norm[c] = 0;
  if (!real) return;
  const double size = fmax(sqrt(packed_square), kNormFloor) * (1 + 1e-6);
  const double half = square / 2, ratio = sqrt(residual_square) / size;
  table.half_norm[c] = lowered(half, view.gamma);
  table.norm[c] = rounded_up(size);
  const double in_place = (half + shift_product) / static_cast<double>(scale);
  table.half_norm_in_place[c] = lowered(in_place, view.gamma);
  const bool sane = fabs(in_place) < kMostHalfNorm && scale >= kLeastScale && scale <= kMostScale;
  raise(&scalars->shift_norm,
        sane ? sqrt(shift_square) * (1 + 1e-6) : static_cast<double>(infinity()));
  raise(&scalars->centroid_residual, isfinite(ratio) ? ratio : static_cast<double>(infinity()));
  raise(&scalars->largest_norm, sqrt(square) * (1 + 1e-6));
  raise(&scalars->largest_packed, static_cast<double>(table.norm[c]));
}

template <class T>
DeviceTablePtr make_table(const CudaStream& stream, const T* centroids, int64_t k, int64_t d) {
  const OpScope scope("PackedPoints", stream);
  auto table = std::make_shared<DeviceTable>(scope, k, d);
  table->pack(scope, centroids);
  return table;
}

}  // namespace

DeviceTable::DeviceTable(const OpScope& scope, int64_t k, int64_t d) {
  view_.k = k;
  view_.k_padded = round_up(k, kTileCentroids);
  view_.d = d;
  view_.d_padded = round_up(d, kChunkFeatures);
  view_.gamma = score_rounding(d);
  view_.exact_rounding = exact_rule_rounding(d);
  packed_ = Buffer<uint16_t>(scope, view_.k_padded * view_.d_padded);
  half_norm_ = Buffer<float>(scope, view_.k_padded);
  norm_ = Buffer<float>(scope, view_.k_padded);
  shift_ = Buffer<float>(scope, view_.d_padded);
  sums_ = Buffer<double>(scope, blocks_for(k, slab_rows(k)) * d);
  half_norm_in_place_ = Buffer<float>(scope, view_.k_padded);
  scaled_shift_ = Buffer<float>(scope, view_.d_padded);
  scalars_ = Buffer<TableScalars>(scope, 1);
  view_.packed = packed_.data();
  view_.half_norm = half_norm_.data();
  view_.norm = norm_.data();
  view_.shift = shift_.data();
  view_.half_norm_in_place = half_norm_in_place_.data();
  view_.scaled_shift = scaled_shift_.data();
  view_.scalars = scalars_.data();
}

void DeviceTable::pack(const OpScope& scope, const float* centroids, const int64_t* count) {
  view_.narrow = centroids;
  view_.wide = nullptr;
  pack_as(scope, centroids, count);
}

void DeviceTable::pack(const OpScope& scope, const double* centroids, const int64_t* count) {
  view_.narrow = nullptr;
  view_.wide = centroids;
  pack_as(scope, centroids, count);
}

template <class T>
void DeviceTable::pack_as(const OpScope& scope, const T* centroids, const int64_t* count) {
  const int64_t k = view_.k, d = view_.d, rows = slab_rows(k), slabs = blocks_for(k, rows);
  const int64_t column_blocks = blocks_for(d, kColumns);
  scope.launch(sum_columns_kernel<T>, {slabs * column_blocks, kColumns}, centroids, count, k, d,
               rows, column_blocks, sums_.data());
  scope.launch(centre_kernel, {blocks_for(view_.d_padded, kColumns), kColumns}, sums_.data(), count,
               k, d, view_.d_padded, slabs, shift_.data(), scalars_.data());
  scope.launch(largest_feature_kernel<T>, {blocks_for(k, kWarps), kThreads}, centroids, d,
               view_.shift, scalars_.data());
  scope.launch(pack_centroids_kernel<T>, {blocks_for(view_.k_padded, kWarps), kThreads}, centroids,
               view_,
               PackedTable{packed_.data(), half_norm_.data(), norm_.data(),
                           half_norm_in_place_.data(), scaled_shift_.data(), scalars_.data()});
}

DeviceTablePtr make_device_table(const CudaStream& stream, const float* centroids, int64_t k,
                                 int64_t d) {
  return make_table(stream, centroids, k, d);
}

DeviceTablePtr make_device_table(const CudaStream& stream, const double* centroids, int64_t k,
                                 int64_t d) {
  return make_table(stream, centroids, k, d);
}

}  // namespace ally_fast
