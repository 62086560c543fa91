#include "certified.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ally_fast {
namespace {

constexpr double kUnit = 0x1p-24;  // float32, half an ulp of 1
constexpr float kNever = std::numeric_limits<float>::max();
// Norms and bounds are themselves computed in floating point: a hundredth covers that (d is at most
// kLargestD). Absolute terms cover underflow: squares of features below 1e-22 vanish from a norm,
// and bfloat16 products flush subnormals. Scaled data is of the order of 1, so they cost nothing.
constexpr double kSlop = 1.01, kTinyRow = 1e-18, kTiny = 1e-33;
// A shift rounded to float32 may make deviations larger by this share, no more.
constexpr double kCoarse = 1e-3;

uint32_t* align(uint32_t* words) {
  return reinterpret_cast<uint32_t*>((reinterpret_cast<uintptr_t>(words) + 63) & ~uintptr_t{63});
}

// max |c - shift|.
template <class T>
double largest_deviation(const double* centroids, int64_t k, int64_t d, const T* shift) {
  double largest = 0;
  for (int64_t c = 0; c < k; ++c) {
    for (int64_t j = 0; j < d; ++j) {
      largest = std::max(largest, std::abs(centroids[c * d + j] - static_cast<double>(shift[j])));
    }
    poll(d);
  }
  return largest;
}

}  // namespace

float round_up_to_float(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? std::nextafterf(rounded, std::numeric_limits<float>::infinity())
                         : rounded;
}

CentroidTable::CentroidTable(const double* centroids, int64_t k, int64_t d, const Kernel& kernel)
    : kernel_(&kernel), k_(k), d_(d), d_padded_(round_up(d, 8)) {
  exact_.reset(new double[static_cast<size_t>(k * d_padded_)]);
  for (int64_t c = 0; c < k; ++c) {
    double* const row = exact_.get() + c * d_padded_;
    std::fill(std::copy_n(centroids + c * d, d, row), row + d_padded_, 0.0);
    poll(d);
  }

  // Centring shrinks norms and with them every error bound; any shift gives the same answer.
  std::vector<double> mean(static_cast<size_t>(d), 0.0);
  for (int64_t c = 0; c < k; ++c) {
    for (int64_t j = 0; j < d; ++j) mean[j] += centroids[c * d + j] / static_cast<double>(k);
    poll(d);
  }
  shift_.assign(mean.begin(), mean.end());

  double largest = largest_deviation(centroids, k, d, shift_.data());
  const double finest = largest_deviation(centroids, k, d, mean.data());
  if (!(largest <= (1 + kCoarse) * finest)) {  // of a large common offset
    wide_shift_ = std::move(mean);
    largest = finest;
  }
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  const double scale = std::ldexp(1.0, -std::clamp(exponent, -1000, 1000));

  allocate(k);
  packed_.scale = scale;
  packed_.shift = shift_.data();
  packed_.wide_shift = wide_shift_.empty() ? nullptr : wide_shift_.data();
  gamma_ = (static_cast<double>(d) + 16) * kUnit * kSlop;
  exact_rounding_ = (static_cast<double>(d) / 8 + 10) * 0x1p-53;
  const int64_t tile = kernel.centroid_multiple;  // packed at once
  std::vector<float> values(static_cast<size_t>(tile * d)), rounded(values.size());
  for (int64_t begin = 0; begin < k; begin += tile) {
    const int64_t end = std::min(k, begin + tile);
    for (int64_t c = begin; c < end; ++c) {
      float* const to = values.data() + (c - begin) * d;
      for (int64_t j = 0; j < d; ++j) {
        to[j] = static_cast<float>((centroids[c * d + j] - shift(j)) * scale);
      }
    }
    kernel.pack_centroids(values.data(), end - begin, tile, d,
                          aligned_words_ + kernel.centroid_words(begin, d), rounded.data());
    for (int64_t c = begin; c < end; ++c) {
      measure_packed(c, centroids + c * d, rounded.data() + (c - begin) * d);
    }
    poll(tile * d);
  }
}

