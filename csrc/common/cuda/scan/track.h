// The scan itself: every row of a chunk against all centroids on the tensor cores.
//
//   L(r, c) = half_norm[c] - error[r] norm[c] - a_r . b_c     lower end of a score
//   best, second = the two smallest L(r, c) of a row; its nearest centroid is the best for sure if
//   `second` lies above the best one's upper end, otherwise the row joins the uncertain ones.
#pragma once
#include "../../rows.h"
#include "packed_rows.h"
#include "track_kernel.h"

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

// Device memory throughout; queued on the scope's stream. Throws CudaError where the device or the
// build does not have the kernel.
void track(const OpScope& scope, const PackedRows& rows, const TableView& table,
           const TrackTarget& target, TrackKernel kernel);
// For any device: mma.sync.
void track_portable(const OpScope& scope, const PackedRows& rows, const TableView& table,
                    const TrackTarget& target);
// For compute capability 9.0: TMA and wgmma.
void track_sm90a(const OpScope& scope, const PackedRows& rows, const TableView& table,
                 const TrackTarget& target);

// Whether the kernel reads these rows where they lie, unpacked: float16, or bfloat16 if they are short;
// features next to one another, rows apart by a multiple of 16 bytes from an address that is one; all of
// them, not normalised.
bool reads_in_place(const RowsView& rows, TrackKernel kernel);
// As `track`, of such rows; mask (visited,) as in pack_rows.h.
void track_in_place(const OpScope& scope, const RowsView& rows, const uint8_t* mask,
                    const TableView& table, const TrackTarget& target);

}  // namespace ally_fast
