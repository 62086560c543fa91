#include <algorithm>
#include <string>

#include "decide.h"
#include "hopper_scan.h"
#include "scan_sm90a.h"

namespace ally_fast {
namespace {

template <class Judge>
void scan(const OpScope& scope, const ScanOperands& operands, const Judge& judge) {
  const int major = scope.compute_major(), minor = scope.compute_minor();
  if (major != 9 || minor != 0) {
    throw CudaError(std::string(scope.op()) +
                    ": kernel \"sm90a\" needs a device of compute capability 9.0, cuda:" +
                    std::to_string(scope.stream().device) + " has " + std::to_string(major) + "." +
                    std::to_string(minor));
  }
  if (operands.row_count <= 0) return;
  Task task{};
  task.half_norm = operands.half_norm;
  task.norm = operands.norm;
  task.error = operands.error;
  task.row_count = operands.row_count;
  task.row_tiles = static_cast<int>(blocks_for(operands.row_count, kBlockRows));
  task.centroid_tiles = static_cast<int>(operands.k_padded / kWgmmaColumns);
  task.chunks = static_cast<int>(operands.d_padded / kBoxColumns);
  task.resident = task.chunks <= kRowSlots;
  std::fill_n(task.ones, kThreadRows, 1.0f);
  task.minus_zero = -0.0f;
  const int64_t rows_padded = blocks_for(operands.row_count, kGroupRows) * kGroupRows;
  scope.launch(
      scan_kernel<Judge>,
      {std::min<int64_t>(task.row_tiles, scope.multiprocessors()), kThreads, kSharedBytes},
      tensor_map(scope, operands.rows, rows_padded, operands.d_padded, kGroupRows),
      tensor_map(scope, operands.centroids, operands.k_padded, operands.d_padded, kWgmmaColumns),
      task, judge);
}

struct Write {
  float *best, *second;
  int32_t* index;
  int64_t count;
  __device__ __forceinline__ void operator()(int64_t row, float best_score, float second_score,
                                             int column) const {
    if (row >= count) return;
    best[row] = best_score;
    second[row] = second_score;
    index[row] = column;
  }
};

struct Decide {
  PackedRows rows;
  TableView table;
  TrackTarget target;
  __device__ __forceinline__ void operator()(int64_t row, float best_score, float second_score,
                                             int column) const {
    decide(rows, table, target, row, best_score, second_score, column, 0);
  }
};

}  // namespace

void scan_sm90a(const CudaStream& stream, const ScanOperands& operands, float* best, float* second,
                int32_t* index) {
  const OpScope scope("scan", stream);
  scan(scope, operands, Write{best, second, index, operands.row_count});
}

void track_sm90a(const OpScope& scope, const PackedRows& rows, const TableView& table,
                 const TrackTarget& target) {
  static_assert(kGroupRows == kTileRows && kWgmmaColumns == kTileCentroids);
  static_assert(kBoxColumns == kChunkFeatures);
  scan(scope,
       {rows.packed, table.packed, table.half_norm, table.norm, rows.error, rows.count,
        table.k_padded, table.d_padded},
       Decide{rows, table, target});
}

}  // namespace ally_fast
