#include "d2_sample_outer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "sampler.h"

namespace ally_fast {
namespace {

// A row, or several, as the exact rule reads them.
struct Factors {
  std::vector<double> left, right;  // padded
};

class OuterMetric {
 public:
  OuterMetric(const RowsView& left, const RowsView& right, const int64_t* targets,
              const Kernel& kernel, int threads)
      : left_(left),
        right_(right),
        targets_(targets),
        t_(left.visited),
        kernel_(kernel),
        threads_(threads),
        left_padded_(round_up(left.d, 8)),
        right_padded_(round_up(right.d, 8)),
        left_squares_(static_cast<size_t>(t_)),
        right_squares_(static_cast<size_t>(t_)),
        // Far more than the rounding of G and of its bounds, relative to (A_i + A_j)(H_i + H_j).
        slack_(0x1p-47 * static_cast<double>(std::max(left_padded_, right_padded_) / 8 + 12)),
        row_(empty_row()) {
    const std::vector<double> zeros(static_cast<size_t>(std::max(left_padded_, right_padded_)),
                                    0.0);
    const auto make = [&] { return std::make_unique<Factors>(empty_row()); };
    parallel_for_with(blocks(), threads_, make, [&](int64_t block, Factors& row) {
      for (int64_t i = block * kWeightBlock; i < end_of(block); ++i) {
        load_left(i, row.left.data());
        load_right(i, row.right.data());
        left_squares_[i] = kernel_.squared_distance(row.left.data(), zeros.data(), left_padded_);
        right_squares_[i] = kernel_.squared_distance(row.right.data(), zeros.data(), right_padded_);
        poll(left_padded_ + right_padded_);
      }
    });
  }

  UnusableRows unusable_rows() const {
    UnusableRows bad;
    polled_for(t_, [&](int64_t i) {
      if (left_squares_[i] < kLargestFactor && right_squares_[i] < kLargestFactor) return;
      if (bad.count++ == 0) bad.first = index_of(i);
    });
    return bad;
  }

  // The row of the pool that is the i-th visited.
  int64_t index_of(int64_t i) const { return left_.positions ? left_.positions[i] : i; }

  void forget() {
    held_.clear();
    centres_ = {};
  }

  void hold(int64_t i) {
    centres_.left.resize((held_.size() + 1) * static_cast<size_t>(left_padded_));
    centres_.right.resize((held_.size() + 1) * static_cast<size_t>(right_padded_));
    load_left(i, centres_.left.data() + held_.size() * static_cast<size_t>(left_padded_));
    load_right(i, centres_.right.data() + held_.size() * static_cast<size_t>(right_padded_));
    held_.push_back(i);
  }

  double to_held(int64_t i) { return nearest(i, std::numeric_limits<double>::infinity(), row_); }

  template <class Done>
  void lower(double* weights, const Done& done) const {
    const auto make = [&] { return std::make_unique<Factors>(empty_row()); };
    parallel_for_with(blocks(), threads_, make, [&](int64_t block, Factors& row) {
      for (int64_t i = block * kWeightBlock; i < end_of(block); ++i) {
        weights[i] = nearest(i, weights[i], row);
      }
      done(block);
    });
  }

 private:
  int64_t blocks() const { return (t_ + kWeightBlock - 1) / kWeightBlock; }
  int64_t end_of(int64_t block) const { return std::min(t_, (block + 1) * kWeightBlock); }

  Factors empty_row() const {
    return {std::vector<double>(static_cast<size_t>(left_padded_)),
            std::vector<double>(static_cast<size_t>(right_padded_))};
  }

  void load_left(int64_t i, double* row) const {
    kernel_.load_row(left_, i, row);
    if (targets_) row[targets_[index_of(i)]] -= 1.0;
  }

  void load_right(int64_t i, double* row) const { kernel_.load_row(right_, i, row); }

  // min(known, G to the nearest row held). Two lower bounds of G, each with slack for its rounding,
  // save most of the work: (|g_i| - |g_c|)^2, and what Cauchy-Schwarz says of the right factors.
  double nearest(int64_t i, double known, Factors& row) const {
    const double a = left_squares_[i], h = right_squares_[i], length = std::sqrt(a) * std::sqrt(h);
    bool left_loaded = false, right_loaded = false;
    int64_t work = static_cast<int64_t>(held_.size());
    for (size_t c = 0; c < held_.size(); ++c) {
      const double other_a = left_squares_[held_[c]], other_h = right_squares_[held_[c]];
      const double a_sum = a + other_a, h_sum = h + other_h;
      const double limit = known + slack_ * a_sum * h_sum + 1e-200;  // the last for underflow
      const double other_length = std::sqrt(other_a) * std::sqrt(other_h);
      const double gap = length - other_length;
      if (gap * gap > limit) continue;
      if (!left_loaded) load_left(i, row.left.data());
      left_loaded = true;
      work += left_padded_;
      const double* other_left = centres_.left.data() + c * static_cast<size_t>(left_padded_);
      const double p = kernel_.squared_distance(row.left.data(), other_left, left_padded_);
      const double dot = std::abs(a_sum - p) * (std::sqrt(h) * std::sqrt(other_h));  // twice it
      if (a * h + other_a * other_h - dot > limit) continue;
      if (!right_loaded) load_right(i, row.right.data());
      right_loaded = true;
      work += right_padded_;
      const double* other_right = centres_.right.data() + c * static_cast<size_t>(right_padded_);
      const double q = kernel_.squared_distance(row.right.data(), other_right, right_padded_);
      const double distance =
          (((a - other_a) * (h - other_h) + p * h_sum) + (q * a_sum - p * q)) * 0.5;
      known = std::min(known, std::max(distance, 0.0));
    }
    poll(work);
    return known;
  }

  const RowsView left_, right_;
  const int64_t* targets_;
  const int64_t t_;
  const Kernel& kernel_;
  const int threads_;
  const int64_t left_padded_, right_padded_;
  std::vector<double> left_squares_, right_squares_;
  const double slack_;
  Factors row_, centres_;
  std::vector<int64_t> held_;
};

}  // namespace

UnusableRows d2_sample_outer_cpu(const RowsView& left, const RowsView& right,
                                 const int64_t* targets, int64_t b, uint64_t seed,
                                 const Kernel& kernel, int threads, int64_t* picks) {
  if (b == 0) return {};
  OuterMetric metric(left, right, targets, kernel, threads);
  const UnusableRows bad = metric.unusable_rows();
  if (bad.count) return bad;
  D2Sampler(metric, left.visited, seed).run(b, picks);
  std::transform(picks, picks + b, picks, [&](int64_t i) { return metric.index_of(i); });
  return bad;
}

}  // namespace ally_fast
