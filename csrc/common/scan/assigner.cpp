#include "assigner.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ally_fast {

void AssignStats::add(const AssignStats& other) {
  uncertain += other.uncertain;
  candidates += other.candidates;
  nonfinite += other.nonfinite;
  if (other.first_nonfinite >= 0 &&
      (first_nonfinite < 0 || other.first_nonfinite < first_nonfinite)) {
    first_nonfinite = other.first_nonfinite;
  }
}

Assigner::Assigner(const RowsView& rows, const CentroidTable& table, bool certify, int32_t* out)
    : rows_(rows), table_(table), certify_(certify), out_(out), scanner_(table, rows) {}

void Assigner::run(int64_t begin, int64_t end) {
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
uint64_t Assigner::decide(int64_t first, int begin, int end) {
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

void Assigner::settle(int64_t first, int begin, uint64_t undecided) {
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

bool Assigner::finite(int64_t i) {
  wide_.resize(static_cast<size_t>(table_.d_padded()));
  RowsView plain = rows_;
  plain.normalize = false;
  table_.kernel().load_row(plain, i, wide_.data());
  return std::all_of(wide_.begin(), wide_.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace ally_fast
