// k-center greedy, the farthest-first traversal: core-set selection.
//
//   pick_t = argmax of D_i over the rows not yet picked, lowest row on a tie
//   D_i    = min of D(x_i, p) over starting points and picks p so far;  D: the exact rule of scan/kernel.h
//
// Sources: Gonzalez, "Clustering to minimize the maximum intercluster distance", TCS 1985;
// Sener, Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR 2018.
//
// rows       IN   (n, d) view; positions, if any, ascending and distinct
// starts     IN   (l, d) points, packed; null: none, and `first` is the first pick
// first      IN   without starts: one of the rows visited
// b          IN   0 <= b <= rows.visited; for b = 0 nothing is read
// picks      OUT  (b,) int64, distinct rows in [0, n), in order
// distances  OUT  (b,) float64, D of each pick when it was picked, never increasing; of `first`: infinity
// Preconditions (checked by the binding): same d, 1 <= d <= kLargestD, and the above. Rows at D = 0 are
// picked like others, in order of index. If visited rows are not finite, they are counted and nothing
// is picked. The answer does not depend on kernel or threads.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/certified.h"

namespace ally_fast {

class DeviceTable;

struct NonfiniteRows {
  int64_t count = 0;
  int64_t first = -1;
};

NonfiniteRows k_center_greedy_cpu(const RowsView& rows, const PackedPoints* starts, int64_t first,
                                  int64_t b, const Kernel& kernel, int threads, int64_t* picks,
                                  double* distances);

// What only the device can see of the arguments.
struct KCenterFindings {
  NonfiniteRows nonfinite;
  int64_t outside = 0;       // positions not in [0, n)
  int64_t unordered = 0;     // positions not above the one before
  int64_t first_place = -1;  // `first` is this visited row
};

// Device pointers; the starts packed. If rows or positions are not as above, or `first` is not visited,
// nothing is picked, and the caller raises what was found. Waits for that, and for the picks of each
// round; while the device goes on to lower the distances, except where the round may be the last.
KCenterFindings k_center_greedy_cuda(const CudaStream& stream, const RowsView& rows,
                                     const DeviceTable* starts, int64_t first, int64_t b,
                                     int64_t* picks, double* distances);

}  // namespace ally_fast
