#include <algorithm>

#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/octet.h"
#include "../../common/cuda/scan/device_table.h"
#include "assign_among.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256, kOctets = kThreads / kOctet, kBuckets = 256;
constexpr int kAtOnce = 4;  // centroids an octet measures side by side: their loads overlap
constexpr int64_t kMostSharedBytes = 64 << 10;  // of distances, so that three blocks fit
constexpr int64_t kBlocksPerMultiprocessor = 3;

// The smallest keys of a row: those below `low`, and the first `rest` of those in [low, high].
struct Selection {
  uint64_t low, high;
  int64_t rest;
};

// Distances of at least 0 are ordered as their bits.
__device__ __forceinline__ uint64_t key_of(double distance) {
  return static_cast<uint64_t>(__double_as_longlong(distance));
}

// Narrows the range of keys in which the last one taken lies, by eight bits a step, until it holds
// just what is still to take, or one value. All threads of the block call it.
__device__ __forceinline__ Selection select_smallest(const double* distances, int64_t count,
                                                     int64_t taken) {
  ALLY_FAST_SHARED(unsigned int, histogram, [kBuckets]);
  ALLY_FAST_SHARED(unsigned long long, least);
  ALLY_FAST_SHARED(unsigned long long, largest);
  ALLY_FAST_SHARED(int, bucket);
  ALLY_FAST_SHARED(int64_t, before);
  ALLY_FAST_SHARED(int64_t, inside);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    least = ~0ull;
    largest = 0;
  }
  __syncthreads();
  unsigned long long low = ~0ull, high = 0;
  for (int64_t i = thread; i < count; i += kThreads) {
    const unsigned long long key = key_of(distances[i]);
    low = min(low, key);
    high = max(high, key);
  }
  atomicMin(&least, low);
  atomicMax(&largest, high);
  __syncthreads();
  Selection range{least, largest, taken};
  for (int64_t in_range = count; in_range > range.rest && range.low < range.high;) {
    const int width = 64 - __clzll(static_cast<long long>(range.high - range.low));
    const int shift = max(width - 8, 0);
    histogram[thread] = 0;
    __syncthreads();
    for (int64_t i = thread; i < count; i += kThreads) {
      const uint64_t key = key_of(distances[i]);
      if (key >= range.low && key <= range.high) {
        atomicAdd(&histogram[(key - range.low) >> shift], 1u);
      }
    }
    __syncthreads();
    const int64_t here = histogram[thread];
    int64_t total;
    const int64_t below = block_exclusive_sum(here, &total);
    if (below < range.rest && below + here >= range.rest) {
      bucket = thread;
      before = below;
      inside = here;
    }
    __syncthreads();
    range.low += static_cast<uint64_t>(bucket) << shift;
    range.high = min(range.high, range.low + ((uint64_t{1} << shift) - 1));
    range.rest -= before;
    in_range = inside;
    __syncthreads();
  }
  return range;
}

// Distances of the query to all centroids by the exact rule; an octet four centroids at a time.
template <class C>
__device__ __forceinline__ void measure_all(const float* query, const C* centroids, int64_t k,
                                            int64_t d, double* distances) {
  for (int64_t first = threadIdx.x / kOctet; first < k; first += kOctets * kAtOnce) {
    const C* centroid[kAtOnce];
    double partial[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      centroid[i] = centroids + min(first + i * kOctets, k - 1) * d;
      partial[i] = 0;
    }
    for (int64_t j = octet_lane(); j < d; j += kOctet) {
      const auto x = static_cast<double>(query[j]);
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const double t = x - static_cast<double>(centroid[i][j]);
        partial[i] += t * t;
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const double distance = octet_sum(partial[i]);
      if (octet_lane() == 0 && first + i * kOctets < k) distances[first + i * kOctets] = distance;
    }
  }
}

// Mapping: a block a query after the other; an octet four centroids, then a thread a distance.
// Shared memory: the k distances of the query, where they fit.
// Accumulator: float64.
// Order of sums: the exact rule's (octet.h).
__global__ void __launch_bounds__(kThreads, 2)
    nearest_lists_kernel(const float* queries, int64_t count, TableView table, int64_t length,
                         double* workspace, int32_t* lists) {
  const int64_t k = table.k;
  double* const distances =
      workspace ? workspace + blockIdx.x * k : reinterpret_cast<double*>(dynamic_shared());
  for (int64_t query = blockIdx.x; query < count; query += gridDim.x) {
    const float* const from = queries + query * table.d;
    if (table.narrow) {
      measure_all(from, table.narrow, k, table.d, distances);
    } else {
      measure_all(from, table.wide, k, table.d, distances);
    }
    __syncthreads();
    const Selection selection = select_smallest(distances, k, length);
    // How many before this one lie below the range, and (in the high half) how many in it.
    int64_t before = 0;
    for (int64_t first = 0; first < k; first += kThreads) {
      const int64_t c = first + threadIdx.x;
      const uint64_t key = c < k ? key_of(distances[c]) : ~uint64_t{0};
      const bool below = key < selection.low, in_range = !below && key <= selection.high;
      int64_t total;
      const int64_t sum =
          before + block_exclusive_sum(int64_t{below} | int64_t{in_range} << 32, &total);
      const int64_t inside = sum >> 32;
      if (below || (in_range && inside < selection.rest)) {
        lists[query * length + (sum & 0xFFFFFFFF) + min(inside, selection.rest)] =
            static_cast<int32_t>(c);
      }
      before += total;
    }
    __syncthreads();  // the distances are free for the next query
  }
}

}  // namespace

void nearest_lists_cuda(const CudaStream& stream, const float* queries, int64_t count,
                        const DeviceTable& table, int64_t length, int32_t* lists) {
  const OpScope scope("nearest_lists", stream);
  const int64_t bytes = table.k() * static_cast<int64_t>(sizeof(double));
  const bool fits = bytes <= kMostSharedBytes;
  const int64_t blocks = std::min(count, kBlocksPerMultiprocessor * scope.multiprocessors());
  const Buffer<double> workspace(scope, fits ? 0 : blocks * table.k());
  scope.launch(nearest_lists_kernel, {blocks, kThreads, fits ? static_cast<size_t>(bytes) : 0},
               queries, count, table.view(), length, workspace.data(), lists);
}

}  // namespace ally_fast
