#include <algorithm>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "assign.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskRows = 2048;

}  // namespace

AssignStats assign_cpu(const RowsView& rows, const CentroidTable& table, int threads, bool certify,
                       int32_t* out) {
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  const auto make = [&] { return std::make_unique<Assigner>(rows, table, certify, out); };
  const auto assigners =
      parallel_for_with(tasks, threads, make, [&](int64_t task, Assigner& assigner) {
        assigner.run(task * kTaskRows, std::min(rows.visited, (task + 1) * kTaskRows));
      });
  AssignStats total;
  for (const auto& assigner : assigners) total.add(assigner->stats);
  return total;
}

void squared_distances_cpu(const RowsView& rows, const CentroidTable& table,
                           const int32_t* assignments, int threads, double* out) {
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  parallel_for(tasks, threads, [&](int64_t task, int) {
    std::vector<double> wide(static_cast<size_t>(table.d_padded()));
    const int64_t end = std::min(rows.visited, (task + 1) * kTaskRows);
    for (int64_t i = task * kTaskRows; i < end; ++i) {
      table.kernel().load_row(rows, i, wide.data());
      out[i] = table.kernel().squared_distance(wide.data(), table.exact(assignments[i]),
                                               table.d_padded());
      poll(table.d_padded());
    }
  });
}

}  // namespace ally_fast
