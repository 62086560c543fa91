// Walks over rows in the order of their clusters (cluster_order.h): what a thread finds of one cluster it
// keeps in registers, and adds to the cluster's own sum by one atomic for each run of its rows. Pieces are
// of equal length whatever the sizes of the clusters are; sums are integers, so that no order matters.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "../sums/grid.h"
#include "atomic.h"
#include "octet.h"

namespace ally_fast {

// q of common/sums/grid.h: adding 1.5 * 2^52 to |v| <= 2^51 leaves rint(v), to even, in the lowest bits.
__device__ __forceinline__ int64_t grid_steps(float x, double shift, double scale) {
  constexpr double kMagic = 0x1.8p52;
  const double moved = (static_cast<double>(x) - shift) * scale + kMagic;
  return __double_as_longlong(moved) - __double_as_longlong(kMagic);
}

constexpr int kRunPositions = 32;    // of a warp
constexpr int kSliceFeatures = 128;  // four a lane

__host__ __device__ inline int64_t slices_of(int64_t d) {
  return (d + kSliceFeatures - 1) / kSliceFeatures;
}
// Warps that cover so many positions in the order.
inline int64_t run_warps(int64_t positions, int64_t d) {
  return (positions + kRunPositions - 1) / kRunPositions * slices_of(d);
}

// sums_c += q(x_i) for the rows i of a run and the features of a slice, both told by `warp` in
// [0, run_warps). cluster_of(i) gives c, or -1 for a row that does not count. All 32 lanes call it.
// count  IN      (1,): positions in the order
// sums   IN/OUT  (k, d)
template <class ClusterOf>
__device__ __forceinline__ void add_run(int64_t warp, const float* rows, int64_t d,
                                        const Grid& grid, const int32_t* order,
                                        const int64_t* count, const ClusterOf& cluster_of,
                                        int64_t* sums) {
  constexpr int kEach = kSliceFeatures / 32, kAhead = 4;  // rows whose loads are under way together
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int64_t slices = slices_of(d), position = warp / slices * kRunPositions + lane,
                end = *count;
  if (position - lane >= end) return;  // the same for all lanes
  const int64_t first_feature = warp % slices * kSliceFeatures + lane;
  const int32_t own_row = position < end ? order[position] : 0;
  const int32_t own_cluster = position < end ? cluster_of(own_row) : -1;

  double shift[kEach], scale[kEach];
  int64_t steps[kEach];
#pragma unroll
  for (int f = 0; f < kEach; ++f) {
    const int64_t j = first_feature + 32 * f;
    shift[f] = j < d ? grid.shift[j] : 0.0;
    scale[f] = j < d ? grid.scale[j] : 0.0;
    steps[f] = 0;
  }
  int32_t current = -1;
  const auto flush = [&] {
    if (current < 0) return;
#pragma unroll
    for (int f = 0; f < kEach; ++f) {
      const int64_t j = first_feature + 32 * f;
      if (j < d) atomic_add(sums + current * d + j, steps[f]);
      steps[f] = 0;
    }
  };
  for (int begin = 0; begin < kRunPositions; begin += kAhead) {
    float x[kAhead][kEach];
    int32_t cluster[kAhead];
#pragma unroll
    for (int r = 0; r < kAhead; ++r) {
      cluster[r] = __shfl_sync(~0u, own_cluster, begin + r);
      const float* const row = rows + __shfl_sync(~0u, own_row, begin + r) * d;
#pragma unroll
      for (int f = 0; f < kEach; ++f) {
        const int64_t j = first_feature + 32 * f;
        x[r][f] = cluster[r] >= 0 && j < d ? row[j] : 0.0f;
      }
    }
#pragma unroll
    for (int r = 0; r < kAhead; ++r) {
      if (cluster[r] < 0) continue;
      if (cluster[r] != current) {
        flush();
        current = cluster[r];
      }
#pragma unroll
      for (int f = 0; f < kEach; ++f) steps[f] += grid_steps(x[r][f], shift[f], scale[f]);
    }
  }
  flush();
}

constexpr int kOctetPositions = 16;

// Octets that cover so many positions in the order.
inline int64_t run_octets(int64_t positions) {
  return (positions + kOctetPositions - 1) / kOctetPositions;
}

// Visits the positions of an octet, told by `octet` in [0, run_octets), in order. All lanes of the warp call it.
// visit(tally, position, i, c)  all lanes of the octet, for row i of cluster c
// Tally                      what an octet has found of one cluster: merge(other), and zeros by default
// flush(c, tally)            one lane
// count                      IN  (1,): positions in the order
template <class Tally, class Visit, class Flush>
__device__ __forceinline__ void walk_run(int64_t octet, const int32_t* order, const int64_t* count,
                                         const int32_t* assignments, const Visit& visit,
                                         const Flush& flush) {
  const int64_t end = min(*count, (octet + 1) * kOctetPositions);
  int32_t current = -1;
  Tally tally;
  for (int64_t position = octet * kOctetPositions; position < end; ++position) {
    const int32_t i = order[position], c = assignments[i];
    if (c != current) {
      if (current >= 0 && octet_lane() == 0) flush(current, tally);
      current = c;
      tally = Tally{};
    }
    visit(tally, position, i, c);
  }
  // Octets of a warp that end in the same cluster flush as one.
  __syncwarp();
  const bool alike = __all_sync(~0u, current == __shfl_sync(~0u, current, 0));
  if (alike) {
    for (int by = kOctet; by < 32; by *= 2) tally.merge(tally.from_lane(by));
  }
  const bool leads = alike ? (threadIdx.x & 31) == 0 : octet_lane() == 0;
  if (current >= 0 && leads) flush(current, tally);
}

}  // namespace ally_fast
