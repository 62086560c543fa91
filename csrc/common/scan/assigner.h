// One thread's share of an assignment: scans blocks of rows, and settles those left undecided.
#pragma once
#include <vector>

#include "certified.h"

namespace ally_fast {

struct AssignStats {
  int64_t uncertain = 0;         // rows the scan could not decide
  int64_t candidates = 0;        // exact distances computed for them
  int64_t nonfinite = 0;         // rows with a NaN or infinite feature, or no finite distance
  int64_t first_nonfinite = -1;  // the first of them, counted in visited rows

  void add(const AssignStats& other);
};

class Assigner {
 public:
  // out has a place for each visited row: its nearest centroid, -1 for one counted as nonfinite.
  // certify false: the low-precision winner as it is.
  Assigner(const RowsView& rows, const CentroidTable& table, bool certify, int32_t* out);

  // Assigns visited rows [begin, end).
  void run(int64_t begin, int64_t end);

  AssignStats stats;

 private:
  // Of the rows scanned from `first` on: those from `begin` on, a block of them.
  uint64_t decide(int64_t first, int begin, int end);
  void settle(int64_t first, int begin, uint64_t undecided);
  bool finite(int64_t i);

  const RowsView& rows_;
  const CentroidTable& table_;
  const bool certify_;
  int32_t* out_;
  BlockScanner scanner_;
  uint64_t undecided_[kLargestBatch / kBlock];
  double limit_[kLargestBatch];
  std::vector<double> wide_;
};

}  // namespace ally_fast
