#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../../common/parallel.h"
#include "assign.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskRows = 2048;

// One thread's share: scans blocks, and settles undecided rows a full block at a time.
class Assigner {
 public:
  Assigner(const RowsView& rows, const CentroidTable& table, bool certify, int32_t* out)
      : rows_(rows), table_(table), certify_(certify), out_(out), scanner_(table, rows) {
    undecided_.reserve(2 * kBlock);
    limits_.reserve(2 * kBlock);
  }

  void run(int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kBlock) {
      const int count = static_cast<int>(std::min<int64_t>(kBlock, end - first));
      scanner_.load(nullptr, first, count);
      scanner_.track();
      for (int r = 0; r < count; ++r) {
        out_[first + r] = scanner_.index()[r];
        if (!certify_) continue;
        const double limit = scanner_.limit_of_nearest(r);
        if (scanner_.second()[r] > limit) continue;
        undecided_.push_back(first + r);
        limits_.push_back(limit);
      }
      if (undecided_.size() >= kBlock) settle(kBlock);
    }
  }

  // Settles what is left: to be called after the last run, and before the table changes.
  void finish() {
    while (!undecided_.empty()) settle(std::min<size_t>(kBlock, undecided_.size()));
  }

  AssignStats stats;

 private:
  void settle(size_t count) {
    double nearest[kBlock];
    uint64_t active = 0;
    scanner_.load(undecided_.data(), 0, static_cast<int>(count));
    for (size_t r = 0; r < count; ++r) {
      nearest[r] = std::numeric_limits<double>::infinity();
      out_[undecided_[r]] = 0;  // stays where every distance overflows to infinity
      if (std::isinf(limits_[r]) && !finite(undecided_[r])) {
        note_nonfinite(undecided_[r]);
      } else {
        active |= uint64_t{1} << r;
      }
    }
    stats.uncertain += __builtin_popcountll(active);
    stats.candidates +=
        scanner_.settle(active, limits_.data(), [&](int r, int64_t c, double distance) {
          if (distance < nearest[r]) {
            nearest[r] = distance;
            out_[undecided_[r]] = static_cast<int32_t>(c);
          }
        });
    undecided_.erase(undecided_.begin(), undecided_.begin() + static_cast<int64_t>(count));
    limits_.erase(limits_.begin(), limits_.begin() + static_cast<int64_t>(count));
  }

  bool finite(int64_t i) {
    wide_.resize(static_cast<size_t>(table_.d_padded()));
    RowsView plain = rows_;
    plain.normalize = false;
    table_.kernel().load_row(plain, i, wide_.data());
    return std::all_of(wide_.begin(), wide_.end(), [](double x) { return std::isfinite(x); });
  }

  void note_nonfinite(int64_t i) {
    out_[i] = -1;
    ++stats.nonfinite;
    if (stats.first_nonfinite < 0 || i < stats.first_nonfinite) stats.first_nonfinite = i;
  }

  const RowsView& rows_;
  const CentroidTable& table_;
  const bool certify_;
  int32_t* out_;
  BlockScanner scanner_;
  std::vector<int64_t> undecided_;
  std::vector<double> limits_, wide_;
};

// Rows by cluster, in index order within a cluster; begin[c] is where cluster c starts.
void sort_by_cluster(const int32_t* assignments, int64_t count, int64_t k,
                     std::vector<int64_t>& order, std::vector<int64_t>& begin) {
  begin.assign(static_cast<size_t>(k + 1), 0);
  for (int64_t i = 0; i < count; ++i) ++begin[assignments[i] + 1];
  for (int64_t c = 0; c < k; ++c) begin[c + 1] += begin[c];
  order.resize(static_cast<size_t>(count));
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (int64_t i = 0; i < count; ++i) order[next[assignments[i]]++] = i;
}

}  // namespace

