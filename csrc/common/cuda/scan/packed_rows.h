// Rows as the tensor-core kernels read them, and what those hand on. See track.h.
#pragma once
#include <cstdint>

#include "device_table.h"

namespace ally_fast {

constexpr int64_t kTileRows = 128;
// Values of PackedRows::error that are no error.
constexpr float kMaskedRow = -1.0f;  // takes no part: -1 is its answer
// Infinite: the row's packed image says nothing (a feature is beyond float16, or not finite).

// A chunk of rows, packed. Pointers are to device memory.
struct PackedRows {
  uint16_t* packed;  // (count rounded up to kTileRows, d_padded) float16 bits of scale (x - shift)
  float* error;      // (count rounded up,) a score of row r is off by at most error[r] norm[c]
  float* norm;       // (count rounded up,) ||scale (x - shift)||
  int64_t count;
};

// A row that the scan could not decide. Scores above `limit` cannot belong to its answer.
struct UncertainRow {
  uint32_t row;
  float limit;
};

// In no particular order: nothing may depend on it.
struct UncertainList {
  UncertainRow* rows;  // room for every row that may come
  int64_t* count;      // (1,)
};

}  // namespace ally_fast
