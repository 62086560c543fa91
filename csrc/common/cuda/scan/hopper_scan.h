// The scan of track.h by Hopper's own instructions: the kernel, for track_sm90a.cu alone.
#pragma once
#include "../hopper/barrier.h"
#include "../hopper/tensor_map.h"
#include "../hopper/wgmma.h"
#include "hopper_errors.h"
#include "hopper_track.h"

namespace ally_fast {
namespace {

// Three warpgroups: one keeps the copy engine busy, two multiply. Each of these takes 128 rows
// against tiles of 128 centroids, in turns: while one multiplies, the other looks through its scores.
constexpr int kThreads = 3 * kWarpgroup, kConsumers = 2;
constexpr int kGroupRows = 128, kBlockRows = kConsumers * kGroupRows;
static_assert(kGroupRows == kHalves * kWgmmaRows);
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;

// Shared memory: the barriers, a ring of row boxes for each consumer, a ring of centroid boxes. A box
// is 128 rows or centroids by 64 features. Behind a centroid box lie half_norm and norm of its 128
// centroids, filled with the first box of each tile.
constexpr int kRowSlots = 4, kCentroidSlots = 5;
constexpr int kBoxBytes = kGroupRows * kBoxColumns * 2;
constexpr int kConstantBytes = kWgmmaColumns * sizeof(float);
constexpr int kCentroidSlotBytes = kBoxBytes + 2 * kConstantBytes;
constexpr int kRowsOffset = 1024;
constexpr int kCentroidsOffset = kRowsOffset + kConsumers * kRowSlots * kBoxBytes;
constexpr int kSharedBytes = kCentroidsOffset + kCentroidSlots * kCentroidSlotBytes;
static_assert(kGroupRows == kWgmmaColumns && kCentroidSlotBytes % 1024 == 0);
static_assert(kSharedBytes <= 232448);

struct Barriers {
  uint64_t rows_full[kConsumers][kRowSlots], rows_empty[kConsumers][kRowSlots];
  uint64_t centroids_full[kCentroidSlots], centroids_empty[kCentroidSlots];
};
static_assert(sizeof(Barriers) <= kRowsOffset);

using RowPlace = RingPlace<kRowSlots>;
using CentroidPlace = RingPlace<kCentroidSlots>;

struct Task {
  const float *half_norm, *norm;
  int row_tiles, centroid_tiles, chunks;
  // The row boxes of a tile stay for all centroids; else they are copied anew for each tile of them,
  // and the consumers take no turns: one could not wait with its boxes for the other.
  bool resident;
};

__device__ __forceinline__ Barriers& barriers() {
  return *reinterpret_cast<Barriers*>(dynamic_shared());
}
__device__ __forceinline__ char* row_box(int consumer, int slot) {
  return dynamic_shared() + kRowsOffset + (consumer * kRowSlots + slot) * kBoxBytes;
}
__device__ __forceinline__ char* centroid_box(int slot) {
  return dynamic_shared() + kCentroidsOffset + slot * kCentroidSlotBytes;
}

// One thread: all centroid boxes, in the order in which they are used.
__device__ __forceinline__ void copy_centroids(const TensorMap& map, const Task& task) {
  CentroidPlace place;
  for (int rows = blockIdx.x; rows < task.row_tiles; rows += gridDim.x) {
    for (int tile = 0; tile < task.centroid_tiles; ++tile) {
      for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance()) {
        uint64_t* const full = &barriers().centroids_full[place.slot];
        char* const box = centroid_box(place.slot);
        barrier_wait(&barriers().centroids_empty[place.slot], place.parity ^ 1);
        barrier_arrive_expect(full, chunk == 0 ? kCentroidSlotBytes : kBoxBytes);
        if (chunk == 0) {
          const int64_t first = int64_t{tile} * kWgmmaColumns;
          copy_bytes(box + kBoxBytes, task.half_norm + first, kConstantBytes, full);
          copy_bytes(box + kBoxBytes + kConstantBytes, task.norm + first, kConstantBytes, full);
        }
        copy_box(box, map, int64_t{tile} * kWgmmaColumns, int64_t{chunk} * kBoxColumns, full);
      }
    }
  }
}

// One thread: all row boxes of one consumer.
__device__ __forceinline__ void copy_rows(const TensorMap& map, const Task& task, int consumer) {
  RowPlace place;
  for (int rows = blockIdx.x; rows < task.row_tiles; rows += gridDim.x) {
    const int64_t first = int64_t{rows} * kBlockRows + consumer * kGroupRows;
    for (int tile = 0; tile < (task.resident ? 1 : task.centroid_tiles); ++tile) {
      for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance()) {
        uint64_t* const full = &barriers().rows_full[consumer][place.slot];
        barrier_wait(&barriers().rows_empty[consumer][place.slot], place.parity ^ 1);
        barrier_arrive_expect(full, kBoxBytes);
        copy_box(row_box(consumer, place.slot), map, first, int64_t{chunk} * kBoxColumns, full);
      }
    }
  }
}

