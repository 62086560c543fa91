#include <algorithm>

#include "../../common/cuda/atomic.h"
#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/scan/row_group.h"
#include "assign_among.h"

namespace ally_fast {
namespace {

constexpr DType kFloats = DType::kFloat32;
constexpr int kThreads = 256, kSumThreads = 1024;
constexpr int64_t kMostWorkspace = 128 << 20;  // bytes, where rows are very long

// Rows in the order of their previous clusters, cut into tiles of at most 64 rows of one cluster.
struct Partition {
  const int64_t* order;       // (t,) row numbers, in any order within a cluster
  const int64_t* begin;       // (groups + 1,) where a cluster starts in `order`
  const int64_t* tile_begin;  // (groups + 1,) and its tiles among all of them
  int64_t groups;
};

// Mapping: a thread a row.
// Shared memory: none.
// Accumulator: the clusters' sizes, int64.
// Order of sums: any.
__global__ void count_kernel(const int32_t* previous, int64_t t, int64_t* sizes) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < t) atomic_add(&sizes[previous[i]], 1);
}

// Mapping: one block, a thread a cluster at a time.
// Shared memory: see block_sum.h.
// Accumulator: int64.
// Order of sums: any.
__global__ void __launch_bounds__(kSumThreads)
    begin_kernel(const int64_t* sizes, int64_t groups, int64_t* begin, int64_t* tile_begin) {
  exclusive_sums(groups, [=](int64_t g) { return sizes[g]; }, begin);
  exclusive_sums(
      groups, [=](int64_t g) { return (sizes[g] + kGroupRows - 1) / kGroupRows; }, tile_begin);
}

// Mapping: a thread a row. `sizes` counts down to zero.
// Shared memory: none.
// Accumulator: none.
// Order of sums: none; no answer depends on the order of rows within a cluster.
__global__ void order_kernel(const int32_t* previous, int64_t t, const int64_t* begin,
                             int64_t* sizes, int64_t* order) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < t) order[begin[previous[i]] + atomic_add(&sizes[previous[i]], -1) - 1] = i;
}

// The centroids that a list names, in its order.
struct ListedCentroids {
  const TableView& table;
  const int32_t* list;
  int length;

  __device__ __forceinline__ int64_t count() const { return length; }
  __device__ __forceinline__ int original(int n) const { return list[min(n, length - 1)]; }
  __device__ __forceinline__ const uint16_t* packed(int n) const {
    return table.packed + int64_t{original(n)} * static_cast<int>(table.d_padded);
  }
  __device__ __forceinline__ void copy_norms(int tile, SharedAddress to) const {
    const int at = static_cast<int>(threadIdx.x), n = tile * static_cast<int>(kTileCentroids) + at;
    if (at >= static_cast<int>(kTileCentroids)) return;
    if (n < length) {
      copy_async_4(to + at * 4, table.half_norm + original(n));
      copy_async_4(to + kNormBytes + at * 4, table.norm + original(n));
    } else {
      store_shared_float(to + at * 4, kNever);
      store_shared_float(to + kNormBytes + at * 4, 0.0f);
    }
  }
};

struct AmongShared {
  RowGroup<kFloats> group;
  float norm[kGroupRows];
  int64_t row[kGroupRows];
  int64_t cluster;     // of the tile at hand, -1: there is none
  int64_t first, end;  // where in the order its rows begin, and its cluster ends
};
static_assert(sizeof(AmongShared) <= kGroupSharedBytes, "room for it");

