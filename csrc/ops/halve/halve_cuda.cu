#include "../../common/cuda/cluster_order.h"
#include "../../common/cuda/cluster_runs.h"
#include "../../common/cuda/scope.h"
#include "../../common/sums/merge_cost.h"
#include "halve.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;

// What is known of each cluster on the way; used of those that were stale.
struct Search {
  int64_t*
      largest;  // (k,): bits of the largest distance to the mean, whose order is the distances'
  int32_t* farthest;  // (k,): the row that has it
  uint8_t* open;      // (k,): whether the cluster can still be halved
  double* limits;     // (k,)
  int64_t* counts;    // (k,): rows of side 1
  int64_t* sums;      // (k, d): of rows of side 1
  float *near, *far;  // (k, d): means of both sides; at first the mean and the farthest row
};

// The rows of stale clusters.
struct StaleRows {
  const int32_t* order;
  const int64_t* count;
  double* distances;  // by position in the order
};

__device__ __forceinline__ int64_t octet_index() {
  return (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kOctet;
}

// Mapping: an octet a cluster. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads)
    start_kernel(ClusteredRows all, Halves out, Search search) {
  const int64_t c = octet_index();
  if (c >= all.k || !out.stale[c]) return;
  for (int64_t j = octet_lane(); j < all.d; j += kOctet) search.sums[c * all.d + j] = 0;
  if (octet_lane() > 0) return;
  search.largest[c] = 0;
  search.farthest[c] = INT32_MAX;
  search.counts[c] = 0;
  out.spreads[2 * c] = out.spreads[2 * c + 1] = 0;
}

struct Measured {
  DistanceSum spread{0, 0};
  double largest = 0;

  __device__ __forceinline__ Measured from_lane(int by) const {
    Measured other;
    other.spread.high = __shfl_xor_sync(~0u, spread.high, by);
    other.spread.low = __shfl_xor_sync(~0u, spread.low, by);
    other.largest = __shfl_xor_sync(~0u, largest, by);
    return other;
  }
  __device__ __forceinline__ void merge(const Measured& other) {
    spread.high += other.spread.high;
    spread.low += other.spread.low;
    largest = other.largest > largest ? other.largest : largest;
  }
};

// Distances to the means; each cluster's spread, and its largest distance.
// Mapping: an octet 16 positions in the order of the clusters (walk_run).
// Shared memory: none.
// Accumulator: float64 for a distance, in the exact rule's order (octet.h), then integers.
// Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    measure_kernel(ClusteredRows all, Halves out, Search search, StaleRows rows, int bits) {
  const double scale = *Grid(all.grid, all.d).distance_scale;
  const int64_t d = all.d;
  walk_run<Measured>(
      octet_index(), rows.order, rows.count, all.assignments,
      [&](Measured& tally, int64_t position, int32_t i, int32_t c) {
        const double distance = octet_distance(all.rows + i * d, all.centroids + c * d, d);
        if (octet_lane() == 0) rows.distances[position] = distance;
        tally.merge({grid_distance(distance, scale, bits), distance});
      },
      [&](int32_t c, const Measured& tally) {
        int64_t* const spread = out.spreads + int64_t{2} * c;
        atomic_add(spread, tally.spread.high);
        atomic_add(spread + 1, tally.spread.low);
        atomic_max(search.largest + c, __double_as_longlong(tally.largest));
      });
}

// Of rows at the largest distance the first.
// Mapping: a thread a position. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads)
    farthest_kernel(ClusteredRows all, Search search, StaleRows rows) {
  const int64_t position = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (position >= *rows.count) return;
  const int32_t i = rows.order[position], c = all.assignments[i];
  if (__double_as_longlong(rows.distances[position]) == search.largest[c]) {
    atomicMin(search.farthest + c, i);
  }
}

// The first direction: from the mean to the farthest row.
// Mapping: an octet a cluster. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads)
    direct_kernel(ClusteredRows all, Halves out, Search search) {
  const int64_t c = octet_index(), d = all.d;
  if (c >= all.k || !out.stale[c]) return;
  const bool open = search.largest[c] > 0;
  if (octet_lane() == 0) {
    search.open[c] = open;
    search.limits[c] = 0;
  }
  if (!open) return;
  const float* const row = all.rows + search.farthest[c] * d;
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    search.far[c * d + j] = row[j];
    search.near[c * d + j] = all.centroids[c * d + j];
  }
}

struct Counted {
  int64_t count = 0;

  __device__ __forceinline__ Counted from_lane(int by) const {
    return {__shfl_xor_sync(~0u, count, by)};
  }
  __device__ __forceinline__ void merge(const Counted& other) { count += other.count; }
};

// Each row's side, and the rows of side 1.
// Mapping, shared memory, accumulator: as measure_kernel.
__global__ void __launch_bounds__(kThreads)
    sides_kernel(ClusteredRows all, Halves out, Search search, StaleRows rows) {
  const int64_t d = all.d;
  walk_run<Counted>(
      octet_index(), rows.order, rows.count, all.assignments,
      [&](Counted& tally, int64_t, int32_t i, int32_t c) {
        if (!search.open[c]) return;
        const float *const row = all.rows + i * d, *const mean = all.centroids + c * d;
        const float *const near = search.near + c * d, *const far = search.far + c * d;
        const double lean = octet_sum_of_terms(d, [=](int64_t j) {
          const double direction = static_cast<double>(far[j]) - static_cast<double>(near[j]);
          return (static_cast<double>(row[j]) - static_cast<double>(mean[j])) * direction;
        });
        const bool side = lean > search.limits[c];
        if (octet_lane() == 0) out.sides[i] = side;
        tally.count += side;
      },
      [&](int32_t c, const Counted& tally) {
        if (tally.count > 0) atomic_add(search.counts + c, tally.count);
      });
}

