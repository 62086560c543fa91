#include "near.h"

#include <algorithm>
#include <vector>

namespace ally_fast {
namespace {

void settle(BlockScanner& scanner, const std::vector<int64_t>& ids, int64_t begin,
            double* nearest) {
  const int count = static_cast<int>(ids.size());
  double limit[kBlock];
  scanner.load(ids.data(), 0, count);
  for (int r = 0; r < count; ++r) {
    limit[r] = scanner.limit_of_radius(r, nearest[ids[r] - begin]);
  }
  const uint64_t active = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  scanner.settle(active, limit, [&](int r, int64_t, double distance) {
    double& known = nearest[ids[r] - begin];
    known = std::min(known, distance);
  });
}

}  // namespace

void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest) {
  std::vector<int64_t> closer;
  closer.reserve(kBlock);
  for (int64_t first = begin; first < end; first += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(kBlock, end - first));
    scanner.load(nullptr, first, count);
    scanner.track();
    // Rows that some point may undercut; settling reloads the scanner, so they are noted first.
    uint64_t found = 0;
    for (int r = 0; r < count; ++r) {
      if (!(scanner.best()[r] > scanner.limit_of_radius(r, nearest[first + r - begin]))) {
        found |= uint64_t{1} << r;
      }
    }
    for (; found; found &= found - 1) {
      closer.push_back(first + __builtin_ctzll(found));
      if (closer.size() == kBlock) {
        settle(scanner, closer, begin, nearest);
        closer.clear();
      }
    }
  }
  if (!closer.empty()) settle(scanner, closer, begin, nearest);
}

}  // namespace ally_fast
