// Certified nearest centroids: a fast low-precision scan, and float64 only where it can matter.
//
// With x' = scale (x - shift), c' = scale (c - shift), and a, b what the kernel makes of x', c':
//   scale^2 S(x, c) = ||c'||^2 / 2 - x'.c'             (argmin_c S = argmin_c ||x - c||^2)
//   |x'.c' - a.b|  <= ||x' - a|| ||b|| + ||x'|| ||c' - b||
//   |computed a.b + half_norm - exact| <= gamma (||a|| ||b|| + ||c'||^2 / 2),  gamma ~ d 2^-24
// so a score is off by at most  error_i norm_c + slack_c,  and norm_c may be the largest of a group of
// centroids, which are packed in the order of their norms.  A kernel returns the lower end. The winner
// of the lower ends is the nearest centroid for sure if its own upper end lies below every other
// lower end. Otherwise it lies in a group of centroids whose least lower end is not above that upper
// end; these groups are looked at again, with a and b in float32 (kernel.h), and the same
// certificate. Where several centroids are left, the exact rule measures them (kernel.h). Its own rounding is part of
// the margin, so the answer is its argmin, lowest index on a tie, whichever kernel ran.
//
// No row is scanned twice: the least lower end of each group is kept.
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
  // Centroids are packed in the order of their norms: those of a group have about the same error.
  int64_t original(int64_t place) const { return order_[place]; }
  const double* exact(int64_t c) const { return exact_.get() + c * d_padded_; }

  // error_i of some rows: from the norms and rounding residuals that pack_rows measured.
  void row_errors(const float* norm, const float* residual, int count, float* error) const;
  // Upper ends of scores of some rows, given their lower ends and places among the packed.
  void upper_ends(const float* lower, const int32_t* place, const float* error, const float* norm,
                  int count, double* end) const;
  // The same for scores of the second look; an upper end is lower + reach + |lower| 2^-21, in float32.
  float rescored_error(float error, double norm) const;
  float rescored_reach(double error, double norm) const;
  // Scores above this belong to centroids farther than sqrt(squared_radius) by the exact rule.
  double score_limit(double squared_radius, double norm) const;

 private:
  // What centroids of a table are at most.
  struct Largest {
    double residual = 0, norm = 0;
  };
  void choose_shift(const double* centroids);
  void choose_order(const double* centroids, const double* shift);
  void allocate();
  // Packs centroids [begin, end), a kernel's multiple from its multiple on.
  void pack(const double* centroids, const double* shift, int64_t begin, int64_t end,
            Largest& largest);
  // Whether the second look reads a table of its own.
  bool second_table() const { return !kernel_->packed_is_floats && d_ <= kernel_->rescored_d; }
  void pack_floats(const float* values, int64_t begin, int64_t end);

  const Kernel* kernel_;
  int64_t k_, d_, d_padded_;
  std::unique_ptr<double[]> exact_;  // (k, d_padded) as given, padded with zeros
  std::vector<double> wide_shift_;   // empty unless float32 is too coarse
  std::vector<int64_t> order_;       // place among the packed -> centroid; 0 for the padding
  std::vector<float> shift_, half_norm_, norm_, floats_;
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
  int64_t index(int r) const { return table_.original(index_[r]); }

  // A row whose low-precision image overflowed: its scan says nothing.
  bool overflowed(int r) const { return !(norm_[r] < 1e15f); }

  // Scores above limit[r] cannot belong to row r's nearest centroid; begin <= r < end.
  void limits_of_nearest(int begin, int end, double* limit) const;
  // Scores above limit_of_radius(r, D) belong to centroids farther than sqrt(D) from row r.
  double limit_of_radius(int r, double squared_radius) const;

  // Brings row r to the cache: it is measured or settled soon.
  void prefetch(int r) const;
  // D of row r to centroid c by the exact rule.
  double measure(int r, int64_t c);

  // Calls visit(r, c, alone) for rows begin <= r < begin + kBlock with bit r - begin of `active` and
  // every centroid c that may be the nearest, if it is one of those whose lower end is at most
  // limit[r - begin]; `alone`: there is no other. `begin` is a multiple of kBlock.
  template <class Visit>
  void settle(int begin, uint64_t active, const double* limit, const Visit& visit);

 private:
  // A group of centroids in the second look at a row: its least lower end, and the pair before of
  // the same row.
  struct Pair {
    int64_t group;
    float lowest;
    int before;
  };
  static constexpr int64_t kPairs = 1024;

  void pack(int block, int count);
  void track(int block, int64_t from, int64_t end);
  uint64_t prepare_settle(int begin, uint64_t active, const double* limit);
  int64_t own_group(int bit) const { return index_[begin_ + bit] / table_.kernel().group; }
  int64_t count_near(uint64_t rows) const;
  void look_again(int64_t group, uint64_t rows);
  void look_into_near_groups(uint64_t rows);
  void collect_candidates(int bit);
  // Places of a block in the arrays of all.
  uint32_t* packed_rows(int block) { return packed_.data() + block * block_words_; }
  float* minima(int block) { return minima_.data() + block * groups_ * kBlock; }

  const PackedPoints& table_;
  const RowsView& rows_;
  const bool decides_;  // groups first, then centroids
  const int64_t groups_, block_words_;
  int64_t slice_;                 // centroids that the rows are compared with at once
  int64_t capacity_, first_ = 0;  // rows that fit; the first of those scanned last
  int64_t wide_row_ = -1;         // the row in wide_
  AlignedVector<float> norm_, residual_, error_, best_, second_, minima_, buffer_;
  AlignedVector<int32_t> index_, heads_;
  AlignedVector<uint32_t> packed_, words_;
  std::vector<uint64_t> near_;  // rows that a group may be near
  std::vector<double> wide_;
  // Of the block that is settled: rows in float32, what the second look found, what it left.
  int begin_ = 0, last_[kBlock];
  alignas(64) float limit_[kBlock], errors_[kBlock], reach_[kBlock];
  AlignedVector<float> floats_, scores_;
  std::vector<Pair> pairs_;
  std::vector<int64_t> candidates_;
};

// A float32 at or just above the value (infinities and NaN stay).
inline float round_up_to_float(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? rounded + (rounded < 0 ? -rounded : rounded) * 0x1p-22f + 0x1p-149f
                         : rounded;
}

template <class Visit>
void BlockScanner::settle(int begin, uint64_t active, const double* limit, const Visit& visit) {
  const uint64_t regular = prepare_settle(begin, active, limit);
  const auto own = pairs_.size();
  const bool fit = count_near(regular) <= kPairs;
  for (uint64_t rest = regular, some = 0; rest; rest &= ~some) {
    some = fit ? rest : rest & -rest;
    look_into_near_groups(some);
    for (uint64_t bits = some; bits; bits &= bits - 1) {
      const int bit = __builtin_ctzll(bits);
      collect_candidates(bit);
      for (int64_t c : candidates_) visit(begin + bit, c, candidates_.size() == 1);
    }
    pairs_.resize(own);
  }
  for (uint64_t bits = active & ~regular; bits; bits &= bits - 1) {
    for (int64_t c = 0; c < table_.k(); ++c) visit(begin + __builtin_ctzll(bits), c, false);
  }
}

}  // namespace ally_fast
