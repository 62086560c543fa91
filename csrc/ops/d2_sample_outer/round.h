// What a round of proposals is; see sampler.h.
#pragma once
#include <cstdint>

namespace ally_fast {

constexpr int64_t kWeightBlock = 1024;  // rows whose weights are added up in order
constexpr int64_t kLargestRound = 256;

// Centres that a round tries to find: as many as are known already keep most proposals.
inline int64_t wanted_in_round(int64_t k, int64_t taken) {
  const int64_t left = k - taken, most = taken < kLargestRound ? taken : kLargestRound;
  return left < most ? left : most;
}

// Whether a round goes on. Once too many proposals have failed, the old weights are not worth
// keeping.
inline bool round_goes_on(int64_t wanted, int64_t accepted, int64_t rejected) {
  return accepted < wanted && rejected <= 8 + accepted / 2;
}

}  // namespace ally_fast
