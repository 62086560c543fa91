#include "sample_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../../common/parallel.h"
#include "../../common/philox.h"

namespace ally_fast {
namespace {

using Keyed = std::pair<uint64_t, int64_t>;

// Eligible rows whose key is at most `threshold`.
std::vector<Keyed> rows_below(int64_t n, const uint8_t* eligible, uint64_t seed, int threads,
                              uint64_t threshold) {
  constexpr int64_t kTaskRows = 1 << 16;
  const int64_t tasks = (n + kTaskRows - 1) / kTaskRows;
  std::vector<std::vector<Keyed>> parts(static_cast<size_t>(tasks));
  parallel_for(tasks, threads, [&](int64_t task, int) {
    for (int64_t i = task * kTaskRows; i < std::min(n, (task + 1) * kTaskRows); ++i) {
      if (eligible && !eligible[i]) continue;
      const Philox4 bits = draw(seed, Purpose::kSampleRows, static_cast<uint64_t>(i));
      const uint64_t key = to_uint64(bits.v[0], bits.v[1]);
      if (key <= threshold) parts[task].emplace_back(key, i);
    }
  });
  std::vector<Keyed> all;
  for (const auto& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
    poll(static_cast<int64_t>(part.size()));
  }
  return all;
}

// Sorts keys that are spread evenly: by their leading bits into parts, and the parts apart.
void sort_parts(std::vector<Keyed>& keyed, int threads) {
  constexpr int kParts = 256;
  const int64_t count = static_cast<int64_t>(keyed.size());
  uint64_t largest = 0;
  polled_for(count, [&](int64_t i) { largest = std::max(largest, keyed[i].first); });
  const double width = (static_cast<double>(largest) + 1) / kParts;
  const auto part_of = [&](const Keyed& entry) {
    return std::min(kParts - 1, static_cast<int>(static_cast<double>(entry.first) / width));
  };
  std::vector<int64_t> begin(kParts + 1, 0);
  polled_for(count, [&](int64_t i) { ++begin[part_of(keyed[i]) + 1]; });
  for (int part = 0; part < kParts; ++part) begin[part + 1] += begin[part];
  std::vector<Keyed> sorted(keyed.size());
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  polled_for(count, [&](int64_t i) { sorted[next[part_of(keyed[i])]++] = keyed[i]; });
  parallel_for(kParts, threads, [&](int64_t part, int) {
    std::sort(sorted.begin() + begin[part], sorted.begin() + begin[part + 1]);
  });
  keyed = std::move(sorted);
}

}  // namespace

void sample_rows_cpu(int64_t n, const uint8_t* eligible, int64_t eligible_count, int64_t size,
                     uint64_t seed, int threads, int64_t* out) {
  if (size == 0) return;
  // A threshold that lets through a few more than `size`, so that memory follows the sample.
  const double wanted = static_cast<double>(size);
  double share = (wanted + 6 * std::sqrt(wanted) + 16) / static_cast<double>(eligible_count);
  std::vector<Keyed> keyed;
  for (;; share *= 2) {
    const uint64_t threshold =
        share >= 1 ? ~uint64_t{0} : static_cast<uint64_t>(std::ldexp(share, 64));
    keyed = rows_below(n, eligible, seed, threads, threshold);
    if (static_cast<int64_t>(keyed.size()) >= size) break;
  }
  sort_parts(keyed, threads);
  polled_for(size, [&](int64_t i) { out[i] = keyed[i].second; });
}

}  // namespace ally_fast
