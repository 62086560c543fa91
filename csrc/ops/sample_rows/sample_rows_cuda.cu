#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "../../common/cuda/atomic.h"
#include "../../common/cuda/scope.h"
#include "../../common/cuda/sort.h"
#include "../../common/philox.h"
#include "sample_rows.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerThread = 8;
constexpr int kRowsPerBlock = kThreads * kRowsPerThread;

struct Keyed {
  uint64_t key;
  int64_t index;
};
struct Earlier {
  __device__ bool operator()(const Keyed& a, const Keyed& b) const {
    return a.key != b.key ? a.key < b.key : a.index < b.index;
  }
};

// Eligible rows whose key is at most `threshold`, in any order; `count` goes on past `capacity`.
// Mapping: a block 2048 rows, eight a thread.
// Shared memory: how many rows the block has found, and where they go.
// Accumulator: an integer. Order of sums: any.
__global__ void __launch_bounds__(kThreads)
    rows_below_kernel(int64_t n, const uint8_t* eligible, uint64_t seed, uint64_t threshold,
                      int64_t capacity, Keyed* smallest, int64_t* count) {
  ALLY_FAST_SHARED(int, in_block);
  ALLY_FAST_SHARED(int64_t, first_position);
  if (threadIdx.x == 0) in_block = 0;
  __syncthreads();
  const int64_t begin = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x;
  uint64_t keys[kRowsPerThread];
  unsigned taken = 0;
#pragma unroll
  for (int r = 0; r < kRowsPerThread; ++r) {
    const int64_t i = begin + r * kThreads;
    const Philox4 bits = draw(seed, Purpose::kSampleRows, static_cast<uint64_t>(i));
    keys[r] = to_uint64(bits.v[0], bits.v[1]);
    if (i < n && keys[r] <= threshold && (!eligible || eligible[i])) taken |= 1u << r;
  }
  const int position = taken ? atomicAdd(&in_block, __popc(taken)) : 0;
  __syncthreads();
  if (threadIdx.x == 0) first_position = atomic_add(count, in_block);
  __syncthreads();
  int64_t to = first_position + position;
#pragma unroll
  for (int r = 0; r < kRowsPerThread; ++r) {
    if (!(taken >> r & 1)) continue;
    if (to < capacity) smallest[to] = {keys[r], begin + r * kThreads};
    ++to;
  }
}

// Mapping: a thread an entry. Shared memory: none. Nothing is computed.
__global__ void indices_kernel(const Keyed* sorted, int64_t size, int64_t* out) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < size) out[i] = sorted[i].index;
}

}  // namespace

void sample_rows_cuda(const CudaStream& stream, int64_t n, const uint8_t* eligible,
                      int64_t eligible_count, int64_t size, uint64_t seed, int64_t* out) {
  if (size == 0) return;
  const OpScope scope("sample_rows", stream);
  // As on the CPU: a threshold that lets through a few more than `size`, so that memory follows the
  // sample; room for yet a few more than are to be expected then.
  const auto with_margin = [](double rows) { return rows + 6 * std::sqrt(rows) + 16; };
  double expected = with_margin(static_cast<double>(size));
  const Buffer<int64_t> count(scope, 1);
  for (;;) {
    const double share = expected / static_cast<double>(eligible_count);
    const bool all = share >= 1;
    const uint64_t threshold = all ? ~uint64_t{0} : static_cast<uint64_t>(std::ldexp(share, 64));
    const int64_t capacity =
        all ? eligible_count
            : std::min(eligible_count, static_cast<int64_t>(with_margin(expected)));
    const Buffer<Keyed> smallest(scope, capacity);
    scope.fill(count.data(), 0, count.bytes());
    scope.launch(rows_below_kernel, {blocks_for(n, kRowsPerBlock), kThreads}, n, eligible, seed,
                 threshold, capacity, smallest.data(), count.data());
    // Sorting waits for the count on the host, which must know it anyhow.
    int64_t rows = 0;
    scope.fetch(&rows, count.data(), count.bytes());
    if (rows >= size && rows <= capacity) {
      sort_entries<Earlier>(scope, smallest.data(), count.data(), rows);
      scope.launch(indices_kernel, {blocks_for(size, kThreads), kThreads}, smallest.data(), size,
                   out);
      return;
    }
    // One time in 10^9, fewer or more than expected; with all keys, the caller was wrong.
    if (all) {
      throw std::invalid_argument("eligible_count: got " + std::to_string(eligible_count) +
                                  ", but " + std::to_string(rows) + " rows are eligible");
    }
    expected *= 2;
  }
}

}  // namespace ally_fast
