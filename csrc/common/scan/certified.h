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
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../poll.h"
#include "kernel.h"

namespace ally_fast {

// The error bounds hold up to here.
constexpr int64_t kLargestD = 131072;

// Centroids packed for one kernel. Immutable; shared by threads.
class CentroidTable {
 public:
  // centroids (k, d), finite, contiguous; copied. Float32 widened by the caller, or float64 points.
  CentroidTable(const double* centroids, int64_t k, int64_t d, const Kernel& kernel,
                int threads = 1);

  int64_t k() const { return k_; }
  int64_t d() const { return d_; }
  int64_t d_padded() const { return d_padded_; }
  const Kernel& kernel() const { return *kernel_; }
  const PackedCentroids& packed() const { return packed_; }
  const double* exact(int64_t c) const { return exact_.get() + c * d_padded_; }

  // error_i: from the norm and the rounding residual that pack_rows measured.
  float row_error(float norm, float residual) const;
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
  std::vector<float> shift_, half_norm_, norm_;
  std::unique_ptr<uint32_t[]> words_;
  uint32_t* aligned_words_ = nullptr;
  PackedCentroids packed_{};
  double centroid_residual_ = 0;  // max_c ||c' - b|| / norm_c
  double gamma_ = 0;              // rounding of one score, relative
  double exact_rounding_ = 0;     // rounding of squared_distance, relative
  double largest_norm_ = 0;       // max_c ||c'||
};

// One thread's workspace: packs blocks of up to kBlock rows, scans them, and settles them exactly.
class BlockScanner {
 public:
  BlockScanner(const CentroidTable& table, const RowsView& rows);

  // Rows `ids[0..count)` of the view, or first, first + 1, … if ids is null.
  void load(const int64_t* ids, int64_t first, int count);

  // The scan: best, second and index of each row loaded.
  void track();
  const float* best() const { return best_; }
  const float* second() const { return second_; }
  const int32_t* index() const { return index_; }

  // A row whose low-precision image overflowed: its scan says nothing.
  bool overflowed(int r) const { return !(norm_[r] < 1e15f); }

  // Scores above limit_of_nearest(r) cannot belong to row r's nearest centroid (after track).
  double limit_of_nearest(int r) const;
  // Scores above limit_of_radius(r, D) belong to centroids farther than sqrt(D) from row r.
  double limit_of_radius(int r, double squared_radius) const;

  // D of loaded row r to centroid c by the exact rule.
  double measure(int r, int64_t c);

  // Calls visit(r, c, D) for each loaded row r with bit r of `active` and each centroid c, ascending,
  // whose lower end is at most limit[r]; D is the exact squared distance. Returns how many.
  template <class Visit>
  int64_t settle(uint64_t active, const double* limit, const Visit& visit);

 private:
  // The end of the centroids from `begin` on that are scanned at once, at most `most` of them: few
  // enough for a poll() every now and then.
  int64_t range_end(int64_t begin, int64_t most) const;
  void prepare_settle(uint64_t active, const double* limit);
  const CentroidTable& table_;
  const RowsView& rows_;
  int count_ = 0;
  int64_t ids_[kBlock];
  alignas(64) float norm_[kBlock], residual_[kBlock], error_[kBlock], limit_[kBlock];
  alignas(64) float best_[kBlock], second_[kBlock];
  alignas(64) int32_t index_[kBlock];
  std::vector<float> buffer_, scores_;
  std::vector<uint32_t> words_;
  uint32_t* packed_rows_;
  std::vector<double> wide_;  // (kBlock, d_padded), filled for active rows
};

// Float32 at or above the value (infinities and NaN stay).
float round_up_to_float(double value);

template <class Visit>
int64_t BlockScanner::settle(uint64_t active, const double* limit, const Visit& visit) {
  constexpr int64_t kScoresAtOnce = 2048;  // centroids: half a megabyte, stays in the L2 cache
  const Kernel& kernel = table_.kernel();
  const PackedCentroids& packed = table_.packed();
  const int64_t padded = table_.d_padded();
  prepare_settle(active, limit);
  int64_t measured = 0;
  for (int64_t begin = 0, end; begin < packed.k_padded; begin = end) {
    end = range_end(begin, kScoresAtOnce);
    if (scores_.size() < static_cast<size_t>((end - begin) * kBlock)) {
      scores_.resize(static_cast<size_t>((end - begin) * kBlock));
    }
    kernel.store(packed, packed_rows_, error_, begin, end, scores_.data());
    poll((end - begin) * rows_.d);
    for (int64_t c = begin; c < end && c < table_.k(); ++c) {
      uint64_t bits = active & kernel.candidates(scores_.data() + (c - begin) * kBlock, limit_);
      for (; bits; bits &= bits - 1) {
        const int r = __builtin_ctzll(bits);
        visit(r, c, kernel.squared_distance(wide_.data() + r * padded, table_.exact(c), padded));
        ++measured;
        poll(padded);
      }
    }
  }
  return measured;
}

}  // namespace ally_fast