AssignStats assign_cpu(const RowsView& rows, const CentroidTable& table, int threads, bool certify,
                       int32_t* out) {
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  const int workers = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, tasks)));
  std::vector<std::unique_ptr<Assigner>> assigners(workers);
  parallel_for(tasks, workers, [&](int64_t task, int worker) {
    auto& assigner = assigners[worker];
    if (!assigner) assigner = std::make_unique<Assigner>(rows, table, certify, out);
    assigner->run(task * kTaskRows, std::min(rows.visited, (task + 1) * kTaskRows));
  });
  parallel_for(workers, workers, [&](int64_t worker, int) {
    if (assigners[worker]) assigners[worker]->finish();
  });
  AssignStats total;
  for (const auto& assigner : assigners) {
    if (!assigner) continue;
    const AssignStats& part = assigner->stats;
    total.uncertain += part.uncertain;
    total.candidates += part.candidates;
    total.nonfinite += part.nonfinite;
    if (part.first_nonfinite >= 0 &&
        (total.first_nonfinite < 0 || part.first_nonfinite < total.first_nonfinite)) {
      total.first_nonfinite = part.first_nonfinite;
    }
  }
  return total;
}

void assign_among_cpu(const float* rows, int64_t t, const CentroidTable& table,
                      const int32_t* previous, const int32_t* lists, int64_t groups, int64_t length,
                      int threads, int32_t* out) {
  std::vector<int64_t> order, begin;
  sort_by_cluster(previous, t, groups, order, begin);
  RowsView view = view_float32(rows, t, table.d());
  view.positions = order.data();
  std::vector<int32_t> chosen(static_cast<size_t>(t));
  struct Worker {
    CentroidTable table;
    Assigner assigner;
    Worker(const RowsView& view, const CentroidTable& parent, int64_t length, int32_t* chosen)
        : table(parent, length), assigner(view, table, true, chosen) {}
  };
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
  const int64_t count = static_cast<int64_t>(tasks.size());
  const int workers = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, count)));
  std::vector<std::unique_ptr<Worker>> states(workers);
  parallel_for(count, workers, [&](int64_t at, int worker) {
    const Task& task = tasks[at];
    auto& state = states[worker];
    if (!state) state = std::make_unique<Worker>(view, table, length, chosen.data());
    const int32_t* list = lists + task.group * length;
    state->table.select(list, length);
    state->assigner.run(task.begin, task.end);
    state->assigner.finish();
    for (int64_t i = task.begin; i < task.end; ++i) {
      out[order[i]] = chosen[i] < 0 ? -1 : list[chosen[i]];
    }
  });
}

void nearest_lists_cpu(const float* queries, int64_t count, const CentroidTable& table,
                       int64_t length, int threads, int32_t* lists) {
  const RowsView view = view_float32(queries, count, table.d());
  const int64_t tasks = (count + kBlock - 1) / kBlock;
  const int workers = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, tasks)));
  std::vector<std::unique_ptr<BlockScanner>> scanners(workers);
  parallel_for(tasks, workers, [&](int64_t task, int worker) {
    auto& scanner = scanners[worker];
    if (!scanner) scanner = std::make_unique<BlockScanner>(table, view);
    const int64_t first = task * kBlock;
    const int rows = static_cast<int>(std::min<int64_t>(kBlock, count - first));
    scanner->load(nullptr, first, rows);
    double limit[kBlock];
    for (int r = 0; r < kBlock; ++r) limit[r] = 0;
    scanner->limits_of_nearest(length, rows, limit);
    std::vector<std::pair<double, int32_t>> near[kBlock];
    scanner->settle(rows == kBlock ? ~uint64_t{0} : (uint64_t{1} << rows) - 1, limit,
                    [&](int r, int64_t c, double distance) {
                      near[r].emplace_back(distance, static_cast<int32_t>(c));
                    });
    for (int r = 0; r < rows; ++r) {
      std::nth_element(near[r].begin(), near[r].begin() + (length - 1), near[r].end());
      int32_t* list = lists + (first + r) * length;
      for (int64_t at = 0; at < length; ++at) list[at] = near[r][at].second;
      std::sort(list, list + length);
    }
  });
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
    }
  });
}

}  // namespace ally_fast
