// The scan itself: every row of a chunk against all centroids on the tensor cores.
//
//   L(r, c) = half_norm[c] - error[r] norm[c] - a_r . b_c     lower end of a score
//   best, second = the two smallest L(r, c) of a row; its nearest centroid is the best for sure if
//   `second` lies above the best one's upper end, otherwise the row joins the uncertain ones.
#pragma once
#include "packed_rows.h"
#include "table_handle.h"

namespace ally_fast {

// What is asked of a scan: either each row's centroid (out), or which rows may lie nearer to some
// centroid than they are known to (known).
struct TrackTarget {
  int32_t* out;         // (count,) the centroid where certain, -1 for a masked row; or null
  bool certify;         // false: the best one whether certain or not
  const double* known;  // (count,) squared distances; null where `out` is not
  UncertainList uncertain;
  uint32_t first_row;  // number of the chunk's first row in that list
};

// Device memory throughout; queued on the scope's stream.
void track(const OpScope& scope, TrackKernel kernel, const PackedRows& rows, const TableView& table,
           const TrackTarget& target);

// The decision alone, for a kernel that only finds `best`, `second` and the best one's `column`
// (count,), exactly as they are.
void decide_rows(const OpScope& scope, const PackedRows& rows, const TableView& table,
                 const TrackTarget& target, const float* best, const float* second,
                 const int32_t* column);

}  // namespace ally_fast
