// What a round of proposals is, for host and device; see d2_sample.h.
#pragma once
#include <cstdint>

#include "../../common/host_device.h"

namespace ally_fast {

constexpr int64_t kWeightBlock = 1024;  // rows whose weights are added up in order
constexpr int64_t kLargestRound = 256;

// Centres that a round tries to find: as many as are known already keep most proposals.
ALLY_FAST_HOST_DEVICE inline int64_t wanted_in_round(int64_t k, int64_t taken) {
  const int64_t left = k - taken, most = taken < kLargestRound ? taken : kLargestRound;
  return left < most ? left : most;
}

// Whether a round goes on. Once too many proposals have failed, the old weights are not worth
// keeping.
ALLY_FAST_HOST_DEVICE inline bool round_goes_on(int64_t wanted, int64_t accepted,
                                                int64_t rejected) {
  return accepted < wanted && rejected <= 8 + accepted / 2;
}

// No round makes more proposals.
ALLY_FAST_HOST_DEVICE constexpr int64_t most_proposals(int64_t wanted) {
  return wanted + 9 + wanted / 2;
}

}  // namespace ally_fast
