// Rows drawn without replacement: every row has a random key, the `size` smallest keys win.
//
//   key_i = Philox(seed, sample_rows, i), 64 bits; order by (key, index)
//
// eligible  IN   (n,) bool bytes or null (all rows)
// out       OUT  (size,) int64, in order of key: any prefix is itself a sample without replacement
// A key depends on (seed, index) alone, so parts of a pool can be drawn apart and merged.
#pragma once
#include <cstdint>

#include "../../common/cuda/stream.h"

namespace ally_fast {

// size <= number of eligible rows (checked by the binding).
void sample_rows_cpu(int64_t n, const uint8_t* eligible, int64_t eligible_count, int64_t size,
                     uint64_t seed, int threads, int64_t* out);

// Device pointers. Waits once, for the number of rows whose key is low enough to be sorted. Throws
// std::invalid_argument where fewer than `size` rows turn out to be eligible.
void sample_rows_cuda(const CudaStream& stream, int64_t n, const uint8_t* eligible,
                      int64_t eligible_count, int64_t size, uint64_t seed, int64_t* out);

}  // namespace ally_fast
