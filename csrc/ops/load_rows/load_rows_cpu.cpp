#include "load_rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "../../common/parallel.h"

namespace ally_fast {

bool load_rows_cpu(const RowsView& rows, const Kernel& kernel, const int64_t* out_positions,
                   const double* shift, double scale, int threads, float* out) {
  constexpr int64_t kTaskRows = 1024;
  std::atomic<bool> finite{true};
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  parallel_for(tasks, threads, [&](int64_t task, int) {
    std::vector<double> wide(static_cast<size_t>(round_up(rows.d, 8)));
    for (int64_t i = task * kTaskRows; i < std::min(rows.visited, (task + 1) * kTaskRows); ++i) {
      kernel.load_row(rows, i, wide.data());
      float* row = out + (out_positions ? out_positions[i] : i) * rows.d;
      float zero = 0;
      for (int64_t j = 0; j < rows.d; ++j) {
        row[j] = static_cast<float>((wide[j] - (shift ? shift[j] : 0.0)) * scale);
        zero += row[j] * 0.0f;  // NaN once a feature is not finite
      }
      if (std::isnan(zero)) finite = false;
      poll(rows.d);
    }
  });
  return finite;
}

}  // namespace ally_fast
