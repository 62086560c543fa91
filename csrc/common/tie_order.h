// The order of rows with equal scores: by index, or by a random permutation of the indices.
//
//   index = left * 2^31 + right;  four times: left, right <- right, left ^ mix(right ^ key)
//
// A Feistel network is a bijection of [0, 2^62), whatever `mix` is: no two rows share a position, and
// the index comes back from the position. Source: Luby, Rackoff, "How to construct pseudorandom
// permutations from pseudorandom functions", SIAM J. Comput. 17, 1988; `mix` is the finalizer of
// MurmurHash3 (A. Appleby, public domain).
#pragma once
#include <cstdint>

#include "host_device.h"
#include "philox.h"

namespace ally_fast {

struct TieOrder {
  bool random = false;
  uint32_t keys[4] = {0, 0, 0, 0};

  // The position of a row in the order; index in [0, 2^62).
  ALLY_FAST_HOST_DEVICE int64_t position(int64_t index) const {
    if (!random) return index;
    uint32_t left = static_cast<uint32_t>(index >> 31),
             right = static_cast<uint32_t>(index) & kMask;
    for (int round = 0; round < 4; ++round) {
      const uint32_t next = left ^ mix(right ^ keys[round]);
      left = right;
      right = next;
    }
    return int64_t{left} << 31 | right;
  }

  // The row at a position.
  ALLY_FAST_HOST_DEVICE int64_t index(int64_t position) const {
    if (!random) return position;
    uint32_t left = static_cast<uint32_t>(position >> 31),
             right = static_cast<uint32_t>(position) & kMask;
    for (int round = 3; round >= 0; --round) {
      const uint32_t before = right ^ mix(left ^ keys[round]);
      right = left;
      left = before;
    }
    return int64_t{left} << 31 | right;
  }

 private:
  static constexpr uint32_t kMask = 0x7fffffffu;

  ALLY_FAST_HOST_DEVICE static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return (x ^ x >> 16) & kMask;
  }
};

inline TieOrder random_ties(uint64_t seed) {
  const Philox4 words = draw(seed, Purpose::kTies, 0);
  TieOrder order;
  order.random = true;
  for (int round = 0; round < 4; ++round) order.keys[round] = words.v[round];
  return order;
}

}  // namespace ally_fast
