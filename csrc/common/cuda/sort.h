// Sort of entries in device memory; how many there are is known on the device only. The network:
// sort_tile.h.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "scope.h"
#include "sort_tile.h"

namespace ally_fast {
namespace sort_detail {

constexpr int kTile = 2048;  // sorted in shared memory
constexpr int kTileThreads = 512;
constexpr int kThreads = 256;

// The tile of this block, of `count` entries (at most 0: none).
template <class Entry>
__device__ __forceinline__ int load_tile(const Entry* entries, const int64_t* count, Entry* tile) {
  const int64_t begin = int64_t{blockIdx.x} * kTile, left = *count - begin;
  const int here = static_cast<int>(left < kTile ? (left < 0 ? 0 : left) : kTile);
  for (int i = static_cast<int>(threadIdx.x); i < here; i += kTileThreads) {
    tile[i] = entries[begin + i];
  }
  __syncthreads();
  return here;
}

template <class Entry>
__device__ __forceinline__ void store_tile(const Entry* tile, int count, Entry* entries) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kTileThreads) {
    entries[int64_t{blockIdx.x} * kTile + i] = tile[i];
  }
}

// Mapping: a block a tile of 2048 entries, four a thread; blocks past the end do nothing.
// Shared memory: the tile.
// Accumulator: none. Order of sums: none.
template <class Less, class Entry>
__global__ void __launch_bounds__(kTileThreads)
    sort_tiles_kernel(Entry* entries, const int64_t* count) {
  Entry* const tile = reinterpret_cast<Entry*>(dynamic_shared());
  const int here = load_tile(entries, count, tile);
  if (here == 0) return;
  sort_tile<Less>(tile, here);
  store_tile(tile, here, entries);
}

// The steps of a merge of `size` entries that stay within tiles. Nothing to do, as in merge_kernel,
// where all entries lie in the first half of a merge.
// Mapping, shared memory, accumulator: as sort_tiles_kernel.
template <class Less, class Entry>
__global__ void __launch_bounds__(kTileThreads)
    merge_tiles_kernel(Entry* entries, const int64_t* count, int64_t size) {
  if (*count <= size / 2) return;
  Entry* const tile = reinterpret_cast<Entry*>(dynamic_shared());
  const int here = load_tile(entries, count, tile);
  if (here == 0) return;
  finish_merge<Less>(tile, here, kTile / 2);
  store_tile(tile, here, entries);
}

// One step of a merge of `size` entries, or two: pairs (i, i ^ mask), `distance` the highest bit of
// the mask, then pairs (i, i ^ distance / 2).
// Mapping: a thread a pair, or two pairs that the second step mixes.
// Shared memory: none.
// Accumulator: none. Order of sums: none.
template <bool kTwo, class Less, class Entry>
__global__ void __launch_bounds__(kThreads)
    merge_kernel(Entry* entries, const int64_t* count_at, int64_t size, int64_t distance,
                 int64_t mask) {
  const int64_t count = *count_at, thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (count <= size / 2) return;
  if constexpr (!kTwo) {
    const int64_t low = lower_of(thread, distance), high = low ^ mask;
    if (high >= count) return;
    Entry a = entries[low], b = entries[high];
    if (Less{}(b, a)) {
      entries[low] = b;
      entries[high] = a;
    }
  } else {
    const int64_t half = distance / 2;
    const int64_t low = 4 * thread - 3 * (thread & (half - 1)), high = low ^ mask;
    const int64_t low2 = low + half, high2 = high ^ half;
    if (low2 >= count) return;  // the two above lie further still
    const bool has_c = high < count, has_d = high2 < count;
    Entry a = entries[low], b = entries[low2];
    Entry c = has_c ? entries[high] : a, d = has_d ? entries[high2] : b;
    if (has_c) exchange<Less>(a, c);
    if (has_d) exchange<Less>(b, d);
    exchange<Less>(a, b);
    if (has_c && has_d) {
      if (high < high2) {
        exchange<Less>(c, d);
      } else {
        exchange<Less>(d, c);
      }
    }
    entries[low] = a;
    entries[low2] = b;
    if (has_c) entries[high] = c;
    if (has_d) entries[high2] = d;
  }
}

}  // namespace sort_detail

// Sorts the first *count entries so that no Less{}(entry, one before) holds. Equal entries come in any
// order: give Less a last word.
// entries   IN/OUT  (capacity,) device, trivially copyable
// count     IN      (1,) device, in [0, capacity]
template <class Less, class Entry>
void sort_entries(const OpScope& scope, Entry* entries, const int64_t* count, int64_t capacity) {
  using namespace sort_detail;
  const Shape tiles{blocks_for(capacity, kTile), kTileThreads, kTile * sizeof(Entry)};
  scope.launch(sort_tiles_kernel<Less, Entry>, tiles, entries, count);
  for (int64_t size = 2 * kTile; size / 2 < capacity; size *= 2) {
    const int64_t covered = blocks_for(capacity, size) * size;
    int64_t distance = size / 2, mask = size - 1;
    int steps = 0;
    for (int64_t left = distance; left >= kTile; left /= 2) ++steps;
    if (steps % 2 == 1) {
      scope.launch(merge_kernel<false, Less, Entry>, {blocks_for(covered / 2, kThreads), kThreads},
                   entries, count, size, distance, mask);
      mask = distance /= 2;
    }
    for (; distance >= kTile; mask = distance /= 4) {
      scope.launch(merge_kernel<true, Less, Entry>, {blocks_for(covered / 4, kThreads), kThreads},
                   entries, count, size, distance, mask);
    }
    scope.launch(merge_tiles_kernel<Less, Entry>, tiles, entries, count, size);
  }
}

}  // namespace ally_fast
