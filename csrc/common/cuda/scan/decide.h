// What becomes of a row once its best scores are known; shared by the tracking kernels.
#pragma once
#include "../atomic.h"
#include "certificate.h"
#include "track.h"

namespace ally_fast {

// What the scan found of a row: the two smallest L and the centroid of the smallest; `bits` of the
// lowest bits of either may have been replaced.
struct LowestTwo {
  float best, second;
  int64_t column;
  int bits;
};

// Decides on row r of a chunk, if it `exists`. A lane a row; all 32 lanes call it.
__device__ __forceinline__ void decide(const TableView& table, const TrackTarget& target, int64_t r,
                                       bool exists, const ScannedRow& row,
                                       const LowestTwo& lowest) {
  bool uncertain = false;
  double limit = static_cast<double>(infinity());
  if (exists) {
    const bool masked = row.error == kMaskedRow, readable = row.error < infinity() && !masked;
    const int64_t column = min(lowest.column, max(table.scalars->k, int64_t{1}) - 1);
    if (target.known) {
      const double known = target.known[r];
      if (readable) {
        // Nearer than is known, and the nearest.
        limit = fmin(score_limit(table, known, static_cast<double>(row.norm)),
                     limit_of_any(table, lowest.best, lowest.bits, row));
      }
      uncertain = !masked && !(readable && cut_down(lowest.best, lowest.bits) > limit);
    } else {
      target.out[r] = masked ? -1 : static_cast<int32_t>(column);
      if (readable) {
        limit = limit_of_nearest(table, lowest.best, lowest.bits, column, row);
      }
      uncertain =
          target.certify && !masked && !(readable && cut_down(lowest.second, lowest.bits) > limit);
    }
  }
  const int64_t position = append_positions(target.uncertain.count, uncertain);
  if (position >= 0) {
    target.uncertain.rows[position] = {target.first_row + static_cast<uint32_t>(r),
                                       rounded_up(limit)};
  }
}

// The same for a row that was packed.
__device__ __forceinline__ void decide_packed(const PackedRows& rows, const TableView& table,
                                              const TrackTarget& target, int64_t r,
                                              const LowestTwo& lowest) {
  const bool exists = r < rows.count;
  decide(table, target, r, exists,
         {false, exists ? rows.error[r] : 0.0f, exists ? rows.norm[r] : 0.0f}, lowest);
}

}  // namespace ally_fast
