#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "assign.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskRows = 2048;

// One thread's share: scans blocks of rows, and settles those left undecided.
class AssignWorker {
 public:
  // out has a place for each visited row: its nearest centroid, -1 for one counted as nonfinite.
  // certify false: the low-precision winner as it is.
  AssignWorker(const RowsView& rows, const PackedPoints& table, bool certify, int32_t* out);

  // Assigns visited rows [begin, end).
  void run(int64_t begin, int64_t end);

  AssignStats stats;

 private:
  // Of the rows scanned from `first` on: those from `begin` on, a block of them.
  uint64_t decide(int64_t first, int begin, int end);
  void settle(int64_t first, int begin, uint64_t undecided);
  bool finite(int64_t i);

  const RowsView& rows_;
  const PackedPoints& table_;
  const bool certify_;
  int32_t* out_;
  BlockScanner scanner_;
  uint64_t undecided_[kLargestBatch / kBlock];
  double limit_[kLargestBatch];
  std::vector<double> wide_;
};

AssignWorker::AssignWorker(const RowsView& rows, const PackedPoints& table, bool certify,
                           int32_t* out)
    : rows_(rows), table_(table), certify_(certify), out_(out), scanner_(table, rows) {}

void AssignWorker::run(int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end;) {
    const int count = scanner_.scan(first, end);
    for (int block = 0; block < count; block += kBlock) {
      undecided_[block / kBlock] = decide(first, block, std::min(count, block + kBlock));
    }
    for (int block = 0; block < count; block += kBlock) {
      if (undecided_[block / kBlock]) settle(first, block, undecided_[block / kBlock]);
    }
    first += count;
  }
}

// Returns which rows of a block are undecided.
uint64_t AssignWorker::decide(int64_t first, int begin, int end) {
  for (int r = begin; r < end; ++r) out_[first + r] = static_cast<int32_t>(scanner_.index(r));
  if (!certify_) return 0;
  scanner_.limits_of_nearest(begin, end, limit_);
  uint64_t undecided = 0;
  for (int r = begin; r < end; ++r) {
    if (scanner_.second(r) > limit_[r]) continue;
    undecided |= uint64_t{1} << (r - begin);
    scanner_.prefetch(r);
  }
  return undecided;
}

void AssignWorker::settle(int64_t first, int begin, uint64_t undecided) {
  double nearest[kBlock];
  uint64_t active = 0;
  for (uint64_t bits = undecided; bits; bits &= bits - 1) {
    const int bit = __builtin_ctzll(bits);
    nearest[bit] = std::numeric_limits<double>::infinity();
    out_[first + begin + bit] = -1;  // stays where no distance is finite
    if (!std::isinf(limit_[begin + bit]) || finite(first + begin + bit))
      active |= uint64_t{1} << bit;
  }
  stats.uncertain += __builtin_popcountll(active);
  scanner_.settle(begin, active, limit_ + begin, [&](int r, int64_t c, bool alone) {
    double& known = nearest[r - begin];
    int32_t& assignment = out_[first + r];
    if (alone) {
      assignment = static_cast<int32_t>(c);
      return;
    }
    ++stats.candidates;
    const double distance = scanner_.measure(r, c);
    if (distance < known || (distance == known && c < assignment)) {
      known = distance;
      assignment = static_cast<int32_t>(c);
    }
  });
  for (uint64_t bits = undecided; bits; bits &= bits - 1) {
    const int64_t i = first + begin + __builtin_ctzll(bits);
    if (out_[i] < 0) stats.add({0, 0, 1, i});
  }
}

bool AssignWorker::finite(int64_t i) {
  wide_.resize(static_cast<size_t>(table_.d_padded()));
  RowsView plain = rows_;
  plain.normalize = false;
  table_.kernel().load_row(plain, i, wide_.data());
  return std::all_of(wide_.begin(), wide_.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

void AssignStats::add(const AssignStats& other) {
  uncertain += other.uncertain;
  candidates += other.candidates;
  nonfinite += other.nonfinite;
  if (other.first_nonfinite >= 0 &&
      (first_nonfinite < 0 || other.first_nonfinite < first_nonfinite)) {
    first_nonfinite = other.first_nonfinite;
  }
}

AssignStats assign_cpu(const RowsView& rows, const PackedPoints& table, int threads, bool certify,
                       int32_t* out) {
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  const auto make = [&] { return std::make_unique<AssignWorker>(rows, table, certify, out); };
  const auto workers =
      parallel_for_with(tasks, threads, make, [&](int64_t task, AssignWorker& worker) {
        worker.run(task * kTaskRows, std::min(rows.visited, (task + 1) * kTaskRows));
      });
  AssignStats total;
  for (const auto& worker : workers) total.add(worker->stats);
  return total;
}

void squared_distances_cpu(const RowsView& rows, const PackedPoints& table,
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
