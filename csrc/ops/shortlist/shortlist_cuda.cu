#include <algorithm>
#include <limits>

#include "../../common/cuda/atomic.h"
#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/element.h"
#include "../../common/cuda/memory.h"
#include "../../common/cuda/scope.h"
#include "../../common/cuda/sort.h"
#include "depths.h"
#include "device_shortlist.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kAppendThreads = 1024;
constexpr int kOneBlock = 1024;         // threads of the kernels that go over clusters
constexpr int64_t kFewClusters = 8192;  // counted in shared memory

struct Candidate {
  double score;
  int64_t position;
};
struct Entry {
  Candidate candidate;
  int32_t cluster;
};
struct Counters {
  int64_t held;     // entries in the buffer
  int64_t sorting;  // the same while they are pruned, else 0
};

__device__ __forceinline__ bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.position < b.position;
}
struct Before {
  __device__ __forceinline__ bool operator()(const Entry& a, const Entry& b) const {
    return a.cluster != b.cluster ? a.cluster < b.cluster : better(a.candidate, b.candidate);
  }
};

// Counts rows, and appends those that beat their cluster's threshold.
// Mapping: a thread a row, blocks in strides over the rows.
// Shared memory: kFew: the block's rows of each cluster, (k,) int32.
// Accumulator: integers. Order of sums: any.
template <DType kDType, bool kFew>
__global__ void __launch_bounds__(kAppendThreads)
    append_kernel(const int32_t* assignments, const char* scores, const int64_t* indices,
                  int64_t count, int64_t first, int64_t k, TieOrder ties,
                  const Candidate* thresholds, int64_t* sizes, Entry* entries, Counters* counters) {
  int* const counted = reinterpret_cast<int*>(dynamic_shared());
  if constexpr (kFew) {
    for (int64_t c = threadIdx.x; c < k; c += kAppendThreads) counted[c] = 0;
    __syncthreads();
  }
  const int64_t stride = int64_t{gridDim.x} * kAppendThreads;
  for (int64_t begin = int64_t{blockIdx.x} * kAppendThreads; begin < count; begin += stride) {
    const int64_t i = begin + threadIdx.x;
    const int32_t c = i < count ? assignments[i] : -1;
    if constexpr (kFew) {
      if (c >= 0) atomicAdd(counted + c, 1);
    } else {
      append_cluster_positions(sizes, c);
    }
    Candidate row{};
    bool enters = false;
    if (c >= 0) {
      row.score = static_cast<double>(Element<kDType>::load(scores + i * Element<kDType>::kBytes));
      const Candidate threshold = thresholds[c];
      if (row.score >= threshold.score) {  // before its position is worked out
        row.position = ties.position(indices ? indices[i] : first + i);
        enters = better(row, threshold);
      }
    }
    const int64_t position = append_positions(&counters->held, enters);
    if (enters) entries[position] = {row, c};
  }
  if constexpr (kFew) {
    __syncthreads();
    for (int64_t c = threadIdx.x; c < k; c += kAppendThreads) {
      if (counted[c]) atomic_add(sizes + c, counted[c]);
    }
  }
}

// Whether there is something to prune, and how deep each cluster then reaches.
// Mapping: one block, threads in strides over the clusters.
// Shared memory: of block_sum.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kOneBlock, 1)
    depths_kernel(int64_t k, int64_t b, const double* weights, double lightest,
                  const int64_t* sizes, int64_t limit, Counters* counters, int64_t* depths,
                  int64_t* begins, int64_t* ends) {
  const int64_t held = counters->held;
  if (threadIdx.x == 0) counters->sorting = held > limit ? held : 0;
  if (held <= limit) return;
  int64_t rows = 0;
  for (int64_t c = threadIdx.x; c < k; c += kOneBlock) rows += sizes[c];
  const bool all = block_sum(rows) <= b;
  QuotientSearch search(b, lightest);
  while (!all && search.open()) {
    const double quotient = search.middle();
    int64_t covered = 0;
    for (int64_t c = threadIdx.x; c < k; c += kOneBlock) {
      covered += rows_within(quotient, weights[c], sizes[c]);
    }
    search.narrow(block_sum(covered) >= b);
  }
  for (int64_t c = threadIdx.x; c < k; c += kOneBlock) {
    const int64_t depth = all ? sizes[c] : depth_at(search.quotient(), weights[c], sizes[c]);
    depths[c] = min(depth, b);
    begins[c] = ends[c] = 0;
  }
}

