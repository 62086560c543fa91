// Rounds. The rows that stand first in the order (D descending, row ascending) make up a set, and a
// block picks greedily among them for as long as its best row stands above the set's bound: all other
// rows stood below it at the start of the round, and picks only lower D. Then one pass lowers D of all
// rows to the round's picks. A round makes a pick at least; the first row of the order is in its set.
#include <algorithm>
#include <limits>

#include "../../common/cuda/atomic.h"
#include "../../common/cuda/block_sum.h"
#include "../../common/cuda/late_scalar.h"
#include "../../common/cuda/memory.h"
#include "../../common/cuda/octet.h"
#include "../../common/cuda/scan/near.h"
#include "../../common/cuda/scope.h"
#include "k_center_greedy.h"

namespace ally_fast {
namespace {

#ifdef ALLY_FAST_EMULATED_CUDA
constexpr int kSet = 64, kRoundPicks = 16;  // so that tests of few rows come to several rounds
#else
constexpr int kSet = 1024, kRoundPicks = 256;
#endif
constexpr int kThreads = 256, kOneBlock = 1024;
constexpr int kGreedyThreads = kSet * kOctet / 2 < 768 ? kSet * kOctet / 2 : 768;
constexpr int kGreedyWarps = kGreedyThreads / 32, kGreedyOctets = kGreedyThreads / kOctet;
constexpr int kDigitBits = 11, kBins = 1 << kDigitBits;
constexpr int kBinsOfThread = kBins / kThreads;

constexpr double kShort = -1;  // in place of the picks left: no row left has a distance

// A row's standing. The larger one is picked first, and no two rows have the same.
struct Standing {
  uint64_t key;   // 1 + the bits of D, ordered as D is; 0: picked already
  uint64_t rank;  // how many visited rows come after it
};

__device__ __forceinline__ bool above(const Standing& a, const Standing& b) {
  return a.key != b.key ? a.key > b.key : a.rank > b.rank;
}
__device__ __forceinline__ uint64_t key_of(double distance) {
  return static_cast<uint64_t>(__double_as_longlong(distance)) + 1;
}

struct State {
  int64_t taken;     // rows picked
  int64_t accepted;  // of these, by the last round
  int64_t held;      // rows in the set
  Standing bound;    // of the set: all rows not below it; while it is looked for, its digits so far
  int64_t wanted;    // rows to find among those with these digits
  int64_t settled;   // whether the bound is final
  double left;       // picks to make, or kShort: what the host learns
};

struct Problem {
  int64_t visited, b, round_picks, d;
  const int64_t* positions;  // of the visited rows, or null
  double* known;             // (visited,) D
  uint8_t* used;             // (visited,) whether picked
  int64_t* bins;             // (kBins,) zeros between two digits
  int64_t* set;              // (kSet,) places
  double* points;            // (round_picks, d) of the last round
  int64_t* picks;            // (b,)
  double* distances;         // (b,)
  State* state;
};

__device__ __forceinline__ Standing standing(const Problem& problem, int64_t place) {
  return {problem.used[place] ? 0 : key_of(problem.known[place]),
          static_cast<uint64_t>(problem.visited - 1 - place)};
}
__device__ __forceinline__ int64_t row_at(const Problem& problem, int64_t place) {
  return problem.positions ? problem.positions[place] : place;
}

// Mapping: an octet a visited row; 32 rows a block.
// Shared memory: none.
// Accumulator: integers; float64, of the squared norm (normalize only).
// Order of sums: the exact rule's (octet.h); any.
template <DType kDType>
__global__ void __launch_bounds__(kThreads)
    check_kernel(RowsView rows, int64_t first, KCenterFindings* findings) {
  const int64_t place = int64_t{blockIdx.x} * (kThreads / kOctet) + threadIdx.x / kOctet;
  if (place >= rows.visited) return;
  const bool leader = octet_lane() == 0;
  const int64_t row = rows.positions ? rows.positions[place] : place;
  const bool outside = row < 0 || row >= rows.n;
  if (leader && outside) atomic_add(&findings->outside, 1);
  if (leader && place > 0 && rows.positions && row <= rows.positions[place - 1]) {
    atomic_add(&findings->unordered, 1);
  }
  if (leader && row == first) findings->first_place = place;
  if (outside) return;
  const ExactRow<kDType> features = exact_row<kDType>(rows, place);
  bool finite = true;
  for (int64_t j = octet_lane(); j < rows.d; j += kOctet) {
    finite = finite && isfinite(features.feature(j));
  }
  finite = __all_sync(octet_mask(), finite);
  if (!leader || finite) return;
  atomic_add(&findings->nonfinite.count, 1);
  atomic_min(&findings->nonfinite.first, row);
}

// What a round starts from, with `taken` rows picked.
__device__ __forceinline__ void open_round(const Problem& problem, int64_t taken) {
  State& state = *problem.state;
  const bool all = problem.visited - taken <= kSet;
  state.held = 0;
  state.bound = {all ? 1u : 0u, 0};
  state.wanted = kSet;
  state.settled = all;
}

// Nothing is known of any row. `first_place`, if any, is the only row of the first set.
// Mapping: a thread a row. Shared memory: none. Nothing is summed.
__global__ void __launch_bounds__(kThreads) start_kernel(Problem problem, int64_t first_place) {
  const int64_t place = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (place < problem.visited) problem.known[place] = HUGE_VAL;
  if (place > 0) return;
  *problem.state = State{};
  open_round(problem, 0);
  if (first_place < 0) return;
  problem.set[0] = first_place;
  problem.state->held = 1;
  problem.state->bound = {1, 0};
}

// A digit of the bound: key first, then rank.
struct Digit {
  bool of_rank;
  int shift;
};

// Rows not picked that share the bound's digits so far, counted by the next one.
// Mapping: a thread a row, blocks in strides over the rows.
// Shared memory: the block's counts.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kThreads) count_kernel(Problem problem, Digit digit) {
  ALLY_FAST_SHARED(int, counts, [kBins]);
  if (problem.state->settled) return;
  const Standing bound = problem.state->bound;
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kThreads) counts[bin] = 0;
  __syncthreads();
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t place = int64_t{blockIdx.x} * kThreads + threadIdx.x; place < problem.visited;
       place += stride) {
    const Standing row = standing(problem, place);
    if (row.key == 0 || (digit.of_rank && row.key != bound.key)) continue;
    const uint64_t value = (digit.of_rank ? row.rank : row.key) >> digit.shift;
    const uint64_t so_far = (digit.of_rank ? bound.rank : bound.key) >> digit.shift;
    if (value >> kDigitBits != so_far >> kDigitBits) continue;
    atomicAdd(counts + (value & (kBins - 1)), 1);
  }
  __syncthreads();
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kThreads) {
    if (counts[bin]) atomic_add(problem.bins + bin, counts[bin]);
  }
}

