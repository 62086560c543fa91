// The rows that a scan could not decide, settled by the exact rule.
#pragma once
#include "../../rows.h"
#include "packed_rows.h"

namespace ally_fast {

// Rows are numbered as in the view that the list's numbers refer to.
struct SettleTarget {
  int32_t* out;    // (visited,) the nearest centroid, -1 where no distance is finite; or null:
  double* known;   // (visited,) lowered to the nearest distance
  int64_t* stats;  // with `out`: uncertain, candidates, nonfinite, first_nonfinite, added to
  int64_t first;   // what first_nonfinite counts from
};

// How many blocks settle at once, and the float16 of workspace they need.
int64_t settle_blocks(const OpScope& scope, const TableView& table);
int64_t settle_workspace(const TableView& table, int64_t blocks);

// list.count is read on the device; `cursor` (1,) holds 0.
void settle(const OpScope& scope, const RowsView& rows, const TableView& table,
            const UncertainList& list, int64_t* cursor, uint16_t* workspace, int64_t blocks,
            const SettleTarget& target);

}  // namespace ally_fast
