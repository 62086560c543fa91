#include "track.h"

#include "decide.h"
#include "tile_scan.h"

namespace ally_fast {
namespace {

constexpr int kRowWarps = static_cast<int>(kTileRows) / 32;

// Mapping: a block takes 128 rows past all centroids, 128 at a time; warps in 4 x 2, 32 x 64 scores
//   each; at the end a thread decides on each row.
// Shared memory: see tile_scan.h; then the warps' leaders.
// Accumulator: float32 on the tensor cores, from error norm - half_norm; best and second in registers.
// Order of sums: the tensor core's; whatever it is, the bounds hold.
__global__ void __launch_bounds__(kScanThreads, 2)
    track_kernel(ScanLayout layout, PackedRows rows, TableView table, TrackTarget target,
                 unsigned kept_bits) {
  using Tile = ScanTile<kRowWarps>;
  const int64_t first = int64_t{blockIdx.x} * kTileRows;
  float error[2][2];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int64_t r = first + Tile::row(m, h);
      error[m][h] = r < rows.count ? rows.error[r] : 0.0f;
    }
  }
  Tracker<kRowWarps> tracker;
  scan_tiles<kRowWarps>(layout, rows.packed + first * table.d_padded, table.d_padded,
                        AllCentroids{table}, error,
                        [&](int tile, const typename Tile::Accumulator& acc) {
                          tracker.update(tile, acc, kept_bits);
                        });
  auto* const leaders = reinterpret_cast<Leader*>(dynamic_shared());
  tracker.merge(leaders);
  if (threadIdx.x >= kTileRows) return;
  const Leader leader = leaders[threadIdx.x];
  decide_packed(rows, table, target, first + threadIdx.x,
                {-leader.best, -leader.second, leader.column, Tracker<kRowWarps>::kKeyBits});
}

}  // namespace

void track_portable(const OpScope& scope, const PackedRows& rows, const TableView& table,
                    const TrackTarget& target) {
  const ScanLayout layout = choose_layout(scope, kTileRows, table.d_padded, 0);
  scope.launch(
      track_kernel,
      {blocks_for(rows.count, kTileRows), kScanThreads, static_cast<size_t>(layout.bytes())},
      layout, rows, table, target, Tracker<kRowWarps>::kept_bits());
}

void track(const OpScope& scope, const PackedRows& rows, const TableView& table,
           const TrackTarget& target, TrackKernel kernel) {
  switch (kernel) {
    case TrackKernel::kPortable:
      return track_portable(scope, rows, table, target);
    case TrackKernel::kSm90a:
      return track_sm90a(scope, rows, table, target);
  }
}

bool reads_in_place(const RowsView& rows, TrackKernel kernel) {
  constexpr int64_t kUnit = 16, kMostRowBytes = int64_t{1} << 40;  // of tensor maps
  constexpr int64_t kMostConverted = 768;  // features of a row that stays in shared memory
  const bool halves =
      rows.dtype == DType::kFloat16 || (rows.dtype == DType::kBFloat16 && rows.d <= kMostConverted);
  return kernel == TrackKernel::kSm90a && halves && !rows.normalize && !rows.positions &&
         rows.col_stride == 2 && rows.row_stride >= 2 * rows.d && rows.row_stride < kMostRowBytes &&
         rows.row_stride % kUnit == 0 && reinterpret_cast<uintptr_t>(rows.data) % kUnit == 0;
}

}  // namespace ally_fast
