#include "certified.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ally_fast {

BlockScanner::BlockScanner(const PackedPoints& table, const RowsView& rows)
    : table_(table),
      rows_(rows),
      decides_(rows.d <= table.kernel().deciding_d),
      groups_(table.packed().k_padded / table.kernel().group),
      block_words_(table.kernel().block_words(rows.d)) {
  // Rows of a group share its second look, and a slice of a large table is in the cache for many rows:
  // as many as leave room there, with their minima where these are looked at soon.
  constexpr int64_t kCache = 1 << 16, kSlice = 3 << 16, kMinima = 1 << 20;  // words
  const int64_t tile = table.kernel().centroid_multiple, k = table.packed().k_padded;
  slice_ = std::max<int64_t>(1, kSlice / table.kernel().centroid_words(tile, rows.d)) * tile;
  const int64_t minima = groups_ * kBlock;
  const int64_t words = slice_ < k ? block_words_ : std::max(minima, block_words_);
  const int64_t most = slice_ < k || decides_ ? kLargestBatch / kBlock : 1;
  const int64_t blocks = std::clamp(std::min(kCache / words, kMinima / minima), int64_t{1}, most);
  capacity_ = blocks * kBlock;
  const auto size = static_cast<size_t>(capacity_);
  for (auto* values : {&norm_, &residual_, &error_, &best_, &second_}) values->resize(size);
  index_.resize(size);
  minima_.resize(static_cast<size_t>(blocks * groups_ * kBlock));
  packed_.resize(static_cast<size_t>(blocks * block_words_));
  if (decides_) {
    words_.resize(packed_.size());
    heads_.resize(static_cast<size_t>(groups_), -1);
  }
  near_.resize(static_cast<size_t>(groups_));
  buffer_.resize(static_cast<size_t>(16 * round_up(rows.d, 32)));
  wide_.resize(static_cast<size_t>(table.d_padded()));
}

int BlockScanner::scan(int64_t first, int64_t end) {
  const Kernel& kernel = table_.kernel();
  const auto count = static_cast<int>(std::min(capacity_, end - first));
  first_ = first;
  wide_row_ = -1;  // the rows of a view may change between scans
  for (int64_t c = 0; c < table_.packed().k_padded; c += slice_) {
    for (int begin = 0; begin < count; begin += kBlock) {
      if (c == 0) pack(begin / kBlock, std::min(kBlock, count - begin));
      track(begin / kBlock, c, end);
    }
  }
  if (decides_) {
    kernel.decide(table_.packed(), words_.data(), count, error_.data(), best_.data(),
                  second_.data(), index_.data(), heads_.data());
  }
  return count;
}

void BlockScanner::pack(int block, int count) {
  const int64_t begin = block * kBlock;
  table_.kernel().pack_rows(rows_, first_ + begin, count, table_.packed(), buffer_.data(),
                            packed_rows(block),
                            decides_ ? words_.data() + block * block_words_ : nullptr,
                            norm_.data() + begin, residual_.data() + begin);
  poll(kBlock * rows_.d);
  table_.row_errors(norm_.data() + begin, residual_.data() + begin, kBlock, error_.data() + begin);
  std::fill_n(best_.data() + begin, kBlock, kNeverWins);
  std::fill_n(second_.data() + begin, kBlock, kNeverWins);
  std::fill_n(index_.data() + begin, kBlock, 0);
}

// Against the slice of the table that begins at `from`; of rows below `end`, those after the block are
// brought to the cache.
void BlockScanner::track(int block, int64_t from, int64_t end) {
  const PackedCentroids& packed = table_.packed();
  const int64_t at = block * kBlock, to = std::min(packed.k_padded, from + slice_);
  const int64_t next = from == 0 ? std::min(end, first_ + at + kBlock) : end;
  Ahead ahead(rows_, next, std::min(end, next + kBlock));
  table_.kernel().track(packed, packed_rows(block), error_.data() + at, from, to, ahead,
                        best_.data() + at, second_.data() + at, index_.data() + at, minima(block));
  poll((to - from) * rows_.d);
}

void BlockScanner::limits_of_nearest(int begin, int end, double* limit) const {
  table_.upper_ends(best_.data() + begin, index_.data() + begin, error_.data() + begin,
                    norm_.data() + begin, end - begin, limit + begin);
  for (int r = begin; r < end; ++r) {
    if (overflowed(r)) limit[r] = std::numeric_limits<double>::infinity();
  }
}

double BlockScanner::limit_of_radius(int r, double squared_radius) const {
  if (overflowed(r)) return std::numeric_limits<double>::infinity();
  return table_.score_limit(squared_radius, norm_[r]);
}

