#include "shortlist.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ally_fast {
namespace {

bool better(const Shortlist::Entry& a, const Shortlist::Entry& b) {
  return a.score != b.score ? a.score > b.score : a.index < b.index;
}

uint64_t bits_of(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

double double_of(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

constexpr Shortlist::Entry kNothing = {-std::numeric_limits<double>::infinity(),
                                       std::numeric_limits<int64_t>::max()};

}  // namespace

Shortlist::Shortlist(int64_t k, int64_t b, const double* weights)
    : b_(b),
      limit_(2 * (b + 2 * k) + 8192),
      weights_(weights, weights + k),
      sizes_(static_cast<size_t>(k), 0),
      entries_(static_cast<size_t>(k)),
      worst_(static_cast<size_t>(k), kNothing) {}

void Shortlist::add(int64_t c, Entry entry) {
  if (!better(entry, worst_[c])) return;
  entries_[c].push_back(entry);
  if (++kept_ > limit_) prune();
}

void Shortlist::push(const int32_t* assignments, const double* scores, int64_t count, int64_t first,
                     const int64_t* indices) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t c = assignments[i];
    if (c < 0) continue;
    ++sizes_[c];
    add(c, {scores[i], indices ? indices[i] : first + i});
  }
}

void Shortlist::merge(const Shortlist& other) {
  for (size_t c = 0; c < sizes_.size(); ++c) sizes_[c] += other.sizes_[c];
  for (size_t c = 0; c < entries_.size(); ++c) {
    for (const Entry& entry : other.entries_[c]) add(static_cast<int64_t>(c), entry);
  }
}

std::vector<int64_t> Shortlist::depths() const {
  const size_t k = sizes_.size();
  int64_t total = 0;
  for (int64_t size : sizes_) total += size;
  if (total <= b_) return sizes_;
  // Rows of cluster c with a quotient of at most q: floor(q w_c + 1/2). Bisect for a q that covers b
  // rows; one more row a cluster than the quotient says makes up for its rounding.
  const auto depth = [&](size_t c, double q) {
    const double rows = std::floor(q * weights_[c] + 0.5);
    return rows >= static_cast<double>(sizes_[c]) ? sizes_[c] : static_cast<int64_t>(rows);
  };
  double lightest = std::numeric_limits<double>::infinity();
  for (double weight : weights_) lightest = std::min(lightest, weight);
  // Doubles above zero are ordered as their bits are: bisecting those reaches any scale.
  uint64_t low = 0, high = bits_of((static_cast<double>(b_) + 1) / lightest);
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    int64_t covered = 0;
    for (size_t c = 0; c < k && covered < b_; ++c) covered += depth(c, double_of(middle));
    (covered >= b_ ? high : low) = middle;
  }
  std::vector<int64_t> result(k);
  for (size_t c = 0; c < k; ++c) result[c] = std::min(sizes_[c], depth(c, double_of(high)) + 1);
  return result;
}

void Shortlist::prune() {
  const std::vector<int64_t> keep = depths();
  kept_ = 0;
  for (size_t c = 0; c < entries_.size(); ++c) {
    std::vector<Entry>& entries = entries_[c];
    const int64_t depth = std::min(keep[c], b_);
    if (static_cast<int64_t>(entries.size()) > depth) {
      std::nth_element(entries.begin(), entries.begin() + depth, entries.end(), better);
      entries.resize(static_cast<size_t>(depth));
      entries.shrink_to_fit();
    }
    std::sort(entries.begin(), entries.end(), better);
    // Full: what does not beat the last one cannot come in. It may never get worse than that.
    if (depth > 0 && static_cast<int64_t>(entries.size()) == depth && sizes_[c] > depth) {
      worst_[c] = entries.back();
    }
    kept_ += static_cast<int64_t>(entries.size());
  }
}

}  // namespace ally_fast
