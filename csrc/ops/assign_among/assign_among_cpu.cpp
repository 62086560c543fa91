#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "../../common/parallel.h"
#include "assign_among.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskRows = 2048;

// Rows by cluster, in index order within a cluster; begin[c] is where cluster c starts.
void sort_by_cluster(const int32_t* assignments, int64_t count, int64_t k,
                     std::vector<int64_t>& order, std::vector<int64_t>& begin) {
  begin.assign(static_cast<size_t>(k + 1), 0);
  polled_for(count, [&](int64_t i) { ++begin[assignments[i] + 1]; });
  for (int64_t c = 0; c < k; ++c) begin[c + 1] += begin[c];
  order.resize(static_cast<size_t>(count));
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  polled_for(count, [&](int64_t i) { order[next[assignments[i]]++] = i; });
}

// A thread's selection of centroids and what it assigns with.
struct Worker {
  CentroidTable table;
  Assigner assigner;
  Worker(const RowsView& view, const CentroidTable& parent, int64_t length, int32_t* chosen)
      : table(parent, length), assigner(view, table, true, chosen) {}
};

}  // namespace

void assign_among_cpu(const float* rows, int64_t t, const CentroidTable& table,
                      const int32_t* previous, const int32_t* lists, int64_t groups, int64_t length,
                      int threads, int32_t* out) {
  std::vector<int64_t> order, begin;
  sort_by_cluster(previous, t, groups, order, begin);
  RowsView view = view_float32(rows, t, table.d());
  view.positions = order.data();
  std::vector<int32_t> chosen(static_cast<size_t>(t));
  // A cluster's rows in tasks of bounded size, so that one huge cluster does not wait for one thread.
  struct Task {
    int64_t group, begin, end;
  };
  std::vector<Task> tasks;
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t at = begin[group]; at < begin[group + 1]; at += kTaskRows) {
      tasks.push_back({group, at, std::min(begin[group + 1], at + kTaskRows)});
    }
  }
  const auto make = [&] { return std::make_unique<Worker>(view, table, length, chosen.data()); };
  const int64_t count = static_cast<int64_t>(tasks.size());
  parallel_for_with(count, threads, make, [&](int64_t at, Worker& worker) {
    const Task& task = tasks[at];
    const int32_t* list = lists + task.group * length;
    worker.table.select(list, length);
    worker.assigner.run(task.begin, task.end);
    worker.assigner.finish();
    for (int64_t i = task.begin; i < task.end; ++i) {
      out[order[i]] = chosen[i] < 0 ? -1 : list[chosen[i]];
    }
  });
}

void nearest_lists_cpu(const float* queries, int64_t count, const CentroidTable& table,
                       int64_t length, int threads, int32_t* lists) {
  const RowsView view = view_float32(queries, count, table.d());
  const int64_t tasks = (count + kBlock - 1) / kBlock;
  const auto make = [&] { return std::make_unique<BlockScanner>(table, view); };
  parallel_for_with(tasks, threads, make, [&](int64_t task, BlockScanner& scanner) {
    const int64_t first = task * kBlock;
    const int rows = static_cast<int>(std::min<int64_t>(kBlock, count - first));
    scanner.load(nullptr, first, rows);
    double limit[kBlock];
    for (int r = 0; r < kBlock; ++r) limit[r] = 0;
    scanner.limits_of_nearest(length, rows, limit);
    std::vector<std::pair<double, int32_t>> near[kBlock];
    scanner.settle(rows == kBlock ? ~uint64_t{0} : (uint64_t{1} << rows) - 1, limit,
                   [&](int r, int64_t c, double distance) {
                     near[r].emplace_back(distance, static_cast<int32_t>(c));
                   });
    for (int r = 0; r < rows; ++r) {
      std::nth_element(near[r].begin(), near[r].begin() + (length - 1), near[r].end());
      int32_t* list = lists + (first + r) * length;
      for (int64_t at = 0; at < length; ++at) list[at] = near[r][at].second;
      std::sort(list, list + length);
      poll(static_cast<int64_t>(near[r].size()));
    }
  });
}

}  // namespace ally_fast
