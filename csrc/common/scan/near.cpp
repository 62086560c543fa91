#include "near.h"

#include <algorithm>

namespace ally_fast {
namespace {

// Rows that some point may undercut. Settling reloads the scanner, so they wait here.
struct Closer {
  int count = 0;
  int64_t ids[kBlock];
  double limit[kBlock];  // of the scores that can matter
};

void settle(BlockScanner& scanner, Closer& closer, int64_t begin, double* nearest) {
  const int64_t* ids = closer.ids;
  const int count = closer.count;
  closer.count = 0;
  scanner.load(ids, 0, count);
  const uint64_t active = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  scanner.settle(active, closer.limit, [&](int r, int64_t, double distance) {
    double& known = nearest[ids[r] - begin];
    known = std::min(known, distance);
  });
}

}  // namespace

void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest) {
  Closer closer;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(kBlock, end - first));
    uint64_t found = 0;
    double limit[kBlock];
    scanner.load(nullptr, first, count);
    scanner.track();
    for (int r = 0; r < count; ++r) {
      limit[r] = scanner.limit_of_radius(r, nearest[first + r - begin]);
      if (scanner.best()[r] > limit[r]) continue;
      limit[r] = std::min(limit[r], scanner.limit_of_nearest(r));
      if (scanner.second()[r] > limit[r]) {
        double& known = nearest[first + r - begin];
        known = std::min(known, scanner.measure(r, scanner.index()[r]));
      } else {
        found |= uint64_t{1} << r;
      }
    }
    for (; found; found &= found - 1) {
      const int r = __builtin_ctzll(found);
      closer.ids[closer.count] = first + r;
      closer.limit[closer.count] = limit[r];
      if (++closer.count == kBlock) settle(scanner, closer, begin, nearest);
    }
  }
  if (closer.count) settle(scanner, closer, begin, nearest);
}

}  // namespace ally_fast
