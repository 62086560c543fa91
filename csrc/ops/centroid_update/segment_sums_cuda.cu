#include "segment_sums.h"

#include <algorithm>

#include "../../common/cuda/octet.h"
#include "../../common/cuda/sort_tile.h"
#include "centroid_update.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kSortThreads = 1024;
constexpr int kAhead = 8;       // rows that a warp reads before it adds them
constexpr int kPlaceBits = 14;  // a row's place in its segment
static_assert(kSegmentRows == int64_t{1} << kPlaceBits, "a key holds a place in a segment");

// Some segments in a row, from row `first` on.
struct Batch {
  const float* rows;
  const int32_t* assignments;
  const float* centroids;
  int64_t t, d, k, first, segments;
  uint16_t* order;    // (segments, kSegmentRows) places in the segment, by cluster, then in order
  int32_t* begins;    // (segments, k + 1) where each cluster's run begins in `order`
  double* distances;  // (segments, kSegmentRows) of each row to its centroid, in row order
  double* runs;       // (segments, k, d + 1) sums of each run, its distances last; or null
  double* sums;
  double* squares;
  int64_t* counts;

  __device__ __forceinline__ int64_t left() const { return t - first; }
};

struct Smaller {
  template <class Key>
  __device__ __forceinline__ bool operator()(Key a, Key b) const {
    return a < b;
  }
};

// Sorts the rows of segments by cluster and place.
// Mapping: a block a segment.
// Shared memory: its keys, the cluster above the place.
// Accumulator: none. Order of sums: none.
template <class Key>
__global__ void __launch_bounds__(kSortThreads, 1) sort_segments_kernel(Batch batch) {
  Key* const keys = reinterpret_cast<Key*>(dynamic_shared());
  const int64_t segment = blockIdx.x, begin = segment * kSegmentRows;
  const int count = static_cast<int>(min(kSegmentRows, batch.left() - begin));
  const int32_t* const clusters = batch.assignments + batch.first + begin;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kSortThreads) {
    keys[i] = static_cast<Key>(clusters[i]) << kPlaceBits | static_cast<Key>(i);
  }
  __syncthreads();
  sort_tile<Smaller>(keys, count);
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kSortThreads) {
    batch.order[begin + i] = static_cast<uint16_t>(keys[i] & (kSegmentRows - 1));
  }
  for (int64_t c = threadIdx.x; c <= batch.k; c += kSortThreads) {
    const Key first_key = static_cast<Key>(c) << kPlaceBits;
    int low = 0, high = count;  // the first key that is not below
    while (low < high) {
      const int middle = (low + high) / 2;
      if (keys[middle] < first_key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    batch.begins[segment * (batch.k + 1) + c] = low;
  }
}

// Mapping: an octet a row. Shared memory: none.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
__global__ void distances_kernel(Batch batch, RowsView view) {
  const int64_t i = int64_t{blockIdx.x} * (kThreads / kOctet) + threadIdx.x / kOctet;
  if (i >= min(batch.left(), batch.segments * kSegmentRows)) return;
  const ExactRow<DType::kFloat32> row = exact_row<DType::kFloat32>(view, batch.first + i);
  const float* const centroid = batch.centroids + batch.assignments[batch.first + i] * batch.d;
  const double distance = exact_distance(row, centroid, batch.d);
  if (octet_lane() == 0) batch.distances[i] = distance;
}

// Sum of feature j about the centroid, over a run.
__device__ __forceinline__ double sum_of_feature(const Batch& batch, const uint16_t* order,
                                                 int count, const float* rows, int64_t j,
                                                 double centre) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  double sum = 0;
  for (int at = 0; at < count; at += 32) {
    const int left = min(count - at, 32);
    const int place = lane < left ? order[at + lane] : 0;
    for (int u = 0; u < left; u += kAhead) {
      float x[kAhead];
#pragma unroll
      for (int v = 0; v < kAhead; ++v) {
        const int64_t row = __shfl_sync(~0u, place, u + v);
        x[v] = u + v < left && j < batch.d ? rows[row * batch.d + j] : 0.0f;
      }
#pragma unroll
      for (int v = 0; v < kAhead; ++v) {
        if (u + v < left) sum += static_cast<double>(x[v]) - centre;
      }
    }
  }
  return sum;
}

// Sum of the distances of a run, in every lane.
__device__ __forceinline__ double sum_of_distances(const uint16_t* order, int count,
                                                   const double* distances) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  double sum = 0;
  for (int at = 0; at < count; at += 32) {
    const int left = min(count - at, 32);
    const double own = lane < left ? distances[order[at + lane]] : 0.0;
    for (int u = 0; u < left; ++u) sum += __shfl_sync(~0u, own, u);
  }
  return sum;
}