// Turns of the two consumers at the tensor cores.
__device__ __forceinline__ void await_turn(int consumer) {
  consumer == 0 ? named_barrier_sync<1, 2 * kWarpgroup>() : named_barrier_sync<2, 2 * kWarpgroup>();
}
__device__ __forceinline__ void pass_turn(int consumer) {
  consumer == 0 ? named_barrier_arrive<2, 2 * kWarpgroup>()
                : named_barrier_arrive<1, 2 * kWarpgroup>();
}

// Until all threads of the consumer have come.
__device__ __forceinline__ void await_group(int consumer) {
  consumer == 0 ? named_barrier_sync<3, kWarpgroup>() : named_barrier_sync<4, kWarpgroup>();
}

// Accumulators start at -(half_norm - error norm), so that adding the dot product makes them -L.
__device__ __forceinline__ void start(Accumulators (&scores)[kHalves], const char* constants,
                                      const float (&error)[kThreadRows]) {
  const int pair = threadIdx.x % 4;
  const auto* const half_norm = reinterpret_cast<const float2*>(constants) + pair;
  const auto* const norm = reinterpret_cast<const float2*>(constants + kConstantBytes) + pair;
#pragma unroll
  for (int group = 0; group < kWgmmaColumns / 8; ++group) {
    const float2 h = half_norm[group * 4], n = norm[group * 4];
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      float* const score = &scores[r / 2][group * 4 + r % 2 * 2];
      score[0] = __fmaf_rn(error[r], n.x, -h.x);
      score[1] = __fmaf_rn(error[r], n.y, -h.y);
    }
  }
}

// Adds to the scores of the first tile what `start` left out of them, its error not being known yet.
__device__ __forceinline__ void add_error(Accumulators (&scores)[kHalves], const float* norms,
                                          const float (&error)[kThreadRows]) {
  const auto* const norm = reinterpret_cast<const float2*>(norms) + threadIdx.x % 4;
#pragma unroll
  for (int group = 0; group < kWgmmaColumns / 8; ++group) {
    const float2 n = norm[group * 4];
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      float* const score = &scores[r / 2][group * 4 + r % 2 * 2];
      score[0] = __fmaf_rn(error[r], n.x, score[0]);
      score[1] = __fmaf_rn(error[r], n.y, score[1]);
    }
  }
}

// Four neighbouring lanes hold different columns of the same four rows; each ends up with all that is
// known of one of them, and hands it on.
template <class Judge>
__device__ __forceinline__ void finish(const HopperTrack& track, int64_t first,
                                       const ScannedRow& own, const Judge& judge) {
  const int lane = threadIdx.x % 4;
  Leader mine{};
#pragma unroll
  for (int r = 0; r < kThreadRows; ++r) {
    Leader leader = track.leader(r);
#pragma unroll
    for (int bits = 1; bits < 4; bits *= 2) {
      leader = better_of(leader, {__shfl_xor_sync(~0u, leader.best, bits),
                                  __shfl_xor_sync(~0u, leader.second, bits),
                                  __shfl_xor_sync(~0u, leader.column, bits)});
    }
    if (lane == r) mine = leader;
  }
  judge(first + row_offset(lane), -mine.best, -mine.second, mine.column, own);
}