// The bin in which the set would be full. The search ends where all of it is wanted, or where the rows
// above it will do: half a set saves the digits that would tell its rows apart.
// Mapping: one block, eight bins a thread, from the largest down.
// Shared memory: of block_exclusive_sum.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kThreads, 1) choose_kernel(Problem problem, Digit digit) {
  State& state = *problem.state;
  if (state.settled) return;
  const int64_t wanted = state.wanted;
  const int first_bin = kBins - 1 - static_cast<int>(threadIdx.x) * kBinsOfThread;
  int64_t counts[kBinsOfThread], own = 0, total;
#pragma unroll
  for (int u = 0; u < kBinsOfThread; ++u) {
    counts[u] = problem.bins[first_bin - u];
    problem.bins[first_bin - u] = 0;
    own += counts[u];
  }
  int64_t before = block_exclusive_sum(own, &total);
  __syncthreads();  // all have read the state
#pragma unroll
  for (int u = 0; u < kBinsOfThread; ++u) {
    if (before < wanted && wanted <= before + counts[u]) {
      const int64_t left = wanted - before;
      const bool whole = counts[u] == left, enough = !whole && kSet - left >= kSet / 2;
      const auto bin = static_cast<uint64_t>(first_bin - u + enough);
      (digit.of_rank ? state.bound.rank : state.bound.key) += bin << digit.shift;
      state.wanted = left;
      state.settled = whole || enough;
    }
    before += counts[u];
  }
}

// The set, in any order.
// Mapping: a thread a row, blocks in strides over the rows. Shared memory: none. Nothing is summed.
__global__ void __launch_bounds__(kThreads) collect_kernel(Problem problem) {
  const Standing bound = problem.state->bound;
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t begin = int64_t{blockIdx.x} * kThreads; begin < problem.visited; begin += stride) {
    const int64_t place = begin + threadIdx.x;
    bool enters = false;
    if (place < problem.visited) {
      const Standing row = standing(problem, place);
      enters = row.key > 0 && !above(bound, row);
    }
    const int64_t slot = append_positions(&problem.state->held, enters);
    if (enters) problem.set[slot] = place;
  }
}

