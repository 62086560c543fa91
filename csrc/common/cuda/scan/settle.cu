#include "settle.h"

#include <algorithm>

#include "../atomic.h"
#include "row_group.h"

namespace ally_fast {
namespace {

constexpr int64_t kMostWorkspace = 128 << 20;  // bytes, where rows are very long

constexpr int kOctets = kScanThreads / kOctet;

template <DType kDType>
struct SettleShared {
  RowGroup<kDType> group;
  uint32_t number[kGroupRows];
  int64_t first;
  int64_t uncertain[kOctets], measured[kOctets];
};
static_assert(sizeof(SettleShared<DType::kFloat64>) <= kGroupSharedBytes, "room for it");

// A row that no centroid can be told to be nearest to. One lane calls it.
__device__ __forceinline__ void reject(const SettleTarget& target, uint32_t number) {
  target.out[number] = -1;
  atomic_add(&target.stats[2], 1);
  // -1, none so far, is above all others.
  atomicMin(reinterpret_cast<unsigned long long*>(&target.stats[3]),
            static_cast<unsigned long long>(target.first + number));
}

// Mapping: blocks take 64 uncertain rows at a time, past all centroids, 128 at a time; warps in
//   2 x 4, 32 x 32 scores each; an octet measures the candidates of two rows.
// Shared memory: see tile_scan.h; then a RowGroup.
// Accumulator: float32 on the tensor cores; float64 for distances.
// Order of sums: the exact rule's (octet.h).
template <DType kDType>
__global__ void __launch_bounds__(kScanThreads, 2)
    settle_kernel(ScanLayout layout, RowsView rows, TableView table, UncertainList list,
                  int64_t* cursor, uint16_t* workspace, SettleTarget target) {
  auto* const shared = reinterpret_cast<SettleShared<kDType>*>(dynamic_shared() + layout.bytes());
  auto& group = shared->group;
  uint16_t* const packed = workspace + int64_t{blockIdx.x} * kGroupRows * table.d_padded;
  const int64_t count = *list.count;
  const bool leader = octet_lane() == 0;
  const int octet = static_cast<int>(threadIdx.x) / kOctet;
  if (leader) shared->uncertain[octet] = shared->measured[octet] = 0;
  for (;;) {
    if (threadIdx.x == 0) shared->first = atomic_add(cursor, kGroupRows);
    __syncthreads();
    const int64_t first = shared->first;
    if (first >= count) break;
#pragma unroll 1
    for (int i = 0; i < kOwnedRows; ++i) {
      const int slot = owned_row(i);
      uint16_t* const to = packed + slot * table.d_padded;
      float error = 0, limit = 0, norm;
      double nearest = static_cast<double>(infinity());
      bool active = first + slot < count;
      ExactRow<kDType> features{};
      uint32_t number = 0;
      if (active) {
        const UncertainRow entry = list.rows[first + slot];
        number = entry.row;
        limit = entry.limit;
        features = exact_row<kDType>(rows, number);
        pack_row(features, table, to, &norm, &error);
        if (target.known) nearest = target.known[number];
        if (!isfinite(error) && !is_finite(features, table.d)) {
          active = false;
          if (leader && target.out) reject(target, number);
        }
      } else {
        pack_nothing(table, to);
      }
      if (leader) {
        shared->uncertain[octet] += active;
        shared->number[slot] = number;
        group.error[slot] = error;
        group.least[slot] = -limit;
        group.features[slot] = features;
        group.active[slot] = active;
        group.nearest[slot] = nearest;
        group.index[slot] = 0;
      }
    }
    __syncthreads();
    const int measured = settle_group(layout, &group, packed, table, AllCentroids{table});
    if (leader) shared->measured[octet] += measured;
    for (int slot = static_cast<int>(threadIdx.x); slot < kGroupRows; slot += kScanThreads) {
      if (!group.active[slot]) continue;
      const uint32_t number = shared->number[slot];
      if (target.known) {
        target.known[number] = group.nearest[slot];
      } else if (isfinite(group.nearest[slot])) {
        target.out[number] = group.index[slot];
      } else {
        reject(target, number);
      }
    }
  }
  if (leader && target.out && shared->uncertain[octet] > 0) {
    atomic_add(&target.stats[0], shared->uncertain[octet]);
    atomic_add(&target.stats[1], shared->measured[octet]);
  }
}

}  // namespace

int64_t settle_blocks(const OpScope& scope, const TableView& table) {
  const int64_t fitting = kMostWorkspace / (settle_workspace(table, 1) * 2);
  return std::max<int64_t>(1, std::min<int64_t>(2 * scope.multiprocessors(), fitting));
}

int64_t settle_workspace(const TableView& table, int64_t blocks) {
  return blocks * kGroupRows * table.d_padded;
}

void settle(const OpScope& scope, const RowsView& rows, const TableView& table,
            const UncertainList& list, int64_t* cursor, uint16_t* workspace, int64_t blocks,
            const SettleTarget& target) {
  const ScanLayout layout = choose_layout(scope, kGroupRows, table.d_padded, kGroupSharedBytes);
  with_dtype(rows.dtype, [&](auto dtype) {
    scope.launch(settle_kernel<decltype(dtype)::value>,
                 {blocks, kScanThreads, static_cast<size_t>(layout.bytes() + kGroupSharedBytes)},
                 layout, rows, table, list, cursor, workspace, target);
  });
}

}  // namespace ally_fast