void CentroidTable::measure_packed(int64_t c, const double* centroid, const float* rounded) {
  double square = 0, rounded_square = 0, residual_square = 0;
  for (int64_t j = 0; j < d_; ++j) {
    const double exact = (centroid[j] - shift(j)) * packed_.scale;
    const double seen = rounded[j];
    square += exact * exact;
    rounded_square += seen * seen;
    residual_square += (exact - seen) * (exact - seen);
  }
  // The floor keeps the ratio below finite for a centroid at the shift itself.
  const double norm = std::max(std::sqrt(rounded_square), 0x1p-20) * (1 + 1e-6);
  norm_[c] = round_up_to_float(norm);
  centroid_residual_ = std::max(centroid_residual_, std::sqrt(residual_square) / norm);
  largest_norm_ = std::max(largest_norm_, std::sqrt(square) * (1 + 1e-6));
  const double half = square / 2;
  half_norm_[c] = static_cast<float>(half - (gamma_ * half + kTiny));
}

CentroidTable::CentroidTable(const CentroidTable& parent, int64_t capacity)
    : kernel_(parent.kernel_),
      parent_(&parent),
      k_(capacity),
      d_(parent.d_),
      d_padded_(parent.d_padded_),
      centroid_residual_(parent.centroid_residual_),
      gamma_(parent.gamma_),
      exact_rounding_(parent.exact_rounding_),
      largest_norm_(parent.largest_norm_) {
  allocate(capacity);
  packed_.scale = parent.packed_.scale;
  packed_.shift = parent.packed_.shift;
  packed_.wide_shift = parent.packed_.wide_shift;
}

void CentroidTable::allocate(int64_t k) {
  packed_.d = d_;
  packed_.k_padded = round_up(k, kernel_->centroid_multiple);
  const auto words = static_cast<size_t>(kernel_->centroid_words(packed_.k_padded, d_));
  words_.reset(new uint32_t[words + 16]());
  aligned_words_ = align(words_.get());
  half_norm_.assign(static_cast<size_t>(packed_.k_padded), kNever);
  norm_.assign(half_norm_.size(), 0.0f);
  packed_.packed = aligned_words_;
  packed_.half_norm = half_norm_.data();
  packed_.norm = norm_.data();
}

void CentroidTable::select(const int32_t* ids, int64_t count) {
  ids_ = ids;
  k_ = count;
  packed_.k_padded = round_up(count, kernel_->centroid_multiple);
  for (int64_t c = 0; c < count; ++c) {
    kernel_->copy_centroid(parent_->aligned_words_, ids[c], aligned_words_, c, d_);
    half_norm_[c] = parent_->half_norm_[ids[c]];
    norm_[c] = parent_->norm_[ids[c]];
    poll(d_);
  }
  // What an earlier, longer selection left in the last tile must not win.
  std::fill(half_norm_.begin() + count, half_norm_.begin() + packed_.k_padded, kNever);
  std::fill(norm_.begin() + count, norm_.begin() + packed_.k_padded, 0.0f);
}

float CentroidTable::row_error(float norm, float residual) const {
  const double error = residual + norm * (centroid_residual_ + gamma_ + 2 * kUnit);
  return round_up_to_float(error * kSlop + kTinyRow);
}

double CentroidTable::upper_end(double lower, int64_t c, double error, double norm) const {
  const double half = (double{half_norm_[c]} + kTiny) / (1 - gamma_) * (1 + 1e-6);
  const double score = 2 * (error * norm_[c] + gamma_ * half + kTiny);
  const double exact = 2 * exact_rounding_ * (norm * norm + largest_norm_ * largest_norm_);
  return lower + (score + exact) * kSlop + 4 * kUnit * std::abs(lower);
}

double CentroidTable::score_limit(double squared_radius, double norm) const {
  // D = ||x'||^2 + 2 S in scaled units, and ||x'|| was computed in float32.
  const double square = norm * norm;
  const double scaled = squared_radius * packed_.scale * packed_.scale;
  const double slack = square * (2 * gamma_ + 8 * kUnit + 2 * exact_rounding_) +
                       largest_norm_ * largest_norm_ * 2 * exact_rounding_;
  const double limit = (scaled * (1 + 2 * exact_rounding_) - square + slack * kSlop) / 2;
  return limit + 4 * kUnit * std::abs(limit) + kTiny;
}

BlockScanner::BlockScanner(const CentroidTable& table, const RowsView& rows)
    : table_(table), rows_(rows) {
  buffer_.resize(static_cast<size_t>(16 * round_up(rows.d, 16)));
  words_.resize(static_cast<size_t>(table.kernel().block_words(rows.d)) + 16);
  packed_rows_ = align(words_.data());
}

