#include "distinct_ids.h"

#include <algorithm>
#include <atomic>
#include <bitset>
#include <vector>

#include "../../common/parallel.h"

namespace ally_fast {
namespace {

using Bits = std::vector<uint64_t>;  // one for each sample

constexpr int64_t kWord = 64;
constexpr int64_t kBitsAnId = 512;  // more take longer to clear and count than ids to sort

bool in_set(const DualVariablesView& duals, const int64_t* ids, int64_t count) {
  uint64_t largest = 0;  // negative ids are larger than all others
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<uint64_t>(ids[i]));
  return count == 0 || largest < static_cast<uint64_t>(duals.n);
}

// False if an id is not of the set.
bool mark(const DualVariablesView& duals, int64_t begin, int64_t end, Bits& bits) {
  for (int64_t at = begin; at < end; at += kBlockRows) {
    const int64_t count = std::min(kBlockRows, end - at);
    const int64_t* const ids = duals.ids + at;
    if (!in_set(duals, ids, count)) return false;
    for (int64_t i = 0; i < count; ++i) {
      const auto id = static_cast<uint64_t>(ids[i]);
      bits[id / kWord] |= uint64_t{1} << (id % kWord);
    }
    poll(count);
  }
  return true;
}

bool distinct_if_sorted(const int64_t* ids, int64_t m) {
  std::vector<int64_t> sorted(ids, ids + m);
  std::sort(sorted.begin(), sorted.end());
  return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
}

// How many bits are set in at least one of the sets, all of the same size.
int64_t count_bits(const std::vector<Bits>& sets) {
  int64_t count = 0;
  for (size_t word = 0; word < sets[0].size(); ++word) {
    uint64_t bits = 0;
    for (const Bits& set : sets) bits |= set[word];
    count += static_cast<int64_t>(std::bitset<kWord>(bits).count());
  }
  return count;
}

}  // namespace

bool distinct_ids(const DualVariablesView& duals, int64_t m, int threads) {
  if (duals.n / kBitsAnId > m) {
    return in_set(duals, duals.ids, m) && distinct_if_sorted(duals.ids, m);
  }
  // Each task marks bits of its own, so its share of rows must be worth them.
  const int64_t words = (duals.n + kWord - 1) / kWord;
  const int64_t worth = m / std::max(kMultipliersATask, words);
  const int64_t tasks = std::max<int64_t>(1, std::min<int64_t>(threads, worth));
  const int64_t size = (m + tasks - 1) / tasks;
  std::vector<Bits> marked(static_cast<size_t>(tasks));
  std::atomic<bool> right{true};
  parallel_for(
      tasks, threads,
      [&](int64_t task, int) {
        marked[task].resize(static_cast<size_t>(words));
        const int64_t begin = task * size, end = std::min(m, begin + size);
        if (!mark(duals, begin, end, marked[task])) right = false;
      },
      Tasks::kShares);
  return right && count_bits(marked) == m;
}

}  // namespace ally_fast
