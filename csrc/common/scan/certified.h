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
#include <vector>

#include "../aligned.h"
#include "../poll.h"
#include "packed_points.h"

namespace ally_fast {

// One thread's workspace: packs rows by the block, scans them, and settles them exactly.
class BlockScanner {
 public:
  BlockScanner(const PackedPoints& table, const RowsView& rows);

  // Scans visited rows first, first + 1, …, below `end`, as many as fit; returns how many: a multiple
  // of kBlock, or all. Rows that follow, below `end`, are brought to the cache. Row r below is the r-th
  // of them.
  int scan(int64_t first, int64_t end);
  // The winner's lower end, and what those of all others are not below. The winner's may be above it,
  // where groups are ranked before their centroids.
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
