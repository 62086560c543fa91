// A view of embedding rows wherever they lie: any dtype, any strides, optionally a subset of the rows.
#pragma once
#include <cstdint>

namespace ally_fast {

enum class DType { kFloat16, kBFloat16, kFloat32, kFloat64 };

struct RowsView {
  const char* data = nullptr;
  int64_t n = 0;           // rows behind `data`
  int64_t d = 0;           // features
  int64_t row_stride = 0;  // bytes, may be negative
  int64_t col_stride = 0;  // bytes, may be negative
  DType dtype = DType::kFloat32;
  bool normalize = false;              // cosine: see load_row below
  const int64_t* positions = nullptr;  // the rows to visit, in [0, n); null: all of them
  int64_t visited = 0;                 // how many rows are visited (= n without positions)

  // Address of the i-th visited row.
  // Inlined by force, here and below: the kernels' files must not leave copies of their own code.
  __attribute__((always_inline)) const char* row(int64_t i) const {
    return data + (positions ? positions[i] : i) * row_stride;
  }
};

inline RowsView view_float32(const float* data, int64_t n, int64_t d) {
  RowsView rows;
  rows.data = reinterpret_cast<const char*>(data);
  rows.n = rows.visited = n;
  rows.d = d;
  rows.row_stride = d * static_cast<int64_t>(sizeof(float));
  rows.col_stride = sizeof(float);
  return rows;
}

__attribute__((always_inline)) constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace ally_fast
