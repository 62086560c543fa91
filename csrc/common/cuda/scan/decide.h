// What becomes of a row once its best scores are known; shared by the tracking kernels.
#pragma once
#include "../atomic.h"
#include "certificate.h"
#include "track.h"

namespace ally_fast {

// Decides on row r of a chunk, if there is one, from the two smallest L and the centroid of the
// smallest; `bits` of the lowest bits of either may have been replaced. A lane a row; all 32 lanes
// call it.
__device__ __forceinline__ void decide(const PackedRows& rows, const TableView& table,
                                       const TrackTarget& target, int64_t r, float best,
                                       float second, int64_t column, int bits) {
  bool uncertain = false;
  double limit = static_cast<double>(infinity());
  if (r < rows.count) {
    const float error = rows.error[r];
    const auto norm = static_cast<double>(rows.norm[r]);
    const bool masked = error == kMaskedRow, readable = error < infinity() && !masked;
    column = min(column, max(table.scalars->k, int64_t{1}) - 1);
    if (target.known) {
      const double known = target.known[r];
      if (readable) {
        // Nearer than is known, and the nearest.
        limit = fmin(score_limit(table, known, norm),
                     upper_end_of_any(table, cut_up(best, bits), static_cast<double>(error), norm));
      }
      uncertain = !masked && !(readable && cut_down(best, bits) > limit);
    } else {
      target.out[r] = masked ? -1 : static_cast<int32_t>(column);
      if (readable) {
        limit =
            upper_end(table, cut_up(best, bits), static_cast<double>(table.half_norm[column]),
                      static_cast<double>(table.norm[column]), static_cast<double>(error), norm);
      }
      uncertain = target.certify && !masked && !(readable && cut_down(second, bits) > limit);
    }
  }
  const int64_t place = append_places(target.uncertain.count, uncertain);
  if (place >= 0) {
    target.uncertain.rows[place] = {target.first_row + static_cast<uint32_t>(r), rounded_up(limit)};
  }
}

}  // namespace ally_fast
