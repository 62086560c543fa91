#include "certified_scan.h"

#include <algorithm>
#include <optional>

#include "near.h"
#include "pack_rows.h"
#include "settle.h"
#include "track.h"

namespace ally_fast {
namespace {

// Packed rows go from one kernel to the next by way of the L2 cache, if a chunk leaves room in it.
constexpr int64_t kChunkBytes = 32 << 20, kMostChunkBytes = int64_t{512} << 20;
constexpr int64_t kSpanRows = 1 << 24;

// Rows scanned at once, and rows whose uncertain ones are settled together. Settling after every
// chunk would leave most multiprocessors idle: an uncertain row in two hundred is a handful of
// blocks. A span holds enough of them, and bounds the list. Rows read in place are a chunk a span.
struct Plan {
  int64_t chunk, span;

  Plan(const OpScope& scope, int64_t rows, const TableView& table, bool in_place) {
    if (in_place) {
      chunk = span = std::min(kSpanRows, round_up(std::max<int64_t>(rows, 1), kTileRows));
      return;
    }
    // Whole waves of blocks, two to a multiprocessor.
    const int64_t wave = 2 * kTileRows * scope.multiprocessors(), row_bytes = 2 * table.d_padded;
    const int64_t waves = std::max<int64_t>(1, kChunkBytes / (wave * row_bytes));
    chunk = std::min(waves * wave,
                     std::max(kTileRows, kMostChunkBytes / row_bytes / kTileRows * kTileRows));
    chunk = std::min(chunk, round_up(std::max<int64_t>(rows, 1), kTileRows));
    span = std::min(kSpanRows / chunk * chunk, round_up(std::max<int64_t>(rows, 1), chunk));
  }
  // False where there is nothing left to give up.
  bool halve() {
    if (span == kTileRows) return false;
    if (span > chunk) {
      span = round_up(span / 2, chunk);
    } else {
      span = chunk = round_up(chunk / 2, kTileRows);
    }
    return true;
  }
};

struct Workspace {
  Buffer<uint16_t> packed, group;
  Buffer<float> error, norm;
  Buffer<UncertainRow> uncertain;
  Buffer<int64_t> counters;
  int64_t blocks;

  Workspace(const OpScope& scope, const Plan& plan, const TableView& table, bool in_place,
            bool settles)
      : packed(scope, in_place ? 0 : plan.chunk * table.d_padded),
        error(scope, in_place ? 0 : plan.chunk),
        norm(scope, in_place ? 0 : plan.chunk),
        uncertain(scope, settles ? plan.span : 0),
        counters(scope, 2),
        blocks(settle_blocks(scope, table)) {
    if (settles) group = Buffer<uint16_t>(scope, settle_workspace(table, blocks));
  }
};

}  // namespace

void scan_rows(const OpScope& scope, const RowsView& rows, const DeviceTable& table,
               const ScanRequest& request) {
  const TableView& view = table.view();
  const bool settles = request.known || request.certify;
  const bool in_place = reads_in_place(rows, request.kernel);
  if (rows.visited == 0) return;
  Plan plan(scope, rows.visited, view, in_place);
  std::optional<Workspace> space;
  while (!space) {
    try {
      space.emplace(scope, plan, view, in_place, settles);
    } catch (const CudaOutOfMemory&) {
      if (!plan.halve()) throw;
    }
  }
  const UncertainList uncertain{space->uncertain.data(), space->counters.data()};
  for (int64_t start = 0; start < rows.visited; start += plan.span) {
    const int64_t end = std::min(rows.visited, start + plan.span);
    scope.fill(space->counters.data(), 0, space->counters.bytes());
    for (int64_t first = start; first < end; first += plan.chunk) {
      const RowsView chunk = slice_rows(rows, first, std::min(plan.chunk, end - first));
      const uint8_t* const mask = request.mask ? request.mask + first : nullptr;
      const TrackTarget target{request.out ? request.out + first : nullptr, request.certify,
                               request.known ? request.known + first : nullptr, uncertain,
                               static_cast<uint32_t>(first - start)};
      if (in_place) {
        track_in_place(scope, chunk, mask, view, target);
        continue;
      }
      PackedRows packed{space->packed.data(), space->error.data(), space->norm.data(), 0};
      pack_rows(scope, chunk, mask, view, &packed);
      track(scope, packed, view, target, request.kernel);
    }
    if (!settles) continue;
    settle(scope, slice_rows(rows, start, end - start), view, uncertain, space->counters.data() + 1,
           space->group.data(), space->blocks,
           {request.out ? request.out + start : nullptr,
            request.known ? request.known + start : nullptr, request.stats, start});
  }
}

void lower_to_nearest(const OpScope& scope, const RowsView& rows, const DeviceTable& points,
                      double* known) {
  ScanRequest request;
  request.known = known;
  scan_rows(scope, rows, points, request);
}

}  // namespace ally_fast