// Where each cluster's sorted entries begin and end.
// Mapping: a thread an entry. Shared memory: none. Nothing is computed.
__global__ void runs_kernel(const Entry* entries, const Counters* counters, int64_t* begins,
                            int64_t* ends) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x, count = counters->sorting;
  if (e >= count) return;
  const int32_t c = entries[e].cluster;
  if (e == 0 || entries[e - 1].cluster != c) begins[c] = e;
  if (e == count - 1 || entries[e + 1].cluster != c) ends[c] = e + 1;
}

// positions (k + 1,): where each cluster's entries go.
// Mapping: one block, threads in strides over the clusters.
// Shared memory: of exclusive_sums.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kOneBlock, 1)
    places_kernel(int64_t k, const int64_t* depths, const int64_t* begins, const int64_t* ends,
                  Counters* counters, int64_t* positions) {
  if (counters->sorting == 0) return;
  exclusive_sums(k, [&](int64_t c) { return min(depths[c], ends[c] - begins[c]); }, positions);
  if (threadIdx.x == 0) counters->held = positions[k];
}

// Copies what is kept, and raises the thresholds of clusters that are full: what does not beat the
// last one cannot come in, as it never gets worse than that.
// Mapping: a thread an entry. Shared memory: none. Nothing is computed.
__global__ void keep_kernel(const Entry* entries, const Counters* counters, const int64_t* depths,
                            const int64_t* begins, const int64_t* positions, const int64_t* sizes,
                            Entry* kept, Candidate* thresholds) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= counters->sorting) return;
  const Entry entry = entries[e];
  const int64_t rank = e - begins[entry.cluster], depth = depths[entry.cluster];
  if (rank >= depth) return;
  kept[positions[entry.cluster] + rank] = entry;
  if (rank == depth - 1 && sizes[entry.cluster] > depth) {
    thresholds[entry.cluster] = entry.candidate;
  }
}

// Mapping: a thread an entry. Shared memory: none. Nothing is computed.
__global__ void return_kernel(const Entry* kept, const Counters* counters, Entry* entries) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (counters->sorting > 0 && e < counters->held) entries[e] = kept[e];
}

// Mapping: a thread a cluster. Shared memory: none. Nothing is computed.
__global__ void open_kernel(int64_t k, Candidate nothing, Candidate* thresholds) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c < k) thresholds[c] = nothing;
}

}  // namespace

struct DeviceShortlist::Memory {
  Memory(const OpScope& scope, int64_t k, int64_t most_kept, int64_t capacity)
      : weights(scope, k),
        sizes(scope, k),
        depths(scope, k),
        begins(scope, k),
        ends(scope, k),
        positions(scope, k + 1),
        thresholds(scope, k),
        entries(scope, capacity),
        kept(scope, most_kept),
        counters(scope, 1) {}

  Buffer<double> weights;
  Buffer<int64_t> sizes, depths, begins, ends, positions;
  Buffer<Candidate> thresholds;
  Buffer<Entry> entries, kept;
  Buffer<Counters> counters;
};

DeviceShortlist::DeviceShortlist(const CudaStream& stream, int64_t k, int64_t b,
                                 const double* weights, const TieOrder& ties, int64_t largest_push)
    : stream_(stream),
      k_(k),
      b_(b),
      limit_(2 * (b + 2 * k) + 8192),
      largest_push_(largest_push),
      // At first all rows come in, and few are enough to learn what a row must beat.
      next_push_(std::min(2 * limit_, largest_push)),
      lightest_(*std::min_element(weights, weights + k)),
      ties_(ties) {
  const OpScope scope("shortlist", stream);
  // No more than b + 2 k are kept: fewer than b rows lie within any quotient below the one found,
  // at which each cluster has at most one more, and one to make up for rounding.
  memory_ = std::make_unique<Memory>(scope, k, b + 2 * k, limit_ + largest_push);
  copy_to_device(stream, memory_->weights.data(), weights, memory_->weights.bytes());
  scope.fill(memory_->sizes.data(), 0, memory_->sizes.bytes());
  scope.fill(memory_->counters.data(), 0, memory_->counters.bytes());
  const Candidate nothing{-std::numeric_limits<double>::infinity(),
                          std::numeric_limits<int64_t>::max()};
  scope.launch(open_kernel, {blocks_for(k, kThreads), kThreads}, k, nothing,
               memory_->thresholds.data());
}