// Mapping: a warp 32 features of a run (a segment's rows of a cluster), one warp its distances.
// Shared memory: none.
// Accumulator: float64. Order of sums: by row; kDirect, where the batch is one segment: added to what
// the segments before gave.
template <bool kDirect>
__global__ void __launch_bounds__(kThreads) runs_kernel(Batch batch) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int64_t warp = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  const int64_t slices = (batch.d + 31) / 32 + 1, run = warp / slices, slice = warp % slices;
  const int64_t segment = run / batch.k, c = run % batch.k;
  if (segment >= batch.segments) return;
  const int32_t* const begins = batch.begins + segment * (batch.k + 1) + c;
  const int begin = begins[0], count = begins[1] - begin;
  if (count == 0) return;
  const uint16_t* const order = batch.order + segment * kSegmentRows + begin;
  if (slice == slices - 1) {
    const double sum = sum_of_distances(order, count, batch.distances + segment * kSegmentRows);
    if (lane > 0) return;
    if constexpr (kDirect) {
      batch.squares[c] += sum;
      batch.counts[c] += count;
    } else {
      batch.runs[(run + 1) * (batch.d + 1) - 1] = sum;
    }
    return;
  }
  const int64_t j = slice * 32 + lane;
  const double centre = j < batch.d ? static_cast<double>(batch.centroids[c * batch.d + j]) : 0.0;
  const float* const rows = batch.rows + (batch.first + segment * kSegmentRows) * batch.d;
  const double sum = sum_of_feature(batch, order, count, rows, j, centre);
  if (j >= batch.d) return;
  if constexpr (kDirect) {
    batch.sums[c * batch.d + j] += sum;
  } else {
    batch.runs[run * (batch.d + 1) + j] = sum;
  }
}

// Adds the batch's runs to the totals.
// Mapping: a thread a feature of a cluster, or its distances.
// Shared memory: none.
// Accumulator: float64. Order of sums: by segment.
__global__ void __launch_bounds__(kThreads) totals_kernel(Batch batch) {
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t c = at / (batch.d + 1), j = at % (batch.d + 1);
  if (c >= batch.k) return;
  double* const total = j < batch.d ? batch.sums + c * batch.d + j : batch.squares + c;
  double sum = *total;
  int64_t rows = 0;
  for (int64_t segment = 0; segment < batch.segments; ++segment) {
    const int32_t* const begins = batch.begins + segment * (batch.k + 1) + c;
    if (begins[0] == begins[1]) continue;
    rows += begins[1] - begins[0];
    sum += batch.runs[(segment * batch.k + c) * (batch.d + 1) + j];
  }
  *total = sum;
  if (j == batch.d) batch.counts[c] += rows;
}

}  // namespace

void sum_segments(const OpScope& scope, const float* rows, int64_t t, int64_t d,
                  const int32_t* assignments, const float* centroids, int64_t k, double* sums,
                  double* squares, int64_t* counts, int64_t workspace_bytes) {
  const int64_t run_sums = k * (d + 1);  // of a segment
  const int64_t room = workspace_bytes / static_cast<int64_t>(sizeof(double)) / run_sums;
  const int64_t segments = blocks_for(t, kSegmentRows);
  // With room for one segment only, its runs go to the totals at once: they are work enough.
  const bool direct = room < 2;
  const int64_t most = direct ? 1 : std::min(room, segments);
  const Buffer<uint16_t> order(scope, most * kSegmentRows);
  const Buffer<int32_t> begins(scope, most * (k + 1));
  const Buffer<double> distances(scope, most * kSegmentRows),
      runs(scope, direct ? 0 : most * run_sums);
  scope.fill(sums, 0, k * d * static_cast<int64_t>(sizeof(double)));
  scope.fill(squares, 0, k * static_cast<int64_t>(sizeof(double)));
  scope.fill(counts, 0, k * static_cast<int64_t>(sizeof(int64_t)));
  const RowsView view = view_float32(rows, t, d);
  const bool narrow = k < int64_t{1} << (32 - kPlaceBits);
  const size_t key_bytes = narrow ? sizeof(uint32_t) : sizeof(uint64_t);
  for (int64_t at = 0; at < segments; at += most) {
    const int64_t here = std::min(most, segments - at);
    const Batch batch{rows,
                      assignments,
                      centroids,
                      t,
                      d,
                      k,
                      at * kSegmentRows,
                      here,
                      order.data(),
                      begins.data(),
                      distances.data(),
                      runs.data(),
                      sums,
                      squares,
                      counts};
    scope.launch(narrow ? sort_segments_kernel<uint32_t> : sort_segments_kernel<uint64_t>,
                 {here, kSortThreads, kSegmentRows * key_bytes}, batch);
    scope.launch(distances_kernel, {blocks_for(here * kSegmentRows, kThreads / kOctet), kThreads},
                 batch, view);
    const int64_t warps = here * k * (blocks_for(d, 32) + 1);
    scope.launch(direct ? runs_kernel<true> : runs_kernel<false>,
                 {blocks_for(warps, kThreads / 32), kThreads}, batch);
    if (!direct) scope.launch(totals_kernel, {blocks_for(run_sums, kThreads), kThreads}, batch);
  }
}

}  // namespace ally_fast
