#include "shortlist.h"

#include <algorithm>
#include <limits>

#include "../../common/poll.h"
#include "depths.h"

namespace ally_fast {
namespace {

constexpr int64_t kSort = 16;  // about the work of an entry to be sorted

bool better(const Shortlist::Entry& a, const Shortlist::Entry& b) {
  return a.score != b.score ? a.score > b.score : a.position < b.position;
}

constexpr Shortlist::Entry kNothing = {-std::numeric_limits<double>::infinity(),
                                       std::numeric_limits<int64_t>::max()};

}  // namespace

Shortlist::Shortlist(int64_t k, int64_t b, const double* weights, const TieOrder& ties)
    : b_(b),
      limit_(2 * (b + 2 * k) + 8192),
      ties_(ties),
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
  polled_for(count, [&](int64_t i) {
    const int32_t c = assignments[i];
    if (c < 0) return;
    ++sizes_[c];
    if (scores[i] < worst_[c].score) return;  // before its position is worked out
    add(c, {scores[i], ties_.position(indices ? indices[i] : first + i)});
  });
}

void Shortlist::merge(const Shortlist& other) {
  for (size_t c = 0; c < sizes_.size(); ++c) sizes_[c] += other.sizes_[c];
  for (size_t c = 0; c < entries_.size(); ++c) {
    for (const Entry& entry : other.entries_[c]) add(static_cast<int64_t>(c), entry);
    poll(static_cast<int64_t>(other.entries_[c].size()));
  }
}

void Shortlist::merge_entries(const int32_t* clusters, const double* scores, const int64_t* indices,
                              int64_t count, const int64_t* sizes) {
  for (size_t c = 0; c < sizes_.size(); ++c) sizes_[c] += sizes[c];
  polled_for(count, [&](int64_t e) { add(clusters[e], {scores[e], ties_.position(indices[e])}); });
}

std::vector<int64_t> Shortlist::depths() const {
  const size_t k = sizes_.size();
  int64_t total = 0;
  for (int64_t size : sizes_) total += size;
  if (total <= b_) return sizes_;
  QuotientSearch search(b_, *std::min_element(weights_.begin(), weights_.end()));
  while (search.open()) {
    const double quotient = search.middle();
    int64_t covered = 0;
    for (size_t c = 0; c < k && covered < b_; ++c) {
      covered += rows_within(quotient, weights_[c], sizes_[c]);
    }
    search.narrow(covered >= b_);
    poll(static_cast<int64_t>(k));
  }
  std::vector<int64_t> result(k);
  for (size_t c = 0; c < k; ++c) result[c] = depth_at(search.quotient(), weights_[c], sizes_[c]);
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
    poll(kSort * static_cast<int64_t>(entries.size()));
  }
}

}  // namespace ally_fast
