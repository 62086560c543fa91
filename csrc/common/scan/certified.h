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
// end; these groups are looked at again, with finer a and b (kernel.h), and the same certificate. Where
// several centroids are left, the exact rule measures them (kernel.h). Its own rounding is part of the
// margin, so the answer is its argmin, lowest index on a tie, whichever kernel ran.
//
// No row is scanned twice: the least lower end of each group is kept until the block has been searched.
#pragma once
#include <cstdint>
#include <vector>

#include "../aligned.h"
#include "../poll.h"
#include "packed_points.h"

namespace ally_fast {

// One thread's workspace: packs rows by the block, scans them, and looks again where that is not enough.
class BlockScanner {
 public:
  BlockScanner(const PackedPoints& table, const RowsView& rows);

  // Scans visited rows first, first + 1, …, below `end`, as many as there is room for; returns how
  // many: a multiple of kBlock, or all. Rows that follow, below `end`, are brought to the cache. Row r
  // below is the r-th of them. `within` is null, or holds for each row a squared radius: centroids
  // farther away do not count.
  int scan(int64_t first, int64_t end, const double* within = nullptr);
  // The same, but index() is the low-precision winner, and nothing is known of it.
  int scan_uncertified(int64_t first, int64_t end);

  // The nearest centroid of a row that has one candidate, and an arbitrary one of others.
  int64_t index(int r) const { return table_.original(index_[r]); }
  // Rows of a block, row r in bit r % kBlock of block r / kBlock: those with one candidate, with
  // several, and those that the scan alone left undecided. The others have none within.
  uint64_t one(int block) const { return one_[block]; }
  uint64_t several(int block) const { return several_[block]; }
  uint64_t undecided(int block) const { return undecided_[block]; }
  // The candidates of a row that has several; valid until the next call.
  const std::vector<int64_t>& candidates(int r);
  // A row whose low-precision image overflowed: every centroid is a candidate.
  bool overflowed(int r) const { return !(norm_[r] < 1e15f); }

  // Brings row r to the cache: it is measured soon.
  void prefetch(int r) const;
  // D of row r to centroid c by the exact rule.
  double measure(int r, int64_t c);

 private:
  int scan(int64_t first, int64_t end, const double* within, bool certify);
  void pack(int block, int count);
  void track(int block, int64_t from, int64_t end);
  void find_near(int block, int count, const double* within, bool certify);
  void look();
  void decide(int block);
  // The upper ends of a block's rows, or what is within where that is less.
  void find_limits(int block, const float* error, float* limit) const;
  // Tables above the second cache are scanned in slices; then all blocks keep what they hold.
  bool sliced() const { return slice_ < table_.packed().k_padded; }
  int64_t kept(int block) const { return sliced() ? block : 0; }
  uint32_t* fine_row(int r) { return fine_.data() + slot_[r] * fine_words_; }
  uint32_t* packed_rows(int block) { return packed_.data() + kept(block) * block_words_; }
  float* minima(int block) { return minima_.data() + kept(block) * groups_ * kBlock; }
  Lowest lowest(int at = 0) { return {best_.data() + at, second_.data() + at, index_.data() + at}; }

  const PackedPoints& table_;
  const RowsView& rows_;
  const bool by_group_;  // the scan finds groups, and the look centroids
  const int64_t groups_, block_words_, fine_words_;
  int64_t slice_;             // centroids that the rows are compared with at once
  int64_t capacity_, slots_;  // rows that fit; those of them that may be looked at again
  int64_t first_ = 0;         // of the rows scanned last
  int32_t used_ = 0;          // slots
  bool limited_ = false;      // by a radius
  int64_t wide_row_ = -1;     // the row in wide_
  AlignedVector<float> norm_, residual_, error_, fine_error_, radius_, best_, second_;
  AlignedVector<float> minima_, buffer_;
  AlignedVector<int32_t> index_, slot_;
  AlignedVector<uint32_t> packed_;
  RawAlignedVector<uint32_t> fine_;
  std::vector<uint64_t> one_, several_, undecided_, open_;  // of each block; open: looked at again
  RawAlignedVector<LookAt> looks_;
  std::vector<int64_t> first_look_;  // of each block, and how many there are
  int64_t looks_found_ = 0;
  RawAlignedVector<int32_t> sorted_;  // their rows, by group
  std::vector<int32_t> start_;        // of each group among those
  std::vector<double> wide_;
  std::vector<int64_t> candidates_;
};

}  // namespace ally_fast
