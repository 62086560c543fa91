// Sixty-four rows of a block that are settled by the exact rule, one after the scan's other.
#pragma once
#include "pack_row.h"
#include "tile_scan.h"

namespace ally_fast {

constexpr int kGroupRows = 64, kGroupRowWarps = kGroupRows / 32;
using GroupTile = ScanTile<kGroupRowWarps>;

// In shared memory. An octet of threads owns rows `octet` and `octet` + 32: what it measures of them
// only it reads and writes, its first lane the latter.
template <DType kDType>
struct RowGroup {
  float error[kGroupRows];
  float least[kGroupRows];  // minus the row's limit: smaller -L need not be measured
  unsigned candidates[kGroupRows][kTileCentroids / 32];
  ExactRow<kDType> features[kGroupRows];
  bool active[kGroupRows];
  double nearest[kGroupRows];  // lowered to the smallest distance
  int index[kGroupRows];       // its place among the centroids, the first on a tie
};

constexpr int kOwnedRows = kGroupRows / (kScanThreads / kOctet);
__device__ __forceinline__ int owned_row(int i) {
  return static_cast<int>(threadIdx.x) / kOctet + i * (kScanThreads / kOctet);
}

// Measures for each active row, by the exact rule, the centroids whose score may be at most its
// limit. All threads of the block call it; the group's rows are packed at `packed`, and all of that
// is visible to all of them. Returns how many distances the octet measured.
template <DType kDType, class Centroids>
__device__ __forceinline__ int settle_group(const ScanLayout& layout, RowGroup<kDType>* group,
                                            const uint16_t* packed, const TableView& table,
                                            const Centroids& centroids) {
  float error[2][2];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      error[m][h] = group->error[GroupTile::row(m, h)];
    }
  }
  int measured = 0;
  const auto measure = [&](int tile, const typename GroupTile::Accumulator& acc) {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float least = group->least[GroupTile::row(m, h)];
        unsigned bits = 0;
#pragma unroll
        for (int j = 0; j < 2 * GroupTile::kGroups; ++j) {
          // Not (smaller), so that a NaN counts as a candidate.
          if (!(acc[m][j / 2][2 * h + j % 2] < least)) bits |= 1u << (j / 2 * 8 + j % 2);
        }
        bits <<= threadIdx.x % 4 * 2;
        bits |= __shfl_xor_sync(~0u, bits, 1);
        bits |= __shfl_xor_sync(~0u, bits, 2);
        if (threadIdx.x % 4 == 0) {
          group->candidates[GroupTile::row(m, h)][GroupTile::warp_column() / 32] = bits;
        }
      }
    }
    // The next tile's bits come after barriers of its own.
    __syncthreads();
    constexpr int kTile = static_cast<int>(kTileCentroids);
    const int left = static_cast<int>(centroids.count()) - tile * kTile;
#pragma unroll 1
    for (int i = 0; i < kOwnedRows; ++i) {
      const int row = owned_row(i);
      if (!group->active[row]) continue;
#pragma unroll 1
      for (int word = 0; word < kTile / 32; ++word) {
        unsigned bits = group->candidates[row][word];
        if (left < word * 32 + 32) bits &= left > word * 32 ? (1u << (left - word * 32)) - 1 : 0;
        if (bits == 0) continue;
        double nearest = group->nearest[row];
        int index = group->index[row];
        measured += __popc(bits);
#pragma unroll 1
        for (; bits; bits &= bits - 1) {
          const int n = tile * kTile + word * 32 + __ffs(static_cast<int>(bits)) - 1;
          const double distance = distance_to(group->features[row], table, centroids.original(n));
          if (distance < nearest) {
            nearest = distance;
            index = n;
          }
        }
        __syncwarp(octet_mask());
        if (octet_lane() == 0) {
          group->nearest[row] = nearest;
          group->index[row] = index;
        }
        __syncwarp(octet_mask());
      }
    }
  };
  scan_tiles<kGroupRowWarps>(layout, packed, table.d_padded, centroids, error, measure);
  return measured;
}

// Bytes of shared memory past the layout's.
constexpr int kGroupSharedBytes = 6 << 10;
static_assert(sizeof(RowGroup<DType::kFloat64>) + 1024 <= kGroupSharedBytes, "room for a group");

}  // namespace ally_fast
