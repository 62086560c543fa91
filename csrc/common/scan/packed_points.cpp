#include "packed_points.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <tuple>

#include "../parallel.h"

namespace ally_fast {
namespace {

constexpr double kUnit = 0x1p-24;  // float32, half an ulp of 1
// Norms and bounds are themselves computed in floating point: a hundredth covers that (d is at most
// kLargestD). Absolute terms cover underflow: squares of features below 1e-22 vanish from a norm,
// and bfloat16 products flush subnormals. Scaled data is of the order of 1, so they cost nothing.
constexpr double kSlop = 1.01, kTinyRow = 1e-18, kTiny = 1e-33;
// A fine score adds to its d products 2 d small ones, below 2^-7 of those.
constexpr double kParts = 1.03;
// A shift rounded to float32 may make deviations larger by this share, no more.
constexpr double kCoarse = 1e-3;
constexpr int kLargestExponent = 120;
constexpr int64_t kTaskValues = 1 << 17;

// Sum over the features of term(j), in eight partial sums that vectors hold; its order does not matter.
template <class Term>
double sum_in_lanes(int64_t d, const Term& term) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t j = 0;
  for (; j + 8 <= d; j += 8) {
    for (int lane = 0; lane < 8; ++lane) a[lane] += term(j + lane);
  }
  for (; j < d; ++j) a[0] += term(j);
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

}  // namespace

PackedPoints::PackedPoints(const double* centroids, int64_t k, int64_t d, const Kernel& kernel,
                           int threads)
    : kernel_(&kernel), k_(k), d_(d), d_padded_(round_up(d, 8)) {
  choose_shift(centroids);
  allocate();
  gamma_ = (static_cast<double>(d) + 16) * kUnit * kSlop * kParts;
  exact_rounding_ = (static_cast<double>(d) / 8 + 10) * 0x1p-53;
  std::vector<double> shift(shift_.begin(), shift_.end());
  if (!wide_shift_.empty()) shift = wide_shift_;
  choose_order(centroids, shift.data(), threads);
  // Several of the kernel's tiles a task, each packed at once.
  const int64_t tile = kernel.centroid_multiple;
  const int64_t step = tile * std::max<int64_t>(1, kTaskValues / (tile * d));
  const auto parts = parallel_for_with(
      (k + step - 1) / step, threads, [] { return std::make_unique<Packing>(); },
      [&](int64_t task, Packing& packing) {
        const int64_t end = std::min(k, (task + 1) * step);
        for (int64_t begin = task * step; begin < end; begin += tile) {
          pack(centroids, shift.data(), begin, std::min(end, begin + tile), packing);
          poll(tile * d);
        }
      });
  for (const auto& part : parts) {
    centroid_residual_ = std::max(centroid_residual_, part->largest.residual);
    largest_norm_ = std::max(largest_norm_, part->largest.norm);
  }
  bound_scores();
}

// Centring shrinks norms and with them every error bound; any shift and scale give the same answer.
void PackedPoints::choose_shift(const double* centroids) {
  std::vector<double> mean(static_cast<size_t>(d_), 0.0);
  std::vector<double> low(centroids, centroids + d_), high(low);
  const double share = 1 / static_cast<double>(k_);
  for (int64_t c = 0; c < k_; ++c) {
    for (int64_t j = 0; j < d_; ++j) {
      const double value = centroids[c * d_ + j];
      mean[j] += value * share;
      low[j] = value < low[j] ? value : low[j];
      high[j] = value > high[j] ? value : high[j];
    }
    poll(d_);
  }
  shift_.assign(mean.begin(), mean.end());
  double largest = 0, finest = 0;  // |c - shift|, for the shift in float32 and in float64
  for (int64_t j = 0; j < d_; ++j) {
    const double coarse = shift_[j];
    largest = std::max({largest, std::abs(low[j] - coarse), std::abs(high[j] - coarse)});
    finest = std::max({finest, std::abs(low[j] - mean[j]), std::abs(high[j] - mean[j])});
  }
  const bool coarse = !(largest <= (1 + kCoarse) * finest);  // of a large common offset
  if (coarse) largest = finest;
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  packed_.scale = std::ldexp(1.0, -std::clamp(exponent, -1000, 1000));
  // In float32 such a scale is not exact, or 0.
  if (coarse || std::abs(exponent) > kLargestExponent) wide_shift_ = std::move(mean);
  packed_.shift = shift_.data();
  packed_.wide_shift = wide_shift_.empty() ? nullptr : wide_shift_.data();
}

void PackedPoints::choose_order(const double* centroids, const double* shift, int threads) {
  square_.resize(static_cast<size_t>(k_));
  const int64_t step = std::max<int64_t>(1, kTaskValues / d_);
  parallel_for((k_ + step - 1) / step, threads, [&](int64_t task, int) {
    const int64_t end = std::min(k_, (task + 1) * step);
    for (int64_t c = task * step; c < end; ++c) {
      square_[c] = sum_in_lanes(d_, [=](int64_t j) {
        const double x = (centroids[c * d_ + j] - shift[j]) * packed_.scale;
        return x * x;
      });
      poll(d_);
    }
  });
  order_.assign(static_cast<size_t>(round_up(k_, kernel_->centroid_multiple)), 0);
  const auto real = order_.begin() + k_;
  std::iota(order_.begin(), real, 0);
  std::sort(order_.begin(), real, [&](int64_t a, int64_t b) {
    return std::tie(square_[a], a) < std::tie(square_[b], b);
  });
}

void PackedPoints::allocate() {
  exact_.reset(new double[static_cast<size_t>(k_ * d_padded_)]);
  packed_.d = d_;
  packed_.k_padded = round_up(k_, kernel_->centroid_multiple);
  const int64_t k = packed_.k_padded;
  const int64_t words = round_up(kernel_->centroid_words(k, d_) + kLargestGroup, 16);
  const int64_t fine = kernel_->fine_words(k, d_);
  words_.resize(static_cast<size_t>(words + fine));
  packed_words_ = words_.data();
  // What is read beyond the centroids.
  std::fill(packed_words_ + kernel_->centroid_words(k, d_), packed_words_ + words, 0u);
  if (fine > 0) std::fill_n(packed_words_ + words + fine - kLargestGroup, kLargestGroup, 0u);
  if (fine > 0) fine_words_ = packed_words_ + words;
  half_norm_.assign(static_cast<size_t>(k + kLargestGroup), kNeverWins);
  for (auto* of_groups : {&norm_, &spread_, &slack_}) {
    of_groups->assign(static_cast<size_t>(k / kernel_->group), 0.0f);
  }
  packed_.packed = packed_words_;
  packed_.fine = fine > 0 ? fine_words_ : packed_words_;
  packed_.half_norm = half_norm_.data();
  packed_.norm = norm_.data();
  packed_.spread = spread_.data();
  packed_.slack = slack_.data();
}

void PackedPoints::pack(const double* centroids, const double* shift, int64_t begin, int64_t end,
                        Packing& packing) {
  const int64_t tile = kernel_->centroid_multiple;
  auto& [values, norm, residual, largest] = packing;
  values.resize(static_cast<size_t>(tile * d_));
  norm.resize(static_cast<size_t>(tile));
  residual.resize(norm.size());
  for (int64_t c = begin; c < end; ++c) {
    const double* const centroid = centroids + order_[c] * d_;
    double* const row = exact_.get() + order_[c] * d_padded_;
    std::fill(std::copy_n(centroid, d_, row), row + d_padded_, 0.0);
    float* const to = values.data() + (c - begin) * d_;
    for (int64_t j = 0; j < d_; ++j) {
      to[j] = static_cast<float>((centroid[j] - shift[j]) * packed_.scale);
    }
  }
  uint32_t* const fine =
      fine_words_ ? fine_words_ + kernel_->fine_words(begin, d_) - kernel_->fine_words(0, d_)
                  : nullptr;
  kernel_->pack_centroids(values.data(), end - begin, tile, d_,
                          packed_words_ + kernel_->centroid_words(begin, d_), fine, norm.data(),
                          residual.data());
  for (int64_t c = begin; c < end; ++c) {
    const int64_t group = c / kernel_->group;
    // The floor keeps the ratio below finite for a centroid at the shift itself.
    const double seen = std::max(double{norm[c - begin]}, 0x1p-20) * (1 + 1e-6);
    const double square = square_[order_[c]], half = square / 2;
    norm_[group] = std::max(norm_[group], round_up_to_float(seen));
    slack_[group] = std::max(slack_[group], round_up_to_float(2 * (gamma_ * half + kTiny)));
    half_norm_[c] = static_cast<float>(half - (gamma_ * half + kTiny));
    largest.residual = std::max(largest.residual, residual[c - begin] / seen);
    largest.norm = std::max(largest.norm, std::sqrt(square) * (1 + 1e-6));
  }
}

// After all centroids are packed. A finer score sums products of three kinds, of which two are small.
void PackedPoints::bound_scores() {
  const double square = largest_norm_ * largest_norm_, left = kernel_->fine_residual;
  for (size_t g = 0; g < norm_.size(); ++g) {
    spread_[g] = round_up_to_float(2 * double{norm_[g]} * kSlop);
    slack_[g] = round_up_to_float((slack_[g] + 2 * exact_rounding_ * square) * kSlop);
  }
  packed_.curve = round_up_to_float(2 * exact_rounding_ * kSlop);
  const auto share = [](double value) { return round_up_to_float(value * kSlop); };
  scanned_ = {static_cast<float>(kSlop), share(centroid_residual_ + gamma_ + 3 * kUnit)};
  // The units are for centring x and c in float32. norm_c is that of c' in bfloat16: the slop covers the
  // difference.
  fine_ = {left > 0 ? share(centroid_residual_ + left) : 0.0f,
           share(left * centroid_residual_ + gamma_ + 6 * kUnit)};
}

void PackedPoints::row_errors(bool fine, const float* norm, const float* residual, int count,
                              float* error) const {
  // In float32: the slop is far above its rounding.
  const Shares share = fine ? fine_ : scanned_;
  const float tiny = static_cast<float>(kTinyRow);
  for (int r = 0; r < count; ++r)
    error[r] = residual[r] * share.residual + norm[r] * share.norm + tiny;
}

double PackedPoints::score_limit(double squared_radius, double norm) const {
  // D = ||x'||^2 + 2 S in scaled units, and ||x'|| was computed in float32.
  const double square = norm * norm;
  const double scaled = squared_radius * packed_.scale * packed_.scale;
  const double slack = square * (2 * gamma_ + 8 * kUnit + 2 * exact_rounding_) +
                       largest_norm_ * largest_norm_ * 2 * exact_rounding_;
  const double limit = (scaled * (1 + 2 * exact_rounding_) - square + slack * kSlop) / 2;
  return limit + 4 * kUnit * std::abs(limit) + kTiny;
}

}  // namespace ally_fast
