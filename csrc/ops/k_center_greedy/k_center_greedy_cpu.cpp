// Lazy greedy. Picks only lower distances, so what was known of a row some picks ago bounds its
// distance from above. A heap holds all rows in the order of these bounds. Once the row at its top is
// up to date, it is the one to pick; until then the top is brought up to date, by single rows or by
// batches. Most rows are hardly ever at the top, and never measured against most picks.
#include "k_center_greedy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "../../common/scan/near.h"

namespace ally_fast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kTaskRows = 256;
constexpr int64_t kRecent = 32;        // picks a single row may have missed, and single rows a pick
constexpr int64_t kBatch = 2048;       // rows, at least: fewer do not pay for a table of picks
constexpr int64_t kTablePicks = 1024;  // bounds the memory of a table
constexpr int64_t kMove = 128;         // about the work of a move in the heap

struct Candidate {
  double distance;  // to the nearest of the starting points and the first `seen` picks
  int64_t row;
  int64_t seen;
};

// The order of the heap: the next pick, if it is up to date, is at the top.
constexpr auto comes_after = [](const Candidate& a, const Candidate& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.row > b.row);
};

class KCenterGreedy {
 public:
  KCenterGreedy(const RowsView& rows, const Kernel& kernel, int threads, int64_t* picks,
                double* distances)
      : rows_(rows),
        kernel_(kernel),
        threads_(threads),
        padded_(round_up(rows.d, 8)),
        picks_(picks),
        distances_(distances),
        wide_(static_cast<size_t>(padded_)),
        recent_(static_cast<size_t>(kRecent * padded_)) {
    heap_.reserve(static_cast<size_t>(rows.visited));
    polled_for(rows.visited, [&](int64_t i) {
      heap_.push_back({kInfinity, rows.positions ? rows.positions[i] : i, 0});
    });
    rows_.positions = nullptr;
    rows_.visited = rows_.n;
  }

  NonfiniteRows run(const PackedPoints* starts, int64_t first, int64_t b) {
    if (starts) {
      lower(heap_.begin(), heap_.end(), *starts);
    } else if (is_finite(first)) {
      lower(heap_.begin(), heap_.end(), PackedPoints(wide_.data(), 1, rows_.d, kernel_));
    }
    const NonfiniteRows bad = nonfinite_rows();
    if (bad.count) return bad;
    if (!starts) take_first(first);
    std::make_heap(heap_.begin(), heap_.end(), comes_after);
    while (taken_ < b) {
      poll(padded_);
      const int64_t missed = taken_ - heap_.front().seen;
      if (missed == 0 || heap_.front().distance == 0) {
        std::pop_heap(heap_.begin(), heap_.end(), comes_after);
        pick(heap_.back());
        heap_.pop_back();
      } else if (missed <= kRecent && singles_ < kRecent) {
        update_top();
      } else {
        update_batch();
      }
    }
    return bad;
  }

 private:
  using Place = std::vector<Candidate>::iterator;

  void take_first(int64_t first) {
    const auto is_first = [&](const Candidate& candidate) { return candidate.row == first; };
    *std::find_if(heap_.begin(), heap_.end(), is_first) = heap_.back();
    heap_.pop_back();
    pick({kInfinity, first, 0});
    for (Candidate& candidate : heap_) candidate.seen = taken_;
  }

  void pick(const Candidate& candidate) {
    kernel_.load_row(rows_, candidate.row, recent_.data() + taken_ % kRecent * padded_);
    picks_[taken_] = candidate.row;
    distances_[taken_] = candidate.distance;
    ++taken_;
    singles_ = 0;
  }

  // One row against the few picks it missed.
  void update_top() {
    std::pop_heap(heap_.begin(), heap_.end(), comes_after);
    Candidate& top = heap_.back();
    kernel_.load_row(rows_, top.row, wide_.data());
    for (; top.seen < taken_; ++top.seen) {
      const double* pick = recent_.data() + top.seen % kRecent * padded_;
      top.distance = std::min(top.distance, kernel_.squared_distance(wide_.data(), pick, padded_));
    }
    poll(kRecent * padded_);
    std::push_heap(heap_.begin(), heap_.end(), comes_after);
    ++singles_;
  }