// Sums of the rows of side 1.
// Mapping: a warp a run of rows and a slice of features (add_run of cluster_runs.h).
// Shared memory: none.
// Accumulator: int64, in registers, then global. Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    sums_kernel(ClusteredRows all, Halves out, Search search, StaleRows rows) {
  const int64_t warp = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  const auto cluster_of = [&](int32_t i) {
    const int32_t c = all.assignments[i];
    return search.open[c] && out.sides[i] ? c : -1;
  };
  add_run(warp, all.rows, all.d, Grid(all.grid, all.d), rows.order, rows.count, cluster_of,
          search.sums);
}

// Means of both sides, and the limit halfway. Unless it is the last time, counts and sums are zeros again.
// Mapping: an octet a cluster, a lane the same features throughout.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kThreads)
    aim_kernel(ClusteredRows all, Halves out, Search search, bool last) {
  const int64_t c = octet_index(), d = all.d;
  if (c >= all.k || !out.stale[c] || !search.open[c]) return;
  const Grid grid(all.grid, d);
  const int64_t count = search.counts[c], rest = all.counts[c] - count;
  __syncwarp(octet_mask());  // all have read what one lane writes
  if (count == 0 || rest == 0) {
    if (octet_lane() == 0) search.open[c] = 0;
    return;
  }
  const float* const mean = all.centroids + c * d;
  float *const near = search.near + c * d, *const far = search.far + c * d;
  int64_t* const sums = search.sums + c * d;
  const int64_t* const whole = all.sums + c * d;
  for (int64_t j = octet_lane(); j < d; j += kOctet) {
    const double shift = grid.shift[j], scale = grid.scale[j];
    far[j] = mean_feature(shift, scale, sums[j], count);
    near[j] = mean_feature(shift, scale, whole[j] - sums[j], rest);
    if (!last) sums[j] = 0;
  }
  const double from_far = octet_distance(far, mean, d), from_near = octet_distance(near, mean, d);
  if (octet_lane() > 0) return;
  search.limits[c] = (from_far - from_near) / 2;
  if (!last) search.counts[c] = 0;
}

// Mapping: an octet a cluster, a lane the same features throughout.
// Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kThreads)
    finish_kernel(ClusteredRows all, Halves out, Search search) {
  const int64_t c = octet_index(), d = all.d;
  if (c >= all.k || !out.stale[c]) return;
  int64_t count = 0;
  double gain = 0;
  if (search.open[c]) {
    const float *const near = search.near + c * d, *const far = search.far + c * d;
    for (int64_t j = octet_lane(); j < d; j += kOctet) {
      out.centroids[c * d + j] = far[j];
      out.sums[c * d + j] = search.sums[c * d + j];
    }
    count = search.counts[c];
    gain = merge_cost(octet_distance(near, far, d), all.counts[c] - count, count);
  }
  __syncwarp(octet_mask());  // all have read `stale`
  if (octet_lane() > 0) return;
  out.counts[c] = count;
  out.gains[c] = gain;
  out.stale[c] = 0;
}

// Rows of clusters that cannot be halved are of side 0.
// Mapping: a thread a position. Shared memory: none. Nothing is computed.
__global__ void __launch_bounds__(kThreads)
    clear_kernel(ClusteredRows all, Halves out, Search search, StaleRows rows) {
  const int64_t position = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (position >= *rows.count) return;
  const int32_t i = rows.order[position];
  if (!search.open[all.assignments[i]]) out.sides[i] = 0;
}

}  // namespace

void halve_cuda(const CudaStream& stream, const ClusteredRows& clustered, const Halves& halves) {
  const OpScope scope("halve", stream);
  const int64_t t = clustered.t, d = clustered.d, k = clustered.k;
  const Buffer<int64_t> largest(scope, k), counts(scope, k), sums(scope, k * d);
  const Buffer<int32_t> farthest(scope, k);
  const Buffer<uint8_t> open(scope, k);
  const Buffer<double> limits(scope, k), distances(scope, t);
  const Buffer<float> near(scope, k * d), far(scope, k * d);
  const Search search{largest.data(), farthest.data(), open.data(), limits.data(),
                      counts.data(),  sums.data(),     near.data(), far.data()};
  const DeviceClusterOrder order(scope, clustered.assignments, t, k, halves.stale);
  const StaleRows rows{order.rows(), order.count(), distances.data()};

  const Shape by_cluster{blocks_for(k, kThreads / kOctet), kThreads};
  const Shape by_position{blocks_for(t, kThreads), kThreads};
  const Shape by_octet{blocks_for(run_octets(t), kThreads / kOctet), kThreads};
  const Shape by_warp{blocks_for(run_warps(t, d), kThreads / 32), kThreads};
  scope.launch(start_kernel, by_cluster, clustered, halves, search);
  scope.launch(measure_kernel, by_octet, clustered, halves, search, rows,
               grid_bits(clustered.most));
  scope.launch(farthest_kernel, by_position, clustered, search, rows);
  scope.launch(direct_kernel, by_cluster, clustered, halves, search);
  for (int round = 1; round <= kHalvings; ++round) {
    scope.launch(sides_kernel, by_octet, clustered, halves, search, rows);
    scope.launch(sums_kernel, by_warp, clustered, halves, search, rows);
    scope.launch(aim_kernel, by_cluster, clustered, halves, search, round == kHalvings);
  }
  scope.launch(finish_kernel, by_cluster, clustered, halves, search);
  scope.launch(clear_kernel, by_position, clustered, halves, search, rows);
}

}  // namespace ally_fast
