// A block's rows against tiles of 128 centroids on the tensor cores: the loop that all scans share.
//
// Eight warps; kRowWarps of them side by side down the rows (32 rows each), the others across the
// tile. Centroids come in chunks of 64 features through a ring of stages that cp.async fills ahead
// of use; rows stay in shared memory from the start where they fit, or come along in the stages.
// Chunks lie as rows of 128 bytes whose eight 16-byte units are swizzled by the row's number:
// neither the copies nor ldmatrix meet a bank conflict.
#pragma once
#include "certificate.h"
#include "mma.h"

namespace ally_fast {

constexpr int kScanThreads = 256;
constexpr int kChunkRowBytes = static_cast<int>(kChunkFeatures) * 2;
constexpr int kCentroidChunkBytes = static_cast<int>(kTileCentroids) * kChunkRowBytes;
constexpr int kNormBytes = static_cast<int>(kTileCentroids) * 4;

// How a block's shared memory is laid out: resident rows, then stages of rows (where they are not
// resident), centroids, half norms, norms.
struct ScanLayout {
  int stages;     // 2 or 3
  bool resident;  // rows are
  int row_chunk_bytes, resident_bytes, stage_bytes;

  ScanLayout(int rows, int64_t d_padded, int stages_, bool resident_)
      : stages(stages_), resident(resident_) {
    row_chunk_bytes = rows * kChunkRowBytes;
    resident_bytes = resident ? static_cast<int>(d_padded / kChunkFeatures) * row_chunk_bytes : 0;
    stage_bytes = (resident ? 0 : row_chunk_bytes) + kCentroidChunkBytes + 2 * kNormBytes;
  }
  __host__ __device__ int bytes() const { return resident_bytes + stages * stage_bytes; }
};

// The layout that lets two blocks run on a multiprocessor if there is one: one's products hide the
// other's comparisons. `extra` bytes are the kernel's own.
inline ScanLayout choose_layout(const OpScope& scope, int rows, int64_t d_padded, int extra) {
  constexpr int64_t kReserved = 1024;  // of the driver's, for each block
  const auto largest = static_cast<int64_t>(scope.largest_shared_bytes());
  const bool small = d_padded <= 1024;  // resident rows are worth a thought
  const ScanLayout choices[] = {{rows, small ? d_padded : 1024, 3, true},
                                {rows, small ? d_padded : 1024, 2, true},
                                {rows, d_padded, 3, false},
                                {rows, d_padded, 2, false}};
  for (const int blocks : {2, 1}) {
    for (const ScanLayout& choice : choices) {
      if ((small || !choice.resident) &&
          blocks * (choice.bytes() + extra + kReserved) <= largest + kReserved) {
        return choice;
      }
    }
  }
  return choices[3];
}

template <int kRowWarps>
struct ScanTile {
  static constexpr int kRows = kRowWarps * 32;
  static constexpr int kColumns = static_cast<int>(kTileCentroids) * kRowWarps / 8;  // of a warp
  static constexpr int kGroups = kColumns / 8;  // of eight columns
  // acc[m][g][2 h + e]: row 16 m + 8 h + lane / 4 and column 8 g + 2 (lane % 4) + e of the warp's.
  using Accumulator = float[2][kGroups][4];

  static __device__ __forceinline__ int warp_row() {
    return static_cast<int>(threadIdx.x) / 32 % kRowWarps * 32;
  }
  static __device__ __forceinline__ int warp_column() {
    return static_cast<int>(threadIdx.x) / 32 / kRowWarps * kColumns;
  }
  // Of the block's rows and the tile's columns.
  static __device__ __forceinline__ int row(int m, int h) {
    return warp_row() + 16 * m + 8 * h + static_cast<int>(threadIdx.x) % 32 / 4;
  }
  static __device__ __forceinline__ int column(int g, int e) {
    return warp_column() + 8 * g + static_cast<int>(threadIdx.x) % 4 * 2 + e;
  }
};

// The centroids of a table in order.
struct AllCentroids {
  const TableView& table;

