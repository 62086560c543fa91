#include "near.h"

#include <algorithm>

namespace ally_fast {

namespace {

void lower_block(BlockScanner& scanner, int begin, int end, double* nearest) {
  uint64_t undecided = 0;
  double limit[kBlock];
  for (int r = begin; r < end; ++r) {
    double& bound = limit[r - begin];
    bound = scanner.limit_of_radius(r, nearest[r]);
    if (std::min(scanner.best(r), scanner.second(r)) > bound) continue;
    bound = std::min(bound, scanner.limit_of_nearest(r));
    if (scanner.second(r) > bound) {
      nearest[r] = std::min(nearest[r], scanner.measure(r, scanner.index(r)));
    } else {
      undecided |= uint64_t{1} << (r - begin);
    }
  }
  if (!undecided) return;
  scanner.settle(begin, undecided, limit, [&](int r, int64_t, double distance) {
    nearest[r] = std::min(nearest[r], distance);
  });
}

}  // namespace

void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest) {
  for (int64_t first = begin; first < end;) {
    const int count = scanner.scan(first, end);
    for (int block = 0; block < count; block += kBlock) {
      lower_block(scanner, block, std::min(count, block + kBlock), nearest + (first - begin));
    }
    first += count;
  }
}

}  // namespace ally_fast
