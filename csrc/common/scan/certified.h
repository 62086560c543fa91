// Certified nearest centroids: a fast low-precision scan, and float64 only where it can matter.
//
// With x' = scale (x - shift), c' = scale (c - shift), and a, b what the kernel makes of x', c':
//   scale^2 S(x, c) = ||c'||^2 / 2 - x'.c'             (argmin_c S = argmin_c ||x - c||^2)
//   |x'.c' - a.b|  <= ||x' - a|| ||b|| + ||x'|| ||c' - b||
//   |computed a.b + half_norm - exact| <= gamma (||a|| ||b|| + ||c'||^2 / 2),  gamma ~ d 2^-24
// so a score is off by at most  error_i norm_c + slack_c.  A kernel returns the lower end. The winner
// of the lower ends is the nearest centroid for sure if its own upper end lies below every other
// lower end; otherwise every centroid whose lower end lies below that upper end is measured by the
// exact rule (kernel.h). The exact rule's own rounding is part of the margin, so the answer is the
// exact rule's argmin, lowest index on a tie, whichever kernel ran.
//
// No row is scanned twice: the least lower end of each group of centroids is kept, and what is
// measured lies in a group that is not above the upper end. A kernel may take that of a group as
// min_c (half_norm + a.b) - error_i max_c norm_c, which is below all of its scores.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "../aligned.h"
#include "../poll.h"
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
  const double* exact(int64_t c) const { return exact_.get() + c * d_padded_; }

  // error_i of some rows: from the norms and rounding residuals that pack_rows measured.
  void row_errors(const float* norm, const float* residual, int count, float* error) const;
  // Upper end of a score, given its lower end.
  double upper_end(double lower, int64_t c, double error, double norm) const;
  // Scores above this belong to centroids farther than sqrt(squared_radius) by the exact rule.
  double score_limit(double squared_radius, double norm) const;

 private:
  // What centroids of a table are at most.
  struct Largest {
    double residual = 0, norm = 0;
  };
  void choose_shift(const double* centroids);
  void allocate();
  // Packs centroids [begin, end), a kernel's multiple from its multiple on.
  void pack(const double* centroids, const double* shift, int64_t begin, int64_t end,
            Largest& largest);

  const Kernel* kernel_;
  int64_t k_, d_, d_padded_;
  std::unique_ptr<double[]> exact_;  // (k, d_padded) as given, padded with zeros
  std::vector<double> wide_shift_;   // empty unless float32 is too coarse
  std::vector<float> shift_, half_norm_, norm_, group_norm_;
  std::unique_ptr<uint32_t[]> words_;
  uint32_t* aligned_words_ = nullptr;
  PackedCentroids packed_{};
  double centroid_residual_ = 0;  // max_c ||c' - b|| / norm_c
  double gamma_ = 0;              // rounding of one score, relative
  double exact_rounding_ = 0;     // rounding of squared_distance, relative
  double largest_norm_ = 0;       // max_c ||c'||
};

// One thread's workspace: packs rows by the block, scans them, and settles them exactly.
class BlockScanner {
 public:
  BlockScanner(const PackedPoints& table, const RowsView& rows);

  // Scans visited rows first, first + 1, …, below `end`, as many as fit; returns how many: a multiple
  // of kBlock, or all. Rows that follow, below `end`, are brought to the cache. Row r below is the r-th
  // of them.
  int scan(int64_t first, int64_t end);
  // The winner's lower end, and what those of all others are not below. The winner's may be above it.
  float best(int r) const { return best_[r]; }
  float second(int r) const { return second_[r]; }
  int32_t index(int r) const { return index_[r]; }

  // A row whose low-precision image overflowed: its scan says nothing.
  bool overflowed(int r) const { return !(norm_[r] < 1e15f); }

  // Scores above limit_of_nearest(r) cannot belong to row r's nearest centroid.
  double limit_of_nearest(int r) const;
  // Scores above limit_of_radius(r, D) belong to centroids farther than sqrt(D) from row r.
  double limit_of_radius(int r, double squared_radius) const;

  // D of row r to centroid c by the exact rule.
  double measure(int r, int64_t c);