struct Member {
  Standing standing;
  double root;  // see ExactRow
};
struct Best {
  Standing standing;
  int slot;
};

// Picks from the set, each time the row of the highest standing. What has come to stand below the
// bound is out of the round: it is measured no more.
// Mapping: one block; an octet some members of the set.
// Shared memory: the set; each warp's best.
// Accumulator: float64. Order of sums: the exact rule's (octet.h).
template <DType kDType>
__global__ void __launch_bounds__(kGreedyThreads, 1) greedy_kernel(Problem problem, RowsView rows) {
  ALLY_FAST_SHARED(Member, members, [kSet]);
  ALLY_FAST_SHARED(Best, of_warp, [kGreedyWarps]);
  State& state = *problem.state;
  const int held = static_cast<int>(state.held);
  const int64_t taken = state.taken, goal = min(problem.b - taken, problem.round_picks);
  const Standing bound = state.bound;
  const int octet = static_cast<int>(threadIdx.x) / kOctet;
  const auto features = [&](int64_t place, double root) {
    return ExactRow<kDType>{row_address(rows, place), rows.col_stride, rows.normalize, root};
  };
  const auto place_of = [&](const Standing& row) {
    return problem.visited - 1 - static_cast<int64_t>(row.rank);
  };
  for (int slot = octet; slot < held; slot += kGreedyOctets) {
    const int64_t place = problem.set[slot];
    const double root = exact_row<kDType>(rows, place).root;
    if (octet_lane() == 0) members[slot] = {standing(problem, place), root};
  }
  __syncthreads();
  int64_t accepted = 0;
  bool short_of_rows = false;
  while (accepted < goal) {
    const double* const last = problem.points + (accepted - 1) * problem.d;
    Best best{{0, 0}, 0};
    for (int slot = octet; slot < held; slot += kGreedyOctets) {
      Standing own = members[slot].standing;
      if (above(bound, own)) continue;
      if (accepted > 0) {
        const auto row = features(place_of(own), members[slot].root);
        own.key = min(own.key, key_of(exact_distance(row, last, problem.d)));
        __syncwarp(octet_mask());  // all eight lanes have read what the first one writes
        if (octet_lane() == 0) members[slot].standing.key = own.key;
      }
      if (above(own, best.standing)) best = {own, slot};
    }
    for (int step = 16; step >= kOctet; step /= 2) {
      const Best other{{__shfl_xor_sync(~0u, best.standing.key, step),
                        __shfl_xor_sync(~0u, best.standing.rank, step)},
                       __shfl_xor_sync(~0u, best.slot, step)};
      if (above(other.standing, best.standing)) best = other;
    }
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = best;
    __syncthreads();
    best = of_warp[0];
    for (int warp = 1; warp < kGreedyWarps; ++warp) {
      if (above(of_warp[warp].standing, best.standing)) best = of_warp[warp];
    }
    if (above(bound, best.standing)) break;
    short_of_rows = best.standing.key == key_of(0.0);
    if (short_of_rows) break;
    const int64_t place = place_of(best.standing);
    const auto row = features(place, members[best.slot].root);
    double* const point = problem.points + accepted * problem.d;
    for (int64_t j = threadIdx.x; j < problem.d; j += kGreedyThreads) point[j] = row.feature(j);
    if (threadIdx.x == 0) {
      problem.picks[taken + accepted] = row_at(problem, place);
      problem.distances[taken + accepted] =
          __longlong_as_double(static_cast<long long>(best.standing.key - 1));
      problem.used[place] = 1;
      members[best.slot].standing.key = 0;
    }
    ++accepted;
    __syncthreads();
  }
  if (threadIdx.x > 0) return;
  state.taken = taken + accepted;
  state.accepted = accepted;
  state.left = short_of_rows ? kShort : static_cast<double>(problem.b - taken - accepted);
  open_round(problem, taken + accepted);
}

