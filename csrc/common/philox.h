// Philox4x32-10, a counter-based generator: a draw is a pure function of (seed, purpose, index).
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once
#include <cstdint>

#include "host_device.h"

namespace ally_fast {

struct Philox4 {
  uint32_t v[4];
};

ALLY_FAST_HOST_DEVICE inline Philox4 philox4x32_10(Philox4 counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter.v[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter.v[2];
    counter = {{static_cast<uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0, static_cast<uint32_t>(p1),
                static_cast<uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// What a draw is for: keeps the streams of one seed apart.
enum class Purpose : uint32_t { kSampleRows = 1, kD2Sample = 2, kTies = 3 };

ALLY_FAST_HOST_DEVICE inline Philox4 draw(uint64_t seed, Purpose purpose, uint64_t index) {
  const Philox4 counter = {{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                            static_cast<uint32_t>(purpose), 0u}};
  return philox4x32_10(counter, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

ALLY_FAST_HOST_DEVICE inline uint64_t to_uint64(uint32_t low, uint32_t high) {
  return uint64_t{high} << 32 | low;
}

// Uniform in [0, 1), 53 bits.
ALLY_FAST_HOST_DEVICE inline double to_uniform(uint32_t low, uint32_t high) {
  return static_cast<double>(to_uint64(low, high) >> 11) * 0x1p-53;
}

}  // namespace ally_fast