void BlockScanner::load(const int64_t* ids, int64_t first, int count) {
  count_ = count;
  for (int r = 0; r < count; ++r) ids_[r] = ids ? ids[r] : first + r;
  table_.kernel().pack_rows(rows_, ids_, count, table_.packed(), buffer_.data(), packed_rows_,
                            norm_, residual_);
  poll(kBlock * rows_.d);
  for (int r = 0; r < kBlock; ++r) error_[r] = table_.row_error(norm_[r], residual_[r]);
}

void BlockScanner::track() {
  std::fill_n(best_, kBlock, kNever);
  std::fill_n(second_, kBlock, kNever);
  std::fill_n(index_, kBlock, 0);
  const PackedCentroids& packed = table_.packed();
  for (int64_t begin = 0, end; begin < packed.k_padded; begin = end) {
    end = range_end(begin, packed.k_padded);
    table_.kernel().track(packed, packed_rows_, error_, begin, end, best_, second_, index_);
    poll((end - begin) * rows_.d);
  }
}

int64_t BlockScanner::range_end(int64_t begin, int64_t most) const {
  constexpr int64_t kRange = 1 << 22;  // features: a tenth of a second on a slow core
  const int64_t tile = table_.kernel().centroid_multiple;
  const int64_t count = std::max<int64_t>(1, std::min(most, kRange / rows_.d) / tile) * tile;
  return std::min(table_.packed().k_padded, begin + count);
}

double BlockScanner::limit_of_nearest(int r) const {
  if (overflowed(r)) return std::numeric_limits<double>::infinity();
  return table_.upper_end(best_[r], index_[r], error_[r], norm_[r]);
}

void BlockScanner::limits_of_nearest(int64_t length, int rows, double* limit) {
  const PackedCentroids& packed = table_.packed();
  scores_.resize(static_cast<size_t>(packed.k_padded) * kBlock);
  for (int64_t begin = 0, end; begin < packed.k_padded; begin = end) {
    end = range_end(begin, packed.k_padded);
    table_.kernel().store(packed, packed_rows_, error_, begin, end,
                          scores_.data() + begin * kBlock);
    poll((end - begin) * rows_.d);
  }
  // upper_end in float32 and all at once: what rounding can take away, kRoom gives back.
  constexpr float kRoom = 1.02f;
  const int64_t k = table_.k();
  float fixed[kBlock];
  for (int r = 0; r < kBlock; ++r) {
    fixed[r] = round_up_to_float(table_.upper_end(0, 0, 0, r < rows ? norm_[r] : 0) * kRoom);
  }
  std::vector<float> upper(static_cast<size_t>(k) * kBlock);
  for (int64_t c = 0; c < k; ++c) {
    const float* score = scores_.data() + c * kBlock;
    const float norm = 2 * kRoom * packed.norm[c];
    const float slack = round_up_to_float(table_.upper_end(0, c, 0, 0) * kRoom);
    for (int r = 0; r < kBlock; ++r) {
      const float magnitude = score[r] < 0 ? -score[r] : score[r];
      upper[r * k + c] = score[r] + (error_[r] * norm + slack + fixed[r] + 1e-6f * magnitude);
    }
    poll(kBlock);
  }
  for (int r = 0; r < rows; ++r) {
    limit[r] = std::numeric_limits<double>::infinity();
    if (overflowed(r) || length >= k) continue;
    float* row = upper.data() + r * k;
    std::nth_element(row, row + (length - 1), row + k);
    limit[r] = row[length - 1];
    poll(k);
  }
}

double BlockScanner::limit_of_radius(int r, double squared_radius) const {
  if (overflowed(r)) return std::numeric_limits<double>::infinity();
  return table_.score_limit(squared_radius, norm_[r]);
}

double BlockScanner::measure(int r, int64_t c) {
  const Kernel& kernel = table_.kernel();
  wide_.resize(static_cast<size_t>(kBlock * table_.d_padded()));
  kernel.load_row(rows_, ids_[r], wide_.data());
  return kernel.squared_distance(wide_.data(), table_.exact(c), table_.d_padded());
}

void BlockScanner::prepare_settle(uint64_t active, const double* limit) {
  const int64_t padded = table_.d_padded();
  wide_.resize(static_cast<size_t>(kBlock * padded));
  for (int r = 0; r < kBlock; ++r) {
    const bool wanted = r < count_ && (active >> r & 1);
    limit_[r] = wanted ? round_up_to_float(limit[r]) : -std::numeric_limits<float>::infinity();
    if (wanted) table_.kernel().load_row(rows_, ids_[r], wide_.data() + r * padded);
    poll(padded);
  }
}

}  // namespace ally_fast