  // The rows at the top, twice as many each time until there is a pick: where thousands of rows lie
  // about one point, a pick there outdates all of them at once.
  void update_batch() {
    batch_ = taken_ == batch_taken_ ? 2 * batch_ : kBatch;
    batch_taken_ = taken_;
    singles_ = 0;
    if (batch_ > static_cast<int64_t>(heap_.size()) / 8) {
      update(heap_.begin(), heap_.end());
      std::make_heap(heap_.begin(), heap_.end(), comes_after);
      return;
    }
    const Place begin = heap_.end() - batch_;
    for (Place end = heap_.end(); end != begin; --end) {
      std::pop_heap(heap_.begin(), end, comes_after);
      poll(kMove);
    }
    update(begin, heap_.end());
    for (Place end = begin; end != heap_.end();) {
      std::push_heap(heap_.begin(), ++end, comes_after);
      poll(kMove);
    }
  }

  // Brings rows up to date; those that missed about as many picks share a table.
  void update(Place begin, Place end) {
    const auto seen_less = [](const Candidate& a, const Candidate& b) { return a.seen < b.seen; };
    while (begin != end) {
      const int64_t oldest = std::min_element(begin, end, seen_less)->seen;
      if (oldest == taken_) return;
      const Place rest = std::partition(begin, end, [&](const Candidate& candidate) {
        return 2 * (taken_ - candidate.seen) > taken_ - oldest;
      });
      for (int64_t from = oldest; from < taken_; from += kTablePicks) {
        lower(begin, rest, table_of_picks(from, std::min(taken_, from + kTablePicks)));
      }
      for (; begin != rest; ++begin) begin->seen = taken_;
    }
  }

  PackedPoints table_of_picks(int64_t from, int64_t to) {
    std::vector<double> points(static_cast<size_t>((to - from) * rows_.d));
    for (int64_t t = from; t < to; ++t) {
      kernel_.load_row(rows_, picks_[t], wide_.data());
      std::copy_n(wide_.data(), rows_.d, points.data() + (t - from) * rows_.d);
      poll(padded_);
    }
    return PackedPoints(points.data(), to - from, rows_.d, kernel_);
  }

  struct Worker {
    Worker(const PackedPoints& table, const RowsView& rows) : view(rows), scanner(table, view) {
      view.positions = positions;
      view.visited = kTaskRows;
    }
    RowsView view;
    BlockScanner scanner;
    int64_t positions[kTaskRows];
    double nearest[kTaskRows];
  };

  // distance = min(distance, D to the nearest point of the table).
  void lower(Place begin, Place end, const PackedPoints& table) {
    const int64_t count = end - begin;
    const auto make = [&] { return std::make_unique<Worker>(table, rows_); };
    const int64_t tasks = (count + kTaskRows - 1) / kTaskRows;
    parallel_for_with(tasks, threads_, make, [&](int64_t task, Worker& worker) {
      const Place from = begin + task * kTaskRows;
      const int64_t size = std::min(kTaskRows, count - task * kTaskRows);
      for (int64_t i = 0; i < size; ++i) {
        worker.positions[i] = from[i].row;
        worker.nearest[i] = from[i].distance;
      }
      lower_to_nearest(worker.scanner, 0, size, worker.nearest);
      for (int64_t i = 0; i < size; ++i) from[i].distance = worker.nearest[i];
    });
  }

  // Such rows have no finite distance to anything: only those without one need a look.
  NonfiniteRows nonfinite_rows() {
    NonfiniteRows bad;
    polled_for(static_cast<int64_t>(heap_.size()), [&](int64_t at) {
      const Candidate& candidate = heap_[at];
      if (candidate.distance < kInfinity || is_finite(candidate.row)) return;
      if (bad.count++ == 0) bad.first = candidate.row;
    });
    return bad;
  }

  // Leaves the row in wide_.
  bool is_finite(int64_t row) {
    kernel_.load_row(rows_, row, wide_.data());
    poll(padded_);
    return std::all_of(wide_.begin(), wide_.end(), [](double x) { return std::isfinite(x); });
  }

  RowsView rows_;  // all of them: candidates carry their own positions
  const Kernel& kernel_;
  const int threads_;
  const int64_t padded_;
  int64_t* picks_;
  double* distances_;
  int64_t taken_ = 0;
  int64_t singles_ = 0;                   // since the last pick or batch
  int64_t batch_ = 0, batch_taken_ = -1;  // the last batch: its size, and the picks before it
  std::vector<Candidate> heap_;
  std::vector<double> wide_, recent_;
};

}  // namespace

NonfiniteRows k_center_greedy_cpu(const RowsView& rows, const PackedPoints* starts, int64_t first,
                                  int64_t b, const Kernel& kernel, int threads, int64_t* picks,
                                  double* distances) {
  if (b == 0) return {};
  return KCenterGreedy(rows, kernel, threads, picks, distances).run(starts, first, b);
}

}  // namespace ally_fast
