#include "near.h"

#include <algorithm>

namespace ally_fast {

void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest) {
  const auto lower = [&](int r, int64_t c) {
    nearest[r] = std::min(nearest[r], scanner.measure(r, c));
  };
  for (int64_t first = begin; first < end;) {
    const int count = scanner.scan(first, end, nearest);
    for (int block = 0; block * kBlock < count; ++block) {
      for (uint64_t bits = scanner.one(block); bits; bits &= bits - 1) {
        scanner.prefetch(block * kBlock + __builtin_ctzll(bits));
      }
    }
    for (int block = 0; block * kBlock < count; ++block) {
      for (uint64_t bits = scanner.one(block); bits; bits &= bits - 1) {
        const int r = block * kBlock + __builtin_ctzll(bits);
        lower(r, scanner.index(r));
      }
      for (uint64_t bits = scanner.several(block); bits; bits &= bits - 1) {
        const int r = block * kBlock + __builtin_ctzll(bits);
        for (const int64_t c : scanner.candidates(r)) lower(r, c);
      }
    }
    first += count;
    nearest += count;
  }
}

}  // namespace ally_fast
