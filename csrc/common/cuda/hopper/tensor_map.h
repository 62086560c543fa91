// The bulk copy engine (TMA): boxes of a matrix, or plain bytes, to shared memory; a barrier is told
// when they have come. Compute capability 9.0.
#pragma once
#include <cuda.h>

#include "../scope.h"
#include "barrier.h"

namespace ally_fast {

constexpr int kBoxColumns = 64;  // 128 bytes: the widest that a 128-byte swizzle allows

// What a copy must know of a (rows, columns) matrix of 16-bit floats in device memory, aligned to 16
// bytes as is each row, `row_bytes` after the last, and of the (box_rows, 64) boxes taken from it. Places
// outside of the matrix read as zeros. To be passed to kernels by value, as
// `const __grid_constant__ TensorMap`.
using TensorMap = CUtensorMap;
TensorMap tensor_map(const OpScope& scope, const uint16_t* data, int64_t rows, int64_t columns,
                     int64_t row_bytes, int box_rows);

// The box at (row, column) to `to`, aligned to 1024 bytes: its row r lies at 128 r, and there its
// eight 16-byte pieces are permuted, p to p xor r mod 8.  Plain bytes: aligned to 16, a multiple.
#ifdef ALLY_FAST_EMULATED_CUDA
inline void copy_box(void* to, const TensorMap& map, int64_t row, int64_t column,
                     uint64_t* barrier) {
  emulator::copy_box(to, map, static_cast<int32_t>(column), static_cast<int32_t>(row), barrier);
}
inline void copy_bytes(void* to, const void* from, uint32_t bytes, uint64_t* barrier) {
  emulator::copy_bytes(to, from, bytes, barrier);
}
#else
__device__ __forceinline__ void copy_box(void* to, const TensorMap& map, int64_t row,
                                         int64_t column, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3}], [%4];" ::"r"(window_address(to)),
      "l"(&map), "r"(static_cast<int32_t>(column)), "r"(static_cast<int32_t>(row)),
      "r"(window_address(barrier))
      : "memory");
}
__device__ __forceinline__ void copy_bytes(void* to, const void* from, uint32_t bytes,
                                           uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(window_address(to)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(window_address(barrier))
      : "memory");
}
#endif

}  // namespace ally_fast
