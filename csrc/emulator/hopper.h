// What compute capability 9.0 adds, as far as common/cuda/hopper uses it: mbarriers, the bulk copy
// engine with its 128-byte swizzle, named barriers, wgmma. For fibers of one block (fibers.h).
//
// Everything asynchronous is as late as it may be, and spoils at once what it will overwrite: a
// copy's target is poisoned when the copy is issued and filled some time later; a wgmma's
// accumulators are poisoned when it is issued and written when it is waited for; its operands are read
// at both times, and must be the same. So a missing wait, or a stage given back too early, shows. What
// the instructions demand of their operands is checked, and a deadlock is reported.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cuda.h"

namespace emulator {

// What cuTensorMapEncodeTiled (cuda.h) leaves in a CUtensorMap: a matrix of 16-bit elements, row
// major, and the box that a copy takes from it.
struct TensorMap {
  const void* data;
  uint64_t columns, rows, row_bytes;
  uint32_t box_columns, box_rows;
};

// Address in the block's window of shared memory, which begins at 1024: the first kilobyte is the
// system's.
uint32_t shared_address(const void* pointer);

// mbarrier, in its eight bytes of shared memory.
void mbarrier_init(uint64_t* barrier, uint32_t arrivals);
void mbarrier_arrive(uint64_t* barrier);
void mbarrier_arrive_expect(uint64_t* barrier, uint32_t bytes);
// Whether the phase of this parity is over; lets others run if it is not.
bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity);
// fence.proxy.async: makes mbarrier_init known to the copy engine.
void fence_async();

// Copies to shared memory; the barrier is told of the bytes.
void copy_box(void* to, const CUtensorMap& map, int32_t column, int32_t row, uint64_t* barrier);
void copy_bytes(void* to, const void* from, uint32_t bytes, uint64_t* barrier);

// bar.sync and bar.arrive.
void named_sync(int id, int threads);
void named_arrive(int id, int threads);

// wgmma.m64nNk16.f32.f16.f16, N = columns, both operands in shared memory by descriptor, K-major;
// `accumulators` are this thread's N / 2 registers. All threads of a warpgroup call it.
void wgmma_fence();
void wgmma(float* accumulators, int columns, uint64_t a, uint64_t b);
void wgmma_commit();
// Until at most `groups` of the thread's committed groups are under way.
void wgmma_wait(int groups);

// setmaxnreg: a block has what its threads were launched with, taken to be all of a multiprocessor's;
// raising waits until others have given back enough.
void raise_registers(int count);
void lower_registers(int count);

}  // namespace emulator
