#include "gather.h"

#include "element.h"
#include "scope.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;

// Mapping: a warp a row, lanes over features. Shared memory: none. Nothing is computed.
template <class Item>
__global__ void gather_kernel(RowsView rows, Item* out) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  if (i >= rows.visited) return;
  const char* row = row_address(rows, i);
  for (int64_t j = threadIdx.x % 32; j < rows.d; j += 32) {
    out[i * rows.d + j] = *reinterpret_cast<const Item*>(row + j * rows.col_stride);
  }
}

}  // namespace

void gather_rows(const CudaStream& stream, const RowsView& rows, int64_t item_bytes, void* out) {
  const OpScope scope("gather", stream);
  const Shape shape{blocks_for(rows.visited, kThreads / 32), kThreads};
  switch (item_bytes) {
    case 1:
      return scope.launch(gather_kernel<uint8_t>, shape, rows, static_cast<uint8_t*>(out));
    case 2:
      return scope.launch(gather_kernel<uint16_t>, shape, rows, static_cast<uint16_t*>(out));
    case 4:
      return scope.launch(gather_kernel<uint32_t>, shape, rows, static_cast<uint32_t*>(out));
    default:
      return scope.launch(gather_kernel<uint64_t>, shape, rows, static_cast<uint64_t*>(out));
  }
}

}  // namespace ally_fast
