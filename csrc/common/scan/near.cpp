#include "near.h"

#include <algorithm>

namespace ally_fast {

namespace {

// Rows of a block that have one centroid that may lower their distance, and those that have several.
struct Near {
  uint64_t one = 0, several = 0;
};

Near find_near(BlockScanner& scanner, int begin, int end, const double* nearest, double* limit) {
  Near near;
  scanner.limits_of_nearest(begin, end, limit);
  for (int r = begin; r < end; ++r) {
    limit[r] = std::min(limit[r], scanner.limit_of_radius(r, nearest[r]));
    if (std::min(scanner.best(r), scanner.second(r)) > limit[r]) continue;
    (scanner.second(r) > limit[r] ? near.one : near.several) |= uint64_t{1} << (r - begin);
    scanner.prefetch(r);
  }
  return near;
}

}  // namespace

void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest) {
  Near near[kLargestBatch / kBlock];
  double limit[kLargestBatch];
  const auto lower = [&](int r, int64_t c) {
    nearest[r] = std::min(nearest[r], scanner.measure(r, c));
  };
  for (int64_t first = begin; first < end;) {
    const int count = scanner.scan(first, end);
    for (int block = 0; block < count; block += kBlock) {
      near[block / kBlock] =
          find_near(scanner, block, std::min(count, block + kBlock), nearest, limit);
    }
    for (int block = 0; block < count; block += kBlock) {
      const auto [one, several] = near[block / kBlock];
      for (uint64_t bits = one; bits; bits &= bits - 1) {
        const int r = block + __builtin_ctzll(bits);
        lower(r, scanner.index(r));
      }
      if (!several) continue;
      scanner.settle(block, several, limit + block, [&](int r, int64_t c, bool) { lower(r, c); });
    }
    first += count;
    nearest += count;
  }
}

}  // namespace ally_fast