// Rows of one consumer against all centroids, tile by tile.
template <class Errors, class Judge>
__device__ __forceinline__ void multiply(const Task& task, int consumer, const Errors& errors,
                                         const Judge& judge) {
  const int lane = threadIdx.x % 32, row_in_group = threadIdx.x / 32 % 4 * 16 + lane / 4;
  Accumulators scores[kHalves];
  RowPlace rows;
  CentroidPlace centroids;
  if (task.resident && consumer == 1) pass_turn(consumer);

  const int blocks = static_cast<int>(gridDim.x);
  for (int row_tile = blockIdx.x; row_tile < task.row_tiles; row_tile += blocks) {
    const int64_t first = int64_t{row_tile} * kBlockRows + consumer * kGroupRows + row_in_group;
    RowErrors error = errors.start(first);
    typename Errors::Sums sums;
    if (Errors::kConverts) {
      RowPlace place = rows;
      for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance()) {
        barrier_wait(&barriers().rows_full[consumer][place.slot], place.parity);
        errors.read(row_box(consumer, place.slot), row_in_group, chunk, sums);
      }
      fence_shared();
      await_group(consumer);
      error = errors.finish(sums);
    }
    HopperTrack track;
    for (int tile = 0; tile < task.centroid_tiles; ++tile) {
      const bool fresh = !task.resident || tile == 0;
      const bool done = !task.resident || tile + 1 == task.centroid_tiles;
      const bool last = tile + 1 == task.centroid_tiles && row_tile + blocks >= task.row_tiles;
      barrier_wait(&barriers().centroids_full[centroids.slot], centroids.parity);
      start(scores, centroid_box(centroids.slot) + kBoxBytes, error.each);
      if (task.resident) await_turn(consumer);

      RowPlace place = rows;
      int row_slot = 0, centroid_slot = 0;
      const auto release = [&] {
        if (lane != 0) return;
        barrier_arrive(&barriers().centroids_empty[centroid_slot]);
        if (done) barrier_arrive(&barriers().rows_empty[consumer][row_slot]);
      };
      for (int chunk = 0; chunk < task.chunks; ++chunk) {
        if (fresh) barrier_wait(&barriers().rows_full[consumer][place.slot], place.parity);
        barrier_wait(&barriers().centroids_full[centroids.slot], centroids.parity);
        char* const box = row_box(consumer, place.slot);
        const uint64_t a = wgmma_operand(box);
        const uint64_t b = wgmma_operand(centroid_box(centroids.slot));
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < kBoxColumns / kWgmmaDepth; ++step) {
#pragma unroll
          for (int half = 0; half < kHalves; ++half) {
            wgmma_accumulate(scores[half],
                             wgmma_advance(a, half * kBoxBytes / kHalves + step * kWgmmaDepth * 2),
                             wgmma_advance(b, step * kWgmmaDepth * 2));
          }
        }
        wgmma_commit();
        const bool passes = task.resident && chunk + 1 == task.chunks && !(last && consumer == 1);
        if (passes) pass_turn(consumer);
        if (chunk > 0) {
          wgmma_wait<1>();
          release();
        }
        // Under the products.
        if (Errors::kMeasures && tile == 0) errors.read(box, row_in_group, chunk, sums);
        row_slot = place.slot;
        centroid_slot = centroids.slot;
        place.advance();
        centroids.advance();
      }
      if (done) rows = place;

      wgmma_wait<0>();
#pragma unroll
      for (int half = 0; half < kHalves; ++half) wgmma_finish(scores[half]);
      release();
      if (Errors::kMeasures && tile == 0) {
        error = errors.finish(sums);
        add_error(scores, task.norm, error.each);
      }
      track.update(scores, tile);
    }
    finish(track, first, error.own, judge);
  }
}

// Mapping: a persistent block walks over tiles of 256 rows; warpgroup 0 copies (three threads), 1
// and 2 take 128 rows each, a thread four of them and 32 of every 128 centroids.
// Shared memory: barriers, 2 x 4 row boxes, 5 centroid boxes: 219,136 bytes.
// Accumulator: float32 of wgmma, started at the negated constant part of the score.
// Order of sums: wgmma's, features in ascending steps of 16.
// judge(row, best, second, column, scanned) gets L, what was found of the row only if it was measured, and
// may be called for rows past the last; a lane a row, all 32 lanes of a warp at once.
template <class Errors, class Judge>
__global__ void __launch_bounds__(kThreads, 1)
    scan_kernel(const __grid_constant__ TensorMap row_map,
                const __grid_constant__ TensorMap centroid_map, Task task, Errors errors,
                Judge judge) {
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < kRowSlots; ++slot) {
      for (int consumer = 0; consumer < kConsumers; ++consumer) {
        barrier_init(&barriers().rows_full[consumer][slot], 1);
        barrier_init(&barriers().rows_empty[consumer][slot], kWarpgroup / 32);
      }
    }
    for (int slot = 0; slot < kCentroidSlots; ++slot) {
      barrier_init(&barriers().centroids_full[slot], 1);
      barrier_init(&barriers().centroids_empty[slot], kConsumers * kWarpgroup / 32);
    }
    fence_barrier_init();
  }
  __syncthreads();
  // The same in all lanes, and the compiler shall know it.
  const int group = __shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarpgroup, 0);
  if (group == 0) {
    lower_registers<kProducerRegisters>();
    if (threadIdx.x == 0) copy_centroids(centroid_map, task);
    if (threadIdx.x == 32) copy_rows(row_map, task, 0);
    if (threadIdx.x == 64) copy_rows(row_map, task, 1);
  } else {
    raise_registers<kConsumerRegisters>();
    multiply(task, group - 1, errors, judge);
  }
}

}  // namespace
}  // namespace ally_fast
