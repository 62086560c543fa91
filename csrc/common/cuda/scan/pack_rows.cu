#include "pack_rows.h"

#include "pack_row.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256, kRowsPerBlock = kThreads / kOctet;
static_assert(kTileRows % kRowsPerBlock == 0, "blocks end where tiles do");

// Mapping: an octet a row, each lane eight neighbouring features at a time.
// Shared memory: none.
// Accumulator: float32, of the squares of features and residuals.
// Order of sums: lanes, then a butterfly; they are bounds, not answers.
template <DType kDType>
__global__ void __launch_bounds__(kThreads, 4)
    pack_rows_kernel(RowsView rows, const uint8_t* mask, TableView table, PackedRows packed) {
  const int64_t i = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kOctet;
  uint16_t* const to = packed.packed + i * table.d_padded;
  float norm = 0, error = 0;
  if (i >= rows.visited) {
    pack_nothing(table, to);
  } else if (mask && !mask[i]) {
    pack_nothing(table, to);
    error = kMaskedRow;
  } else {
    pack_row(exact_row<kDType>(rows, i), table, to, &norm, &error);
  }
  if (octet_lane() == 0) {
    packed.norm[i] = norm;
    packed.error[i] = error;
  }
}

}  // namespace

void pack_rows(const OpScope& scope, const RowsView& rows, const uint8_t* mask,
               const TableView& table, PackedRows* packed) {
  packed->count = rows.visited;
  with_dtype(rows.dtype, [&](auto dtype) {
    scope.launch(pack_rows_kernel<decltype(dtype)::value>,
                 {round_up(rows.visited, kTileRows) / kRowsPerBlock, kThreads}, rows, mask, table,
                 *packed);
  });
}

}  // namespace ally_fast