// The lowest rows not picked are the picks that are missing.
// Mapping: one block. Shared memory: of block_exclusive_sum.
// Accumulator: integers. Order of sums: any.
__global__ void __launch_bounds__(kOneBlock, 1) fill_up_kernel(Problem problem) {
  int64_t at = problem.state->taken;
  for (int64_t first = 0; first < problem.visited && at < problem.b; first += kOneBlock) {
    const int64_t place = first + threadIdx.x;
    const bool free = place < problem.visited && !problem.used[place];
    int64_t total;
    const int64_t own = at + block_exclusive_sum(free, &total);
    if (free && own < problem.b) {
      problem.picks[own] = row_at(problem, place);
      problem.distances[own] = 0;
    }
    at += total;
  }
}

KCenterFindings look_at(const OpScope& scope, const RowsView& rows, int64_t first) {
  KCenterFindings findings;
  findings.nonfinite.first = std::numeric_limits<int64_t>::max();
  const Buffer<KCenterFindings> device(scope, 1);
  copy_to_device(scope.stream(), device.data(), &findings, sizeof findings);
  with_dtype(rows.dtype, [&](auto dtype) {
    scope.launch(check_kernel<decltype(dtype)::value>,
                 {blocks_for(rows.visited, kThreads / kOctet), kThreads}, rows, first,
                 device.data());
  });
  scope.fetch(&findings, device.data(), sizeof findings);
  return findings;
}

// The set of a round.
void select_set(const OpScope& scope, const Problem& problem) {
  const int64_t most_blocks = int64_t{8} * scope.multiprocessors();
  const Shape over_rows{std::min(blocks_for(problem.visited, kThreads), most_blocks), kThreads};
  const auto narrow = [&](const Digit& digit) {
    scope.launch(count_kernel, over_rows, problem, digit);
    scope.launch(choose_kernel, {1, kThreads}, problem, digit);
  };
  int rank_bits = 1;
  while (problem.visited >> rank_bits) ++rank_bits;
  for (int shift = 5 * kDigitBits; shift >= 0; shift -= kDigitBits) narrow({false, shift});
  for (int digit = (rank_bits - 1) / kDigitBits; digit >= 0; --digit) {
    narrow({true, digit * kDigitBits});
  }
  scope.launch(collect_kernel, over_rows, problem);
}

}  // namespace

KCenterFindings k_center_greedy_cuda(const CudaStream& stream, const RowsView& rows,
                                     const DeviceTable* starts, int64_t first, int64_t b,
                                     int64_t* picks, double* distances) {
  if (b == 0) return {};
  const OpScope scope("k_center_greedy", stream);
  const KCenterFindings findings = look_at(scope, rows, starts ? -1 : first);
  const bool start_missing = !starts && findings.first_place < 0;
  if (findings.outside || findings.unordered || findings.nonfinite.count || start_missing)
    return findings;

  const int64_t visited = rows.visited, round_picks = std::min<int64_t>(b, kRoundPicks);
  const Buffer<double> known(scope, visited), points(scope, round_picks * rows.d);
  const Buffer<uint8_t> used(scope, visited);
  const Buffer<int64_t> bins(scope, kBins), set(scope, kSet);
  const Buffer<State> state(scope, 1);
  const Problem problem{visited,      b,           round_picks, rows.d,     rows.positions,
                        known.data(), used.data(), bins.data(), set.data(), points.data(),
                        picks,        distances,   state.data()};
  scope.fill(used.data(), 0, used.bytes());
  scope.fill(bins.data(), 0, bins.bytes());
  scope.launch(start_kernel, {blocks_for(visited, kThreads), kThreads}, problem,
               findings.first_place);
  if (starts) lower_to_nearest(scope, rows, *starts, known.data());

  DeviceTable table(scope, round_picks, rows.d);
  auto left = static_cast<double>(b);
  for (bool set_is_given = !starts;; set_is_given = false) {
    if (!set_is_given) select_set(scope, problem);
    with_dtype(rows.dtype, [&](auto dtype) {
      scope.launch(greedy_kernel<decltype(dtype)::value>, {1, kGreedyThreads}, problem, rows);
    });
    const LateScalar picked(stream, &state.data()->left);
    // Lowering after the last pick would be a pass for nothing.
    const bool may_be_last = left <= kRoundPicks;
    if (may_be_last) left = picked.read();
    if (left <= 0) break;
    table.pack(scope, points.data(), &state.data()->accepted);
    lower_to_nearest(scope, rows, table, known.data());
    if (!may_be_last) left = picked.read();
    if (left <= 0) break;
  }
  if (left == kShort) scope.launch(fill_up_kernel, {1, kOneBlock}, problem);
  return findings;
}

}  // namespace ally_fast