void BlockScanner::prefetch(int r) const {
  const char* const row = rows_.row(first_ + r);
  const int64_t lines = lines_of_row(rows_);
  for (int64_t line = 0; line < lines; ++line) __builtin_prefetch(row + line * kLine, 0, 2);
}

double BlockScanner::measure(int r, int64_t c) {
  const Kernel& kernel = table_.kernel();
  const int64_t i = first_ + r;
  if (i != wide_row_) {
    kernel.load_row(rows_, i, wide_.data());
    wide_row_ = i;
  }
  poll(table_.d_padded());
  return kernel.squared_distance(wide_.data(), table_.exact(c), table_.d_padded());
}

// Returns which of the active rows can be looked at in float32. Their own groups are, and near_ has
// the others.
uint64_t BlockScanner::prepare_settle(int begin, uint64_t active, const double* limit) {
  const Kernel& kernel = table_.kernel();
  const int64_t d = rows_.d, width = round_up(d, 32);
  floats_.resize(static_cast<size_t>(kBlock * width));
  scores_.resize(static_cast<size_t>((kBlock + std::max(kPairs, groups_)) * kLargestGroup));
  begin_ = begin;
  pairs_.clear();
  uint64_t regular = 0;
  std::fill_n(limit_, kBlock, -std::numeric_limits<float>::infinity());
  for (uint64_t bits = active; bits; bits &= bits - 1) {
    const int bit = __builtin_ctzll(bits), r = begin + bit;
    if (overflowed(r)) continue;
    regular |= bits & -bits;
    kernel.load_centred(rows_, first_ + r, table_.packed(), floats_.data() + bit * width);
    poll(d);
    limit_[bit] = round_up_to_float(limit[bit]);
    errors_[bit] = table_.rescored_error(error_[r], norm_[r]);
    reach_[bit] = table_.rescored_reach(errors_[bit], norm_[r]);
    last_[bit] = -1;
  }
  for (uint64_t rest = regular; rest;) {
    const int64_t group = own_group(__builtin_ctzll(rest));
    uint64_t rows = 0;
    for (uint64_t bits = rest; bits; bits &= bits - 1) {
      if (own_group(__builtin_ctzll(bits)) == group) rows |= bits & -bits;
    }
    look_again(group, rows);
    rest &= ~rows;
  }
  kernel.candidates(minima(begin / kBlock), (table_.k() + kernel.group - 1) / kernel.group, limit_,
                    near_.data());
  for (uint64_t bits = regular; bits; bits &= bits - 1) {
    near_[own_group(__builtin_ctzll(bits))] &= ~(bits & -bits);
  }
  return regular;
}

int64_t BlockScanner::count_near(uint64_t rows) const {
  int64_t count = 0;
  for (uint64_t bits : near_) count += __builtin_popcountll(bits & rows);
  return count;
}

void BlockScanner::look_into_near_groups(uint64_t rows) {
  for (int64_t g = 0; g < groups_; ++g) {
    if (near_[g] & rows) look_again(g, near_[g] & rows);
  }
}

void BlockScanner::look_again(int64_t group, uint64_t rows) {
  const int64_t lanes = table_.kernel().group, width = round_up(rows_.d, 32);
  while (rows) {
    int bit[kTogether], count = 0;
    const float* some[kTogether];
    float error[kTogether], lowest[kTogether];
    for (; rows && count < kTogether; rows &= rows - 1, ++count) {
      bit[count] = __builtin_ctzll(rows);
      some[count] = floats_.data() + bit[count] * width;
      error[count] = errors_[bit[count]];
    }
    table_.kernel().rescore(table_.packed(), some, error, count, group * lanes,
                            scores_.data() + pairs_.size() * kLargestGroup, lowest);
    poll(count * lanes * rows_.d);
    for (int i = 0; i < count; ++i) {
      pairs_.push_back({group, lowest[i], last_[bit[i]]});
      last_[bit[i]] = static_cast<int>(pairs_.size()) - 1;
      const float end = lowest[i] + reach_[bit[i]] + std::abs(lowest[i]) * 0x1p-21f;
      limit_[bit[i]] = std::min(limit_[bit[i]], end);
    }
  }
}

void BlockScanner::collect_candidates(int bit) {
  const int64_t lanes = table_.kernel().group;
  candidates_.clear();
  for (int i = last_[bit]; i >= 0; i = pairs_[i].before) {
    if (pairs_[i].lowest > limit_[bit]) continue;
    const int64_t first = pairs_[i].group * lanes, some = std::min(lanes, table_.k() - first);
    uint32_t bits = table_.kernel().at_most(scores_.data() + i * kLargestGroup, limit_[bit]);
    for (bits &= (1u << some) - 1; bits; bits &= bits - 1) {
      candidates_.push_back(table_.original(first + __builtin_ctz(bits)));
    }
  }
}

}  // namespace ally_fast
