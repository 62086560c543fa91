// Each row's distance to the nearest of a table's points, as far as it undercuts what is known.
#pragma once
#include "../../rows.h"
#include "device_table.h"

namespace ally_fast {

// known[i] = min(known[i], min_c D(x_i, P_c)) by the exact rule, for each visited row i, over the
// points in use (maybe none). known (visited,) float64, device memory, infinity where nothing is
// known. A row with a NaN or infinite feature is left alone. Queued on the scope's stream.
void lower_to_nearest(const OpScope& scope, const RowsView& rows, const DeviceTable& points,
                      double* known);

}  // namespace ally_fast
