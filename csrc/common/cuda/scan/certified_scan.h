// All rows of a view past all centroids of a table, answered by the exact rule: packs and tracks the
// rows chunk by chunk, then settles what was left uncertain.
#pragma once
#include "../../rows.h"
#include "device_table.h"
#include "track_kernel.h"

namespace ally_fast {

// Device memory, a place for each visited row.
struct ScanRequest {
  const uint8_t* mask = nullptr;  // zero for rows that take no part; null: all do
  // Either the nearest centroid,
  int32_t* out = nullptr;    // -1 for a row that takes no part or is not finite
  int64_t* stats = nullptr;  // (4,) see assign.h; added to
  bool certify = true;       // false: the low-precision winner as it is
  TrackKernel kernel = TrackKernel::kPortable;
  // or the distance to it.
  double* known = nullptr;  // lowered
};

// Queued on the scope's stream. Workspace: some tens of MiB packed, 8 bytes a row for at most 2^24
// rows at once; less where memory is short, CudaOutOfMemory where nothing helps.
void scan_rows(const OpScope& scope, const RowsView& rows, const DeviceTable& table,
               const ScanRequest& request);

}  // namespace ally_fast
