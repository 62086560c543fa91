// The instruction-set dependent part: one row's loss, and its gradient.
#pragma once
#include "../../common/rows.h"

namespace ally_fast {

struct RowLosses {
  // Loss of row i; *log_sum_exp gets that of the row.
  double (*cross_entropy)(const RowsView& outputs, int64_t i, int64_t target, double* log_sum_exp);
  double (*squared_error)(const RowsView& outputs, const RowsView& values, int64_t i);

  // coefficient * d loss / d outputs of row i, in their dtype.
  void (*cross_entropy_gradient)(const RowsView& outputs, int64_t i, int64_t target, double loss,
                                 double log_sum_exp, double coefficient, char* out);
  void (*squared_error_gradient)(const RowsView& outputs, const RowsView& values, int64_t i,
                                 double coefficient, char* out);
};

}  // namespace ally_fast
