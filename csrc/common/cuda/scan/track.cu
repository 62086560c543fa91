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
    track_kernel(ScanLayout layout, PackedRows rows, TableView table, TrackTarget target) {
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
  scan_tiles<kRowWarps>(
      layout, rows.packed + first * table.d_padded, table.d_padded, AllCentroids{table}, error,
      [&](int tile, const typename Tile::Accumulator& acc) { tracker.update(tile, acc); });
  auto* const leaders = reinterpret_cast<Leader*>(dynamic_shared());
  tracker.merge(leaders);
  if (threadIdx.x >= kTileRows) return;
  const Leader leader = leaders[threadIdx.x];
  decide(rows, table, target, first + threadIdx.x, -leader.best, -leader.second, leader.column,
         Tracker<kRowWarps>::kKeyBits);
}

// Mapping: a thread a row.
// Shared memory: none.
// Accumulator: none.
// Order of sums: none.
__global__ void decide_kernel(PackedRows rows, TableView table, TrackTarget target,
                              const float* best, const float* second, const int32_t* column) {
  const int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const bool real = r < rows.count;
  decide(rows, table, target, r, real ? best[r] : 0.0f, real ? second[r] : 0.0f,
         real ? column[r] : 0, 0);
}

}  // namespace

void track(const OpScope& scope, TrackKernel kernel, const PackedRows& rows, const TableView& table,
           const TrackTarget& target) {
  if (kernel != TrackKernel::kPortable) throw CudaError("kernel: this build has none for sm_90a");
  const ScanLayout layout = choose_layout(scope, kTileRows, table.d_padded, 0);
  scope.launch(
      track_kernel,
      {blocks_for(rows.count, kTileRows), kScanThreads, static_cast<size_t>(layout.bytes())},
      layout, rows, table, target);
}

void decide_rows(const OpScope& scope, const PackedRows& rows, const TableView& table,
                 const TrackTarget& target, const float* best, const float* second,
                 const int32_t* column) {
  scope.launch(decide_kernel, {blocks_for(rows.count, kScanThreads), kScanThreads}, rows, table,
               target, best, second, column);
}

}  // namespace ally_fast