DeviceShortlist::~DeviceShortlist() = default;

void DeviceShortlist::push(const int32_t* assignments, const void* scores, DType dtype,
                           int64_t count, int64_t first, const int64_t* indices) {
  const OpScope scope("shortlist", stream_);
  const Memory& memory = *memory_;
  const bool few = k_ <= kFewClusters;
  with_dtype(dtype, [&](auto constant) {
    constexpr DType kDType = decltype(constant)::value;
    for (int64_t begin = 0; begin < count;) {
      if (bound_ + std::min(count - begin, next_push_) > limit_ + next_push_) {
        prune(limit_);
        next_push_ = std::min(4 * next_push_, largest_push_);
      }
      const int64_t rows = std::min(count - begin, next_push_);
      // Few large blocks, each with many rows of a cluster: fewer additions to the sizes.
      const int64_t blocks =
          std::min(blocks_for(rows, 2 * kAppendThreads), int64_t{2} * scope.multiprocessors());
      const Shape shape{blocks, kAppendThreads, few ? static_cast<size_t>(k_) * sizeof(int) : 0};
      scope.launch(few ? append_kernel<kDType, true> : append_kernel<kDType, false>, shape,
                   assignments + begin,
                   static_cast<const char*>(scores) + begin * Element<kDType>::kBytes,
                   indices ? indices + begin : nullptr, rows, first + begin, k_, ties_,
                   memory.thresholds.data(), memory.sizes.data(), memory.entries.data(),
                   memory.counters.data());
      bound_ += rows;
      begin += rows;
    }
  });
}

void DeviceShortlist::prune(int64_t limit) {
  const OpScope scope("shortlist", stream_);
  const Memory& memory = *memory_;
  Counters* const counters = memory.counters.data();
  scope.launch(depths_kernel, {1, kOneBlock}, k_, b_, memory.weights.data(), lightest_,
               memory.sizes.data(), limit, counters, memory.depths.data(), memory.begins.data(),
               memory.ends.data());
  sort_entries<Before>(scope, memory.entries.data(), &counters->sorting, bound_);
  const Shape over_entries{blocks_for(bound_, kThreads), kThreads};
  scope.launch(runs_kernel, over_entries, memory.entries.data(), counters, memory.begins.data(),
               memory.ends.data());
  scope.launch(places_kernel, {1, kOneBlock}, k_, memory.depths.data(), memory.begins.data(),
               memory.ends.data(), counters, memory.positions.data());
  scope.launch(keep_kernel, over_entries, memory.entries.data(), counters, memory.depths.data(),
               memory.begins.data(), memory.positions.data(), memory.sizes.data(),
               memory.kept.data(), memory.thresholds.data());
  const int64_t most_kept = memory.kept.count();
  scope.launch(return_kernel, {blocks_for(std::min(bound_, most_kept), kThreads), kThreads},
               memory.kept.data(), counters, memory.entries.data());
  bound_ = std::min(bound_, std::max(limit, most_kept));
}

DeviceShortlist::Entries DeviceShortlist::fetch() {
  const OpScope scope("shortlist", stream_);
  prune(0);
  Counters counters{};
  scope.fetch(&counters, memory_->counters.data(), sizeof counters);
  std::vector<Entry> entries(static_cast<size_t>(counters.held));
  scope.fetch(entries.data(), memory_->entries.data(),
              counters.held * static_cast<int64_t>(sizeof(Entry)));
  Entries result;
  result.sizes.resize(static_cast<size_t>(k_));
  scope.fetch(result.sizes.data(), memory_->sizes.data(), memory_->sizes.bytes());
  for (const Entry& entry : entries) {
    result.clusters.push_back(entry.cluster);
    result.scores.push_back(entry.candidate.score);
    result.indices.push_back(ties_.index(entry.candidate.position));
  }
  bound_ = counters.held;
  return result;
}

}  // namespace ally_fast
