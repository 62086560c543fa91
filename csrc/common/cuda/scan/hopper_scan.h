// The scan of track.h by Hopper's own instructions: the kernel, for track_sm90a.cu alone.
#pragma once
#include <algorithm>

#include "../hopper/barrier.h"
#include "../hopper/tensor_map.h"
#include "../hopper/wgmma.h"
#include "hopper_errors.h"
#include "hopper_track.h"

namespace ally_fast {
namespace {

// Three warpgroups: one keeps the copy engine busy, two multiply. Each of these takes kHalves times 64
// rows against tiles of 128 centroids.
constexpr int kThreads = 3 * kWarpgroup, kConsumers = 2;
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
template <int kHalves>
constexpr int kGroupRows = kHalves * kWgmmaRows;
template <int kHalves>
constexpr int kBlockRows = kConsumers * kGroupRows<kHalves>;

// Shared memory: the barriers, a ring of row boxes for each consumer, a ring of centroid boxes. A box
// is a consumer's rows or 128 centroids by 64 features. Behind a centroid box lie half_norm and norm of
// its 128 centroids, filled with the first box of each tile.
constexpr int kMostRowSlots = 12, kMostCentroidSlots = 8;
constexpr int kHalfBytes = kWgmmaRows * kBoxColumns * 2;  // of a box of rows
constexpr int kCentroidBoxBytes = kWgmmaColumns * kBoxColumns * 2;
constexpr int kConstantBytes = kWgmmaColumns * sizeof(float);
constexpr int kCentroidSlotBytes = kCentroidBoxBytes + 2 * kConstantBytes;
constexpr int kRowsOffset = 1024, kMostSharedBytes = 232448;
static_assert(kCentroidSlotBytes % 1024 == 0);

struct Barriers {
  uint64_t rows_full[kConsumers][kMostRowSlots], rows_empty[kConsumers][kMostRowSlots];
  uint64_t centroids_full[kMostCentroidSlots], centroids_empty[kMostCentroidSlots];
};
static_assert(sizeof(Barriers) <= kRowsOffset);

__host__ __device__ inline int centroids_offset(int halves, int row_slots) {
  return kRowsOffset + kConsumers * row_slots * halves * kHalfBytes;
}

struct Task {
  const float *half_norm, *norm;
  int row_tiles, centroid_tiles, chunks, row_slots, centroid_slots;
  // The row boxes of a tile stay for all centroids, or are copied anew for each tile of them.
  bool resident;
  // While one consumer multiplies a tile, the other looks through its scores. The centroid boxes of a
  // tile must fit in their ring, and rows stay: one could not wait with its boxes for the other.
  bool turns;
};

// Short rows: 128 to a consumer, and turns. Longer ones stay as well, 64 to a consumer: then a centroid
// box serves fewer rows, but it is all that is copied. Beyond, rows come and go with the centroids.
constexpr int kShortChunks = 4;
constexpr int halves_for(int chunks) {
  return chunks > kShortChunks && chunks <= kMostRowSlots ? 1 : 2;
}

// The task for rows of so many chunks of features.
inline Task task_for(int chunks) {
  Task task{};
  task.chunks = chunks;
  task.resident = chunks <= kMostRowSlots;
  task.turns = chunks <= kShortChunks;
  task.row_slots = task.turns || !task.resident ? kShortChunks : chunks;
  const int left = kMostSharedBytes - centroids_offset(halves_for(chunks), task.row_slots);
  task.centroid_slots = std::min(left / kCentroidSlotBytes, kMostCentroidSlots);
  return task;
}
inline size_t shared_bytes(const Task& task) {
  return static_cast<size_t>(centroids_offset(halves_for(task.chunks), task.row_slots) +
                             task.centroid_slots * kCentroidSlotBytes);
}

__device__ __forceinline__ Barriers& barriers() {
  return *reinterpret_cast<Barriers*>(dynamic_shared());
}
template <int kHalves>
__device__ __forceinline__ char* row_box(const Task& task, int consumer, int slot) {
  return dynamic_shared() + kRowsOffset + (consumer * task.row_slots + slot) * kHalves * kHalfBytes;
}
template <int kHalves>
__device__ __forceinline__ char* centroid_box(const Task& task, int slot) {
  return dynamic_shared() + centroids_offset(kHalves, task.row_slots) + slot * kCentroidSlotBytes;
}

// One thread: all centroid boxes, in the order in which they are used.
template <int kHalves>
__device__ __forceinline__ void copy_centroids(const TensorMap& map, const Task& task) {
  RingPlace place;
  for (int rows = blockIdx.x; rows < task.row_tiles; rows += gridDim.x) {
    for (int tile = 0; tile < task.centroid_tiles; ++tile) {
      for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance(task.centroid_slots)) {
        uint64_t* const full = &barriers().centroids_full[place.slot];
        char* const box = centroid_box<kHalves>(task, place.slot);
        barrier_wait(&barriers().centroids_empty[place.slot], place.parity ^ 1);
        barrier_arrive_expect(full, chunk == 0 ? kCentroidSlotBytes : kCentroidBoxBytes);
        if (chunk == 0) {
          const int64_t first = int64_t{tile} * kWgmmaColumns;
          copy_bytes(box + kCentroidBoxBytes, task.half_norm + first, kConstantBytes, full);
          copy_bytes(box + kCentroidBoxBytes + kConstantBytes, task.norm + first, kConstantBytes,
                     full);
        }
        copy_box(box, map, int64_t{tile} * kWgmmaColumns, int64_t{chunk} * kBoxColumns, full);
      }
    }
  }
}

// One thread: all row boxes of one consumer.
template <int kHalves>
__device__ __forceinline__ void copy_rows(const TensorMap& map, const Task& task, int consumer) {
  RingPlace place;
  for (int rows = blockIdx.x; rows < task.row_tiles; rows += gridDim.x) {
    const int64_t first = int64_t{rows} * kBlockRows<kHalves> + consumer * kGroupRows<kHalves>;
    for (int tile = 0; tile < (task.resident ? 1 : task.centroid_tiles); ++tile) {
      for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance(task.row_slots)) {
        uint64_t* const full = &barriers().rows_full[consumer][place.slot];
        barrier_wait(&barriers().rows_empty[consumer][place.slot], place.parity ^ 1);
        barrier_arrive_expect(full, kHalves * kHalfBytes);
        copy_box(row_box<kHalves>(task, consumer, place.slot), map, first,
                 int64_t{chunk} * kBoxColumns, full);
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
template <int kHalves>
__device__ __forceinline__ void start(Accumulators (&scores)[kHalves], const char* constants,
                                      const float (&error)[2 * kHalves]) {
  const int pair = threadIdx.x % 4;
  const auto* const half_norm = reinterpret_cast<const float2*>(constants) + pair;
  const auto* const norm = reinterpret_cast<const float2*>(constants + kConstantBytes) + pair;
#pragma unroll
  for (int group = 0; group < kWgmmaColumns / 8; ++group) {
    const float2 h = half_norm[group * 4], n = norm[group * 4];
#pragma unroll
    for (int r = 0; r < 2 * kHalves; ++r) {
      float* const score = &scores[r / 2][group * 4 + r % 2 * 2];
      score[0] = __fmaf_rn(error[r], n.x, -h.x);
      score[1] = __fmaf_rn(error[r], n.y, -h.y);
    }
  }
}

// Adds to the scores of the first tile what `start` left out of them, its error not being known yet.
template <int kHalves>
__device__ __forceinline__ void add_error(Accumulators (&scores)[kHalves], const float* norms,
                                          const float (&error)[2 * kHalves]) {
  const auto* const norm = reinterpret_cast<const float2*>(norms) + threadIdx.x % 4;
#pragma unroll
  for (int group = 0; group < kWgmmaColumns / 8; ++group) {
    const float2 n = norm[group * 4];
#pragma unroll
    for (int r = 0; r < 2 * kHalves; ++r) {
      float* const score = &scores[r / 2][group * 4 + r % 2 * 2];
      score[0] = __fmaf_rn(error[r], n.x, score[0]);
      score[1] = __fmaf_rn(error[r], n.y, score[1]);
    }
  }
}

constexpr int64_t kNoRow = int64_t{1} << 62;  // past the last

// Four neighbouring lanes hold different columns of the same rows; each ends up with all that is known
// of one of them, if there are as many, and hands it on.
template <int kHalves, class Judge>
__device__ __forceinline__ void finish(const HopperTrack<kHalves>& track, int64_t first,
                                       const ScannedRow& own, const Judge& judge) {
  const int lane = threadIdx.x % 4;
  Leader mine{};
#pragma unroll
  for (int r = 0; r < 2 * kHalves; ++r) {
    Leader leader = track.leader(r);
#pragma unroll
    for (int bits = 1; bits < 4; bits *= 2) {
      leader = better_of(leader, {__shfl_xor_sync(~0u, leader.best, bits),
                                  __shfl_xor_sync(~0u, leader.second, bits),
                                  __shfl_xor_sync(~0u, leader.column, bits)});
    }
    if (lane == r) mine = leader;
  }
  const int64_t row = lane < 2 * kHalves ? first + row_offset(lane) : kNoRow;
  judge(row, -mine.best, -mine.second, mine.column, own);
}

// Where one of the two consumers stands.
template <int kHalves>
struct Consumer {
  const Task& task;
  int number, row_in_group;  // a thread's first row
  RingPlace rows, centroids;

  // Calls look(box, chunk) for the boxes of a tile of rows, once they have come.
  template <class Look>
  __device__ __forceinline__ void look_at_rows(const Look& look) const {
    RingPlace place = rows;
    for (int chunk = 0; chunk < task.chunks; ++chunk, place.advance(task.row_slots)) {
      barrier_wait(&barriers().rows_full[number][place.slot], place.parity);
      look(row_box<kHalves>(task, number, place.slot), chunk);
    }
  }

  // Adds the products of the rows and the next tile of centroids; look(box, chunk) runs under those of
  // each chunk. `fresh`: the row boxes may still be under way. `done`: they are given back.
  template <class Look>
  __device__ __forceinline__ void multiply(Accumulators (&scores)[kHalves], bool fresh, bool done,
                                           bool passes, const Look& look) {
    RingPlace place = rows;
    int row_slot = 0, centroid_slot = 0;
    const auto release = [&] {
      if (threadIdx.x % 32 != 0) return;
      barrier_arrive(&barriers().centroids_empty[centroid_slot]);
      if (done) barrier_arrive(&barriers().rows_empty[number][row_slot]);
    };
    for (int chunk = 0; chunk < task.chunks; ++chunk) {
      if (fresh) barrier_wait(&barriers().rows_full[number][place.slot], place.parity);
      barrier_wait(&barriers().centroids_full[centroids.slot], centroids.parity);
      char* const box = row_box<kHalves>(task, number, place.slot);
      const uint64_t a = wgmma_operand(box);
      const uint64_t b = wgmma_operand(centroid_box<kHalves>(task, centroids.slot));
      wgmma_fence();
#pragma unroll
      for (int step = 0; step < kBoxColumns / kWgmmaDepth; ++step) {
#pragma unroll
        for (int half = 0; half < kHalves; ++half) {
          wgmma_accumulate(scores[half],
                           wgmma_advance(a, half * kHalfBytes + step * kWgmmaDepth * 2),
                           wgmma_advance(b, step * kWgmmaDepth * 2));
        }
      }
      wgmma_commit();
      if (passes && chunk + 1 == task.chunks) pass_turn(number);
      if (chunk > 0) {
        wgmma_wait<1>();
        release();
      }
      look(box, chunk);
      row_slot = place.slot;
      centroid_slot = centroids.slot;
      place.advance(task.row_slots);
      centroids.advance(task.centroid_slots);
    }
    if (done) rows = place;
    wgmma_wait<0>();
#pragma unroll
    for (int half = 0; half < kHalves; ++half) wgmma_finish(scores[half]);
    release();
  }
};

// All rows of one consumer against all centroids, tile by tile.
template <int kHalves, class Errors, class Judge>
__device__ __forceinline__ void consume(const Task& task, int number, const Errors& errors,
                                        const Judge& judge) {
  const int lane = threadIdx.x % 32, blocks = static_cast<int>(gridDim.x);
  Consumer<kHalves> consumer{
      task, number, static_cast<int>(threadIdx.x) / 32 % 4 * 16 + lane / 4, {}, {}};
  Accumulators scores[kHalves];
  if (task.turns && number == 1) pass_turn(number);
  for (int row_tile = blockIdx.x; row_tile < task.row_tiles; row_tile += blocks) {
    const int64_t first = int64_t{row_tile} * kBlockRows<kHalves> + number * kGroupRows<kHalves> +
                          consumer.row_in_group;
    auto error = errors.template start<2 * kHalves>(first);
    typename Errors::template Sums<2 * kHalves> sums;
    const auto read = [&](char* box, int chunk) {
      errors.template read<2 * kHalves>(box, consumer.row_in_group, chunk, sums);
    };
    if (Errors::kConverts) {
      consumer.look_at_rows(read);
      fence_shared();
      await_group(number);
      error = errors.template finish<2 * kHalves>(sums);
    }
    HopperTrack<kHalves> track;
    for (int tile = 0; tile < task.centroid_tiles; ++tile) {
      const bool end = tile + 1 == task.centroid_tiles;
      const bool last = end && row_tile + blocks >= task.row_tiles;
      const bool measures = Errors::kMeasures && tile == 0;
      const RingPlace& at = consumer.centroids;
      barrier_wait(&barriers().centroids_full[at.slot], at.parity);
      start(scores, centroid_box<kHalves>(task, at.slot) + kCentroidBoxBytes, error.each);
      if (task.turns) await_turn(number);
      consumer.multiply(scores, !task.resident || tile == 0, !task.resident || end,
                        task.turns && !(last && number == 1), [&](char* box, int chunk) {
                          if (measures) read(box, chunk);
                        });
      if (measures) {
        error = errors.template finish<2 * kHalves>(sums);
        add_error(scores, task.norm, error.each);
      }
      track.update(scores, tile);
    }
    finish(track, first, error.own, judge);
  }
}

// Mapping: a persistent block walks over tiles of kHalves x 128 rows; warpgroup 0 copies (three
// threads), 1 and 2 take kHalves x 64 rows each, a thread kHalves x 2 of them and 32 of every 128
// centroids.
// Shared memory: barriers, 2 x 4 row boxes, 5 centroid boxes: 219,136 bytes; longer rows up to 232,448.
// Accumulator: float32 of wgmma, started at the negated constant part of the score.
// Order of sums: wgmma's, features in ascending steps of 16.
// judge(row, best, second, column, scanned) gets L, what was found of the row only if it was measured, and
// may be called for rows past the last; a lane a row, all 32 lanes of a warp at once.
template <int kHalves, class Errors, class Judge>
__global__ void __launch_bounds__(kThreads, 1)
    scan_kernel(const __grid_constant__ TensorMap row_map,
                const __grid_constant__ TensorMap centroid_map, Task task, Errors errors,
                Judge judge) {
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < task.row_slots; ++slot) {
      for (int consumer = 0; consumer < kConsumers; ++consumer) {
        barrier_init(&barriers().rows_full[consumer][slot], 1);
        barrier_init(&barriers().rows_empty[consumer][slot], kWarpgroup / 32);
      }
    }
    for (int slot = 0; slot < task.centroid_slots; ++slot) {
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
    if (threadIdx.x == 0) copy_centroids<kHalves>(centroid_map, task);
    if (threadIdx.x == 32) copy_rows<kHalves>(row_map, task, 0);
    if (threadIdx.x == 64) copy_rows<kHalves>(row_map, task, 1);
  } else {
    raise_registers<kConsumerRegisters>();
    consume<kHalves>(task, group - 1, errors, judge);
  }
}

}  // namespace
}  // namespace ally_fast