  __device__ __forceinline__ int64_t count() const { return table.scalars->k; }
  // Where centroid n (padded) is packed; its number in the table.
  __device__ __forceinline__ const uint16_t* packed(int n) const {
    return table.packed + int64_t{n} * static_cast<int>(table.d_padded);
  }
  __device__ __forceinline__ int original(int n) const { return n; }
  // Half norms, then norms of a tile: one 16-byte copy each of 64 threads.
  __device__ __forceinline__ void copy_norms(int tile, SharedAddress to) const {
    const int at = static_cast<int>(threadIdx.x);
    if (at >= 64) return;
    const float* from = (at < 32 ? table.half_norm : table.norm) + tile * kTileCentroids;
    copy_async_16(to + at * 16, from + at % 32 * 4);
  }
};

// -L(r, c) (track.h) of the block's rows `rows` (packed, d_padded apart) and every centroid; calls
// finish(tile, acc) for tiles in order. error[m][h] is that of row(m, h). Starts and ends with the
// shared memory free for other use; all threads of the block call it, and finish may have barriers.
template <int kRowWarps, class Centroids, class Finish>
__device__ __forceinline__ void scan_tiles(const ScanLayout& layout, const uint16_t* rows,
                                           int64_t d_padded, const Centroids& centroids,
                                           const float (&error)[2][2], const Finish& finish) {
  using Tile = ScanTile<kRowWarps>;
  constexpr int kRowCopies = Tile::kRows * 8 / kScanThreads;
  constexpr int kCentroidCopies = static_cast<int>(kTileCentroids) * 8 / kScanThreads;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  constexpr int kTile = static_cast<int>(kTileCentroids);
  constexpr int kFeatures = static_cast<int>(kChunkFeatures);
  const int length = static_cast<int>(d_padded), chunks = length / kFeatures;
  const int tiles = static_cast<int>((centroids.count() + kTileCentroids - 1) / kTileCentroids);
  const SharedAddress resident = shared_address(dynamic_shared());
  const int last_stage = layout.resident_bytes + (layout.stages - 1) * layout.stage_bytes;
  const int centroids_at = layout.resident ? 0 : layout.row_chunk_bytes;

  // What this thread copies of every chunk: one unit of rows `line`, `line` + 32, …
  const int line = thread / 8, unit = thread % 8;
  const int copy_at = line * kChunkRowBytes + ((unit ^ (line & 7)) << 4);
  const auto copy_rows = [&](int chunk, SharedAddress to) {
#pragma unroll
    for (int i = 0; i < kRowCopies; ++i) {
      copy_async_16(to + copy_at + i * 32 * kChunkRowBytes,
                    rows + int64_t{line + i * 32} * length + (chunk * kFeatures + unit * 8));
    }
  };
  int next_tile = 0, next_chunk = 0, next_at = layout.resident_bytes;
  const auto copy_next = [&] {
    if (next_tile < tiles) {
      const SharedAddress stage = resident + next_at;
      const SharedAddress to = stage + centroids_at;
      if (!layout.resident) copy_rows(next_chunk, stage);
#pragma unroll
      for (int i = 0; i < kCentroidCopies; ++i) {
        copy_async_16(to + copy_at + i * 32 * kChunkRowBytes,
                      centroids.packed(next_tile * kTile + line + i * 32) +
                          (next_chunk * kFeatures + unit * 8));
      }
      if (next_chunk == 0) centroids.copy_norms(next_tile, to + kCentroidChunkBytes);
      if (++next_chunk == chunks) {
        next_chunk = 0;
        ++next_tile;
      }
      next_at = next_at == last_stage ? layout.resident_bytes : next_at + layout.stage_bytes;
    }
    commit_copies();  // empty at the end: the waits count groups
  };

  if (layout.resident && tiles > 0) {
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk) {
      copy_rows(chunk, resident + chunk * layout.row_chunk_bytes);
    }
  }
#pragma unroll 1
  for (int stage = 1; stage < layout.stages; ++stage) copy_next();

  // Where this lane reads fragments: 16-byte unit 2 step + (0 or 1), swizzled by row % 8 = lane % 8.
  const int row_at = (Tile::warp_row() + lane % 16) * kChunkRowBytes;
  const int row_unit = ((lane / 16) ^ (lane % 8)) << 4;
  const int column_at = (Tile::warp_column() + lane % 8 + lane / 16 * 8) * kChunkRowBytes;
  const int column_unit = ((lane / 8 % 2) ^ (lane % 8)) << 4;
  const int norms_at = centroids_at + kCentroidChunkBytes + Tile::column(0, 0) * 4;

  int stage_at = layout.resident_bytes;
  typename Tile::Accumulator acc;
  for (int tile = 0; tile < tiles; ++tile) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      if (layout.stages == 3) {
        wait_for_copies<1>();
      } else {
        wait_for_copies<0>();
      }
      // This chunk has come for everyone, and everyone is done with the one before, whose stage the
      // next copies fill.
      __syncthreads();
      copy_next();
      const SharedAddress stage = resident + stage_at;
      stage_at = stage_at == last_stage ? layout.resident_bytes : stage_at + layout.stage_bytes;
      if (chunk == 0) {
#pragma unroll
        for (int g = 0; g < Tile::kGroups; ++g) {
          const float2 half = load_shared_float2(stage + norms_at + g * 32);
          const float2 norm = load_shared_float2(stage + norms_at + kNormBytes + g * 32);
#pragma unroll
          for (int m = 0; m < 2; ++m) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
              acc[m][g][2 * h] = __fmaf_rn(error[m][h], norm.x, -half.x);
              acc[m][g][2 * h + 1] = __fmaf_rn(error[m][h], norm.y, -half.y);
            }
          }
        }
      }
      const SharedAddress a_at =
          (layout.resident ? resident + chunk * layout.row_chunk_bytes : stage) + row_at;
      const SharedAddress b_at = stage + centroids_at + column_at;
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        uint32_t a[2][4];
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          load_matrices(a[m], a_at + (row_unit ^ (step << 5)) + m * 16 * kChunkRowBytes);
        }
