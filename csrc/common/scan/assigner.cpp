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
    : rows_(rows), table_(table), certify_(certify), out_(out), scanner_(table, rows) {
  undecided_.reserve(2 * kBlock);
  limits_.reserve(2 * kBlock);
}

void Assigner::run(int64_t begin, int64_t end) {
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

void Assigner::finish() {
  while (!undecided_.empty()) settle(std::min<size_t>(kBlock, undecided_.size()));
}

void Assigner::settle(size_t count) {
  double nearest[kBlock];
  uint64_t active = 0;
  scanner_.load(undecided_.data(), 0, static_cast<int>(count));
  for (size_t r = 0; r < count; ++r) {
    nearest[r] = std::numeric_limits<double>::infinity();
    out_[undecided_[r]] = -1;  // stays where no distance is finite
    if (!std::isinf(limits_[r]) || finite(undecided_[r])) active |= uint64_t{1} << r;
  }
  stats.uncertain += __builtin_popcountll(active);
  stats.candidates +=
      scanner_.settle(active, limits_.data(), [&](int r, int64_t c, double distance) {
        if (distance < nearest[r]) {
          nearest[r] = distance;
          out_[undecided_[r]] = static_cast<int32_t>(c);
        }
      });
  for (size_t r = 0; r < count; ++r) {
    if (out_[undecided_[r]] < 0) stats.add({0, 0, 1, undecided_[r]});
  }
  undecided_.erase(undecided_.begin(), undecided_.begin() + static_cast<int64_t>(count));
  limits_.erase(limits_.begin(), limits_.begin() + static_cast<int64_t>(count));
}

bool Assigner::finite(int64_t i) {
  wide_.resize(static_cast<size_t>(table_.d_padded()));
  RowsView plain = rows_;
  plain.normalize = false;
  table_.kernel().load_row(plain, i, wide_.data());
  return std::all_of(wide_.begin(), wide_.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace ally_fast
