// Rows by cluster, in device memory: a counting sort. Within a cluster they come in any order, also from
// one call to the next: what is made of them must not depend on it.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "scope.h"

namespace ally_fast {

// assignments  IN  (t,) int32 in [0, k), device; t < 2^31
// among        IN  (k,) uint8, device: rows of clusters where it is 0 are left out; null: none are
class DeviceClusterOrder {
 public:
  DeviceClusterOrder(const OpScope& scope, const int32_t* assignments, int64_t t, int64_t k,
                     const uint8_t* among);

  const int32_t* rows() const { return rows_.data(); }
  // (k + 1,): cluster c has rows begins[c] to begins[c + 1] - 1.
  const int64_t* begins() const { return begins_.data(); }
  // (1,): how many there are in all.
  const int64_t* count() const { return begins_.data() + k_; }

 private:
  int64_t k_;
  Buffer<int32_t> rows_;
  Buffer<int64_t> begins_;
};

}  // namespace ally_fast
