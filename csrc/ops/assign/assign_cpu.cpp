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
  // Measures the candidates of row r, the rows being those scanned from `first` on.
  void settle(int64_t first, int r);
  bool finite(int64_t i);

  const RowsView& rows_;
  const PackedPoints& table_;
  const bool certify_;
  int32_t* out_;
  BlockScanner scanner_;
  std::vector<double> wide_;
};

AssignWorker::AssignWorker(const RowsView& rows, const PackedPoints& table, bool certify,
                           int32_t* out)
    : rows_(rows), table_(table), certify_(certify), out_(out), scanner_(table, rows) {}

void AssignWorker::run(int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end;) {
    const int count = certify_ ? scanner_.scan(first, end) : scanner_.scan_uncertified(first, end);
    for (int r = 0; r < count; ++r) out_[first + r] = static_cast<int32_t>(scanner_.index(r));
    for (int block = 0; certify_ && block * kBlock < count; ++block) {
      stats.uncertain += __builtin_popcountll(scanner_.undecided(block));
      for (uint64_t bits = scanner_.several(block); bits; bits &= bits - 1) {
        settle(first, block * kBlock + __builtin_ctzll(bits));
      }
    }
    first += count;
  }
}

void AssignWorker::settle(int64_t first, int r) {
  int32_t& assignment = out_[first + r];
  const int64_t i = first + r;
  assignment = -1;  // stays where no distance is finite
  if (!scanner_.overflowed(r) || finite(i)) {
    double nearest = std::numeric_limits<double>::infinity();
    const std::vector<int64_t>& candidates = scanner_.candidates(r);
    stats.candidates += static_cast<int64_t>(candidates.size());
    for (const int64_t c : candidates) {
      const double distance = scanner_.measure(r, c);
      if (distance < nearest || (distance == nearest && c < assignment)) {
        nearest = distance;
        assignment = static_cast<int32_t>(c);
      }
    }
  } else {
    --stats.uncertain;
  }
  if (assignment < 0) stats.add({0, 0, 1, i});
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
