#include <algorithm>
#include <string>
#include <type_traits>

#include "decide.h"
#include "hopper_scan.h"
#include "scan_sm90a.h"

namespace ally_fast {
namespace {

struct RowMatrix {
  const uint16_t* data;  // float16 bits
  int64_t count, columns, row_bytes;
};

template <class Errors, class Judge>
void scan(const OpScope& scope, const RowMatrix& rows, const ScanTable& table, const Errors& errors,
          const Judge& judge) {
  const int major = scope.compute_major(), minor = scope.compute_minor();
  if (major != 9 || minor != 0) {
    throw CudaError(std::string(scope.op()) +
                    ": kernel \"sm90a\" needs a device of compute capability 9.0, cuda:" +
                    std::to_string(scope.stream().device) + " has " + std::to_string(major) + "." +
                    std::to_string(minor));
  }
  if (rows.count <= 0) return;
  const int chunks = static_cast<int>(table.d_padded / kBoxColumns);
  const auto launch = [&](auto form) {
    constexpr int kHalves = decltype(form)::value;
    Task task = task_for(chunks);
    task.half_norm = table.half_norm;
    task.norm = table.norm;
    task.row_tiles = static_cast<int>(blocks_for(rows.count, kBlockRows<kHalves>));
    task.centroid_tiles = static_cast<int>(table.k_padded / kWgmmaColumns);
    scope.launch(
        scan_kernel<kHalves, Errors, Judge>,
        {std::min<int64_t>(task.row_tiles, scope.multiprocessors()), kThreads, shared_bytes(task)},
        tensor_map(scope, rows.data, rows.count, rows.columns, rows.row_bytes, kGroupRows<kHalves>),
        tensor_map(scope, table.centroids, table.k_padded, table.d_padded, table.d_padded * 2,
                   kWgmmaColumns),
        task, errors, judge);
  };
  if (halves_for(chunks) == 1) {
    launch(std::integral_constant<int, 1>{});
  } else {
    launch(std::integral_constant<int, 2>{});
  }
}

struct Write {
  float *best, *second;
  int32_t* index;
  int64_t count;
  __device__ __forceinline__ void operator()(int64_t row, float best_score, float second_score,
                                             int column, const ScannedRow&) const {
    if (row >= count) return;
    best[row] = best_score;
    second[row] = second_score;
    index[row] = column;
  }
};

struct DecidePacked {
  PackedRows rows;
  TableView table;
  TrackTarget target;
  __device__ __forceinline__ void operator()(int64_t row, float best_score, float second_score,
                                             int column, const ScannedRow&) const {
    decide_packed(rows, table, target, row, {best_score, second_score, column, 0});
  }
};

struct DecideInPlace {
  int64_t count;
  const uint8_t* mask;
  TableView table;
  TrackTarget target;
  __device__ __forceinline__ void operator()(int64_t row, float best_score, float second_score,
                                             int column, ScannedRow scanned) const {
    const bool exists = row < count;
    if (exists && mask && !mask[row]) scanned.error = kMaskedRow;
    const float unit = scanned.in_place ? table.scalars->scale : 1.0f;
    decide(table, target, row, exists, scanned,
           {best_score * unit, second_score * unit, column, 0});
  }
};

static_assert(kWgmmaColumns == kTileCentroids);
static_assert(kBoxColumns == kChunkFeatures);

}  // namespace

void scan_sm90a(const CudaStream& stream, const ScanOperands& operands, float* best, float* second,
                int32_t* index) {
  const OpScope scope("scan", stream);
  const ScanTable& table = operands.table;
  scan(scope, {operands.rows, operands.row_count, table.d_padded, table.d_padded * 2}, table,
       GivenErrors{operands.error, operands.row_count},
       Write{best, second, index, operands.row_count});
}

void track_sm90a(const OpScope& scope, const PackedRows& rows, const TableView& table,
                 const TrackTarget& target) {
  scan(scope, {rows.packed, rows.count, table.d_padded, table.d_padded * 2},
       {table.packed, table.half_norm, table.norm, table.k_padded, table.d_padded},
       GivenErrors{rows.error, rows.count}, DecidePacked{rows, table, target});
}

void track_in_place(const OpScope& scope, const RowsView& rows, const uint8_t* mask,
                    const TableView& table, const TrackTarget& target) {
  const RowMatrix matrix{reinterpret_cast<const uint16_t*>(rows.data), rows.visited, rows.d,
                         rows.row_stride};
  const DecideInPlace judge{rows.visited, mask, table, target};
  ScanTable operands{table.packed, table.half_norm, table.norm, table.k_padded, table.d_padded};
  if (rows.dtype == DType::kBFloat16) {
    scan(scope, matrix, operands, MeasuredErrors<true>{table}, judge);
  } else {
    operands.half_norm = table.half_norm_in_place;
    scan(scope, matrix, operands, MeasuredErrors<false>{table}, judge);
  }
}

}  // namespace ally_fast
