// A chunk of rows as the tensor-core kernels read them.
#pragma once
#include "../../rows.h"
#include "packed_rows.h"

namespace ally_fast {

// Packs all visited rows of the view into `packed` (whose count is set), each by the table's shift
// and scale; the last tile is filled up with zeros. mask (visited,) uint8, zero for rows that take no
// part, or null. Queued on the scope's stream.
void pack_rows(const OpScope& scope, const RowsView& rows, const uint8_t* mask,
               const TableView& table, PackedRows* packed);

// Visited rows [first, first + count) of a view.
inline RowsView slice_rows(RowsView rows, int64_t first, int64_t count) {
  if (rows.positions) {
    rows.positions += first;
  } else {
    rows.data += first * rows.row_stride;
    rows.n = count;
  }
  rows.visited = count;
  return rows;
}

}  // namespace ally_fast