// The last cluster whose tiles begin at `tile` or before: empty clusters have none.
__device__ __forceinline__ int64_t cluster_of(const Partition& partition, int64_t tile) {
  int64_t low = 0, high = partition.groups - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (partition.tile_begin[middle] <= tile) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

// Mapping: blocks take tiles of 64 rows of one cluster, past the centroids of its list, 128 at a time;
//   warps in 2 x 4, 32 x 32 scores each. Rows that are not certain then are settled at once.
// Shared memory: see tile_scan.h (the leaders take their place for a moment); then an AmongShared.
// Accumulator: float32 on the tensor cores; float64 for distances.
// Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kScanThreads, 2)
    assign_among_kernel(ScanLayout layout, const float* rows, TableView table, Partition partition,
                        const int32_t* lists, int length, int64_t* cursor, uint16_t* workspace,
                        int32_t* out) {
  auto* const shared = reinterpret_cast<AmongShared*>(dynamic_shared() + layout.bytes());
  auto& group = shared->group;
  auto* const leaders = reinterpret_cast<Leader*>(dynamic_shared());
  uint16_t* const packed = workspace + int64_t{blockIdx.x} * kGroupRows * table.d_padded;
  for (;;) {
    __syncthreads();  // everyone is done with the tile before
    if (threadIdx.x == 0) {
      const int64_t tile = atomic_add(cursor, 1);
      shared->cluster = -1;
      if (tile < partition.tile_begin[partition.groups]) {
        const int64_t cluster = cluster_of(partition, tile);
        shared->cluster = cluster;
        shared->first =
            partition.begin[cluster] + (tile - partition.tile_begin[cluster]) * kGroupRows;
        shared->end = partition.begin[cluster + 1];
      }
    }
    __syncthreads();
    if (shared->cluster < 0) break;
#pragma unroll 1
    for (int i = 0; i < kOwnedRows; ++i) {
      const int slot = owned_row(i);
      uint16_t* const to = packed + slot * table.d_padded;
      float error = 0, norm = 0;
      int64_t row = -1;
      ExactRow<kFloats> features{};
      if (shared->first + slot < shared->end) {
        row = partition.order[shared->first + slot];
        features.data = reinterpret_cast<const char*>(rows + row * table.d);
        features.stride = sizeof(float);
        pack_row(features, table, to, &norm, &error);
        if (!isfinite(error) && !is_finite(features, table.d)) {
          if (octet_lane() == 0) out[row] = -1;
          row = -1;
        }
      } else {
        pack_nothing(table, to);
      }
      if (octet_lane() == 0) {
        shared->row[slot] = row;
        shared->norm[slot] = norm;
        group.error[slot] = error;
        group.features[slot] = features;
      }
    }
    __syncthreads();
    const ListedCentroids centroids{table, lists + shared->cluster * length, length};
    {
      Tracker<kGroupRowWarps> tracker;
      float error[2][2];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) error[m][h] = group.error[GroupTile::row(m, h)];
      }
      scan_tiles<kGroupRowWarps>(
          layout, packed, table.d_padded, centroids, error,
          [&](int tile, const typename GroupTile::Accumulator& acc) { tracker.update(tile, acc); });
      tracker.merge(leaders);
    }
    bool uncertain = false;
    if (threadIdx.x < kGroupRows) {
      const int slot = static_cast<int>(threadIdx.x);
      constexpr int kBits = Tracker<kGroupRowWarps>::kKeyBits;
      const Leader leader = leaders[slot];
      const float error = group.error[slot];
      const int nearest = centroids.original(leader.column);
      const bool real = shared->row[slot] >= 0, readable = isfinite(error);
      double limit = static_cast<double>(infinity());
      if (readable) {
        limit = limit_of_nearest(table, -leader.best, kBits, nearest, error,
                                 static_cast<double>(shared->norm[slot]));
      }
      const bool certain = readable && cut_down(-leader.second, kBits) > limit;
      if (real && certain) out[shared->row[slot]] = nearest;
      uncertain = real && !certain;
      group.active[slot] = uncertain;
      group.least[slot] = -rounded_up(limit);
      group.nearest[slot] = static_cast<double>(infinity());
      group.index[slot] = 0;
    }
    if (!__syncthreads_or(uncertain)) continue;
    settle_group(layout, &group, packed, table, centroids);
    if (threadIdx.x < kGroupRows && group.active[threadIdx.x]) {
      out[shared->row[threadIdx.x]] = centroids.original(group.index[threadIdx.x]);
    }
  }
}

}  // namespace

void assign_among_cuda(const CudaStream& stream, const float* rows, int64_t t,
                       const DeviceTable& table, const int32_t* previous, const int32_t* lists,
                       int64_t groups, int64_t length, int32_t* out) {
  const OpScope scope("assign_among", stream);
  const TableView& view = table.view();
  const Buffer<int64_t> order(scope, t), begin(scope, groups + 1), tile_begin(scope, groups + 1);
  const Buffer<int64_t> sizes(scope, groups + 1);  // and the cursor
  scope.fill(sizes.data(), 0, sizes.bytes());
  const Shape per_row{blocks_for(t, kThreads), kThreads};
  scope.launch(count_kernel, per_row, previous, t, sizes.data());
  scope.launch(begin_kernel, {1, kSumThreads}, sizes.data(), groups, begin.data(),
               tile_begin.data());
  scope.launch(order_kernel, per_row, previous, t, begin.data(), sizes.data(), order.data());

  const int64_t block_length = kGroupRows * view.d_padded;
  const int64_t most = std::min(2 * int64_t{scope.multiprocessors()}, t / kGroupRows + groups);
  const int64_t blocks = std::max<int64_t>(1, std::min(most, kMostWorkspace / (2 * block_length)));
  const Buffer<uint16_t> workspace(scope, blocks * block_length);
  const ScanLayout layout = choose_layout(scope, kGroupRows, view.d_padded, kGroupSharedBytes);
  scope.launch(assign_among_kernel,
               {blocks, kScanThreads, static_cast<size_t>(layout.bytes() + kGroupSharedBytes)},
               layout, rows, view, Partition{order.data(), begin.data(), tile_begin.data(), groups},
               lists, length, sizes.data() + groups, workspace.data(), out);
}

}  // namespace ally_fast
