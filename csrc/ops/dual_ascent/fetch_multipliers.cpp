#include "fetch_multipliers.h"

#include <algorithm>
#include <atomic>
#include <bitset>
#include <vector>

#include "../../common/parallel.h"
#include "ascend.h"

namespace ally_fast {
namespace {

using Bits = std::vector<uint64_t>;  // one for each sample

constexpr int64_t kWord = 64;
constexpr int64_t kBitsAnId = 512;  // more take longer to clear and count than ids to sort

// At most kBlockRows rows, in loops without a branch. Marks their ids where there are bits.
bool fetch_block(const DualVariablesView& duals, const int64_t* ids, int64_t count, float* before,
                 uint64_t* bits) {
  uint64_t largest = 0;  // negative ids are larger than all others
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<uint64_t>(ids[i]));
  if (largest >= static_cast<uint64_t>(duals.n)) return false;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t id = static_cast<uint64_t>(ids[i]);
    before[i] = duals.multipliers[id];
    if (bits) bits[id / kWord] |= uint64_t{1} << (id % kWord);
  }
  int wrong = 0;
  for (int64_t i = 0; i < count; ++i) wrong |= !is_finite(before[i]) | (before[i] < 0);
  for (int64_t i = 0; duals.epsilon && i < count; ++i) wrong |= !is_finite(duals.epsilon[ids[i]]);
  return !wrong;
}

bool fetch_rows(const DualVariablesView& duals, int64_t begin, int64_t end, float* before,
                uint64_t* bits) {
  for (int64_t at = begin; at < end; at += kBlockRows) {
    const int64_t count = std::min(kBlockRows, end - at);
    if (!fetch_block(duals, duals.ids + at, count, before + at, bits)) return false;
    poll(count);
  }
  return true;
}

bool distinct(const int64_t* ids, int64_t m) {
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

bool fetch_multipliers(const DualVariablesView& duals, int64_t m, int threads, float* before) {
  if (!duals.epsilon && !is_finite(duals.epsilon_of_all)) return m == 0;
  if (duals.n / kBitsAnId > m) {
    return fetch_rows(duals, 0, m, before, nullptr) && distinct(duals.ids, m);
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
        if (!fetch_rows(duals, begin, end, before, marked[task].data())) right = false;
      },
      Tasks::kShares);
  return right && count_bits(marked) == m;
}

}  // namespace ally_fast