  // Calls visit(r, c, D) for rows begin <= r < begin + kBlock with bit r - begin of `active` and
  // centroids c, D being the exact squared distance; each c once whose lower end is at most
  // limit[r - begin], unless it is farther than one that came before. `begin` is a multiple of
  // kBlock. Returns how many calls. Only groups that hold such a centroid are looked into.
  template <class Visit>
  int64_t settle(int begin, uint64_t active, const double* limit, const Visit& visit);

 private:
  static constexpr int kGroupsAtOnce = 16;

  void pack(int block, int count);
  void track(int block, int64_t next, int64_t end);
  void prepare_settle(int begin, uint64_t active, const double* limit);
  // Places of a block in the arrays of all.
  uint32_t* packed_rows(int block) { return packed_.data() + block * block_words_; }
  float* minima(int block) { return minima_.data() + block * groups_ * kBlock; }

  const PackedPoints& table_;
  const RowsView& rows_;
  const bool decides_;  // groups first, then centroids
  const int64_t groups_, block_words_;
  int64_t capacity_, first_ = 0;  // rows that fit; the first of those scanned last
  AlignedVector<float> norm_, residual_, error_, best_, second_, minima_, buffer_;
  AlignedVector<int32_t> index_, heads_;
  AlignedVector<uint32_t> packed_, words_;
  std::vector<uint64_t> near_;  // rows that a group may be near
  std::vector<double> wide_;    // (kBlock, d_padded), filled for active rows
  alignas(64) float limit_[kBlock], scores_[kGroupsAtOnce * kLargestGroup * kBlock];
};

// A float32 at or just above the value (infinities and NaN stay).
inline float round_up_to_float(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? rounded + (rounded < 0 ? -rounded : rounded) * 0x1p-22f + 0x1p-149f
                         : rounded;
}

template <class Visit>
int64_t BlockScanner::settle(int begin, uint64_t active, const double* limit, const Visit& visit) {
  const Kernel& kernel = table_.kernel();
  const int block = begin / kBlock;
  const int64_t padded = table_.d_padded(), group = kernel.group;
  int64_t measured = 0;
  double nearest[kBlock];
  std::fill_n(nearest, kBlock, std::numeric_limits<double>::infinity());
  const auto measure = [&](int bit, int64_t c) {
    const double distance =
        kernel.squared_distance(wide_.data() + bit * padded, table_.exact(c), padded);
    visit(begin + bit, c, distance);
    ++measured;
    poll(padded);
    if (!(distance < nearest[bit])) return;
    nearest[bit] = distance;
    const float nearer = round_up_to_float(limit_of_radius(begin + bit, distance));
    limit_[bit] = std::min(limit_[bit], nearer);
  };
  prepare_settle(begin, active, limit);
  for (uint64_t bits = active; bits; bits &= bits - 1) {
    const int bit = __builtin_ctzll(bits);
    if (!overflowed(begin + bit)) measure(bit, index_[begin + bit]);
  }
  const int64_t groups = (table_.k() + group - 1) / group;
  kernel.candidates(minima(block), groups, limit_, near_.data());
  for (int64_t g = 0; g < groups;) {
    GroupRows which[kGroupsAtOnce];
    int count = 0;
    for (; g < groups && count < kGroupsAtOnce; ++g) {
      if (near_[g] & active) which[count++] = {g * group, near_[g] & active};
    }
    if (count == 0) break;
    kernel.store(table_.packed(), packed_rows(block), error_.data() + begin, which, count, scores_);
    poll(count * group * rows_.d);
    for (int i = 0; i < count; ++i) {
      const int64_t first = which[i].first, some = std::min(group, table_.k() - first);
      uint64_t near[kLargestGroup];
      kernel.candidates(scores_ + i * group * kBlock, some, limit_, near);
      for (int64_t j = 0; j < some; ++j) {
        for (uint64_t bits = near[j] & which[i].rows; bits; bits &= bits - 1) {
          const int bit = __builtin_ctzll(bits), r = begin + bit;
          if (overflowed(r) || index_[r] != first + j) measure(bit, first + j);
        }
      }
    }
  }
  return measured;
}

}  // namespace ally_fast
