// The arguments of a primal-dual step, on either device.
#pragma once
#include <cmath>

#include "binding/arguments.h"
#include "ops/dual_ascent/dual_ascent.h"

namespace ally_fast {

// A (rows, d) matrix whose rows may lie apart; float32, float16, or uint16 bits of bfloat16.
template <class Array, class... On>
RowsView batch_of(const Array& array, const char* name, bool bf16, const On&... on) {
  const RowsView view = matrix_of(array, name, bf16, false, on...);
  REQUIRE(view.d <= 1 || view.n == 0 || view.col_stride == array.itemsize(), name,
          text("columns ", view.col_stride, " bytes apart"), "rows without gaps");
  return view;
}

// Whether classes are in range is for the caller to check.
template <class Array, class... On>
Predictions predictions_of(const Array& outputs, const Array& targets, const std::string& loss,
                           bool bf16, const On&... on) {
  REQUIRE(loss == "cross_entropy" || loss == "squared_error", "loss", text("'", loss, "'"),
          "'cross_entropy' or 'squared_error'");
  Predictions p;
  p.outputs = batch_of(outputs, "outputs", bf16, on...);
  REQUIRE(p.outputs.d >= 1, "outputs", shape_of(outputs), "at least one column");
  if (loss == "cross_entropy") {
    p.classes = one_each<const int64_t>(targets, "targets", p.outputs.n, on...);
    return p;
  }
  p.values = batch_of(targets, "targets", bf16 && !holds<float>(targets), on...);
  const bool fits = p.values.dtype == p.outputs.dtype || p.values.dtype == DType::kFloat32;
  if (!fits) throw py::type_error(complaint("targets", "", "float32 or the dtype of outputs"));
  REQUIRE(extents(targets) == extents(outputs), "targets", shape_of(targets), "that of outputs, ",
          extents(outputs));
  return p;
}

template <class Array, class... On>
const float* epsilons_of(const Array& array, int64_t n, const On&... on) {
  const float* epsilons = typed<const float>(array, "epsilon", 1, on...);
  REQUIRE(array.size() == n, "epsilon", text(array.size(), " of them"), "one number or n = ", n);
  return epsilons;
}

inline void check_lr(double lr) {
  REQUIRE(std::isfinite(lr) && lr >= 0, "lr", lr, "a finite value of at least 0");
}

inline void check_scale(double scale) {
  REQUIRE(std::isfinite(scale), "scale", scale, "a finite value");
}

}  // namespace ally_fast