#pragma unroll
        for (int g = 0; g < Tile::kGroups; g += 2) {
          uint32_t b[4];
          load_matrices(b, b_at + (column_unit ^ (step << 5)) + g * 8 * kChunkRowBytes);
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            multiply_add(acc[m][g], a[m], b[0], b[1]);
            multiply_add(acc[m][g + 1], a[m], b[2], b[3]);
          }
        }
      }
    }
    finish(tile, acc);
  }
  wait_for_copies<0>();
  __syncthreads();
}

// The best and the second best of a row so far, as cut keys: -L with the lowest bits replaced.
struct Leader {
  float best, second;  // larger is better
  int column;
};

__device__ __forceinline__ Leader better_of(const Leader& a, const Leader& b) {
  const bool other = b.best > a.best || (b.best == a.best && b.column < a.column);
  const float lower = fminf(a.best, b.best);
  return {fmaxf(a.best, b.best), fmaxf(lower, fmaxf(a.second, b.second)),
          other ? b.column : a.column};
}

// Keeps the leaders of a thread's four rows.
template <int kRowWarps>
class Tracker {
 public:
  using Tile = ScanTile<kRowWarps>;
  // A key's lowest bits say which of the thread's columns of a tile it is: no second register.
  static constexpr int kKeyBits = kRowWarps == 4 ? 4 : 3;
  static constexpr int kSharedBytes =
      Tile::kRows * static_cast<int>(sizeof(Leader)) * (8 / kRowWarps);

  __device__ __forceinline__ Tracker() {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        best_[m][h] = second_[m][h] = -kNever;
        tile_[m][h] = 0;
      }
    }
  }

  // Handed to `update` at run time: of two constants the compiler makes two instructions a key.
  static unsigned kept_bits() { return ~((1u << kKeyBits) - 1); }

  __device__ __forceinline__ void update(int tile, const typename Tile::Accumulator& acc,
                                         unsigned kept_bits) {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float best = best_[m][h], second = second_[m][h];
#pragma unroll
        for (int j = 0; j < 2 * Tile::kGroups; ++j) {
          const unsigned bits = __float_as_uint(acc[m][j / 2][2 * h + j % 2]);
          const float key = __uint_as_float((bits & kept_bits) | unsigned(j));
          second = fmaxf(second, fminf(best, key));
          best = fmaxf(best, key);
        }
        if (best != best_[m][h]) tile_[m][h] = tile;
        best_[m][h] = best;
        second_[m][h] = second;
      }
    }
  }

  // Puts the leader of every row of the block into `leaders` (kRows of them are the answer, the rest
  // of kSharedBytes is workspace). Ends with a barrier.
  __device__ __forceinline__ void merge(Leader* leaders) const {
    const int part = Tile::warp_column() / Tile::kColumns;
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int j = static_cast<int>(__float_as_uint(best_[m][h]) & ((1u << kKeyBits) - 1));
        Leader leader{best_[m][h], second_[m][h],
                      tile_[m][h] * static_cast<int>(kTileCentroids) + Tile::column(j / 2, j % 2)};
#pragma unroll
        for (int step = 1; step < 4; step *= 2) {
          leader = better_of(leader, {__shfl_xor_sync(~0u, leader.best, step),
                                      __shfl_xor_sync(~0u, leader.second, step),
                                      __shfl_xor_sync(~0u, leader.column, step)});
        }
        if (threadIdx.x % 4 == 0) leaders[part * Tile::kRows + Tile::row(m, h)] = leader;
      }
    }
    __syncthreads();
    const int row = static_cast<int>(threadIdx.x);
    if (row < Tile::kRows) {
      Leader leader = leaders[row];
      for (int other = 1; other < 8 / kRowWarps; ++other) {
        leader = better_of(leader, leaders[other * Tile::kRows + row]);
      }
      leaders[row] = leader;
    }
    __syncthreads();
  }

 private:
  float best_[2][2], second_[2][2];
  int tile_[2][2];
};

}  // namespace ally_fast
