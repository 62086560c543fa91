#include "certified.h"

#include <algorithm>
#include <numeric>

namespace ally_fast {

BlockScanner::BlockScanner(const PackedPoints& table, const RowsView& rows)
    : table_(table),
      rows_(rows),
      by_group_(rows.d <= table.kernel().grouping_d),
      groups_(table.packed().k_padded / table.kernel().group),
      block_words_(table.kernel().block_words(rows.d)),
      fine_words_(table.kernel().fine_row_words(rows.d)) {
  // Rows of a group share its look, and a slice of a large table is in the cache for many rows: as many
  // as leave room there, with what is kept of them.
  constexpr int64_t kCache = 1 << 17, kSlice = 3 << 16, kMinima = 1 << 20;  // words
  const int64_t fine = by_group_ ? 1 << 17 : 1 << 18;
  const int64_t tile = table.kernel().centroid_multiple;
  slice_ = std::max<int64_t>(1, kSlice / table.kernel().centroid_words(tile, rows.d)) * tile;
  slots_ = std::max<int64_t>(1, fine / (kBlock * fine_words_)) * kBlock;
  int64_t fit = std::min<int64_t>(kLargestBatch / kBlock, kMinima / (kBlock * groups_));
  if (sliced()) fit = std::min(fit, kCache / block_words_);
  if (sliced() || by_group_) fit = std::min(fit, slots_ / kBlock);
  const int64_t blocks = std::max<int64_t>(1, fit), kept_blocks = sliced() ? blocks : 1;
  capacity_ = blocks * kBlock;
  slots_ = std::min(slots_, capacity_);
  const auto size = static_cast<size_t>(capacity_);
  for (auto* values : {&norm_, &residual_, &error_, &fine_error_, &radius_, &best_, &second_}) {
    values->resize(size);
  }
  index_.resize(size);
  slot_.resize(size);
  if (by_group_) std::iota(slot_.begin(), slot_.end(), 0);
  for (auto* bits : {&one_, &several_, &undecided_, &open_}) {
    bits->resize(static_cast<size_t>(blocks));
  }
  first_look_.resize(static_cast<size_t>(blocks + 1));
  minima_.resize(static_cast<size_t>(kept_blocks * groups_ * kBlock));
  packed_.resize(static_cast<size_t>(kept_blocks * block_words_));
  fine_.resize(static_cast<size_t>(slots_ * fine_words_));
  looks_.resize(size * static_cast<size_t>(groups_));
  sorted_.resize(looks_.size());
  start_.resize(static_cast<size_t>(groups_ + 2));
  buffer_.resize(static_cast<size_t>(16 * round_up(rows.d, 32)));
  wide_.resize(static_cast<size_t>(table.d_padded()));
}

int BlockScanner::scan(int64_t first, int64_t end, const double* within) {
  return scan(first, end, within, true);
}

int BlockScanner::scan_uncertified(int64_t first, int64_t end) {
  return scan(first, end, nullptr, false);
}

int BlockScanner::scan(int64_t first, int64_t end, const double* within, bool certify) {
  auto count = static_cast<int>(std::min(capacity_, end - first));
  int blocks = (count + kBlock - 1) / kBlock;
  const auto rows_of = [&](int block) { return std::min(kBlock, count - block * kBlock); };
  first_ = first;
  limited_ = within != nullptr;
  used_ = 0;
  wide_row_ = -1;  // the rows of a view may change between scans
  looks_found_ = 0;
  std::fill(start_.begin(), start_.end(), 0);
  for (int64_t c = 0; c < table_.packed().k_padded; c += slice_) {
    for (int block = 0; block < blocks; ++block) {
      if (c == 0) pack(block, rows_of(block));
      track(block, c, end);
      if (sliced()) continue;
      find_near(block, rows_of(block), within, certify);
      if (!by_group_ && slots_ - used_ < kBlock) blocks = block + 1;
    }
  }
  count = std::min(count, blocks * kBlock);
  for (int block = 0; sliced() && block < blocks; ++block) {
    find_near(block, rows_of(block), within, certify);
  }
  first_look_[blocks] = looks_found_;
  if (looks_found_ > 0) look();
  for (int block = 0; certify && block < blocks; ++block) {
    if (open_[block]) decide(block);
  }
  return count;
}

void BlockScanner::pack(int block, int count) {
  const int64_t begin = block * kBlock;
  table_.kernel().pack_rows(rows_, first_ + begin, count, table_.packed(), buffer_.data(),
                            packed_rows(block),
                            by_group_ ? fine_row(static_cast<int>(begin)) : nullptr,
                            norm_.data() + begin, residual_.data() + begin);
  poll(kBlock * rows_.d);
  for (const bool fine : {false, true}) {
    table_.row_errors(fine, norm_.data() + begin, residual_.data() + begin, kBlock,
                      (fine ? fine_error_ : error_).data() + begin);
  }
  std::fill_n(best_.data() + begin, kBlock, kNeverWins);
  std::fill_n(second_.data() + begin, kBlock, kNeverWins);
  std::fill_n(index_.data() + begin, kBlock, 0);
}

// Against the slice of the table that begins at `from`; of rows below `end`, those after the block are
// brought to the cache.
void BlockScanner::track(int block, int64_t from, int64_t end) {
  const PackedCentroids& packed = table_.packed();
  const int at = block * kBlock;
  const int64_t to = std::min(packed.k_padded, from + slice_);
  const int64_t next = from == 0 ? std::min(end, first_ + at + kBlock) : end;
  Ahead ahead(rows_, next, std::min(end, next + kBlock));
  table_.kernel().track(packed, packed_rows(block), error_.data() + at, from, to, ahead, lowest(at),
                        minima(block));
  poll((to - from) * rows_.d);
}

// Notes which groups of centroids may hold the nearest of each row.
void BlockScanner::find_near(int block, int count, const double* within, bool certify) {
  const Kernel& kernel = table_.kernel();
  const int at = block * kBlock;
  const uint64_t all = ~uint64_t{0} >> (kBlock - count);
  uint64_t regular = all;
  for (int r = 0; r < count; ++r) {
    if (!overflowed(at + r)) continue;
    regular &= ~(uint64_t{1} << r);
    index_[at + r] = 0;
  }
  first_look_[block] = looks_found_;
  several_[block] = undecided_[block] = all & ~regular;
  one_[block] = open_[block] = 0;
  uint64_t reached = regular, undecided = 0;
  alignas(64) float limit[kBlock];
  if (certify) {
    for (int r = 0; within && r < count; ++r) {
      radius_[at + r] = round_up_to_float(table_.score_limit(within[at + r], norm_[at + r]));
    }
    find_limits(block, error_.data(), limit);
    reached &= kernel.below(best_.data() + at, limit);
    undecided = reached & kernel.below(second_.data() + at, limit);
    undecided_[block] |= undecided;
  }
  const uint64_t open = by_group_ ? reached : undecided;
  one_[block] = certify ? reached & ~open : 0;
  open_[block] = open;
  for (uint64_t bits = open & ~undecided; bits; bits &= bits - 1) {
    const int r = at + __builtin_ctzll(bits);
    const LookAt look{r, index_[r] / kLargestGroup};
    looks_[looks_found_++] = look;
    ++start_[look.group + 1];
  }
  if (undecided) {
    looks_found_ +=
        kernel.find_near(minima(block), (table_.k() + kernel.group - 1) / kernel.group, limit,
                         undecided, at, looks_.data() + looks_found_, start_.data() + 1);
  }
  if (open) {
    std::fill_n(best_.data() + at, kBlock, kNeverWins);
    std::fill_n(second_.data() + at, kBlock, kNeverWins);
  }
  for (uint64_t bits = by_group_ ? 0 : open; bits; bits &= bits - 1) {
    const int r = at + __builtin_ctzll(bits);
    slot_[r] = used_++;
    kernel.pack_fine_row(rows_, first_ + r, table_.packed(), buffer_.data(), fine_row(r));
    poll(rows_.d);
  }
}

void BlockScanner::find_limits(int block, const float* error, float* limit) const {
  const int at = block * kBlock;
  table_.kernel().upper_ends(table_.packed(), best_.data() + at, index_.data() + at, error + at,
                             norm_.data() + at, kBlock, limit);
  for (int r = 0; limited_ && r < kBlock; ++r) limit[r] = std::min(limit[r], radius_[at + r]);
}

// Rows of a group are looked at together.
void BlockScanner::look() {
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  for (int64_t i = 0; i < looks_found_; ++i) sorted_[start_[looks_[i].group]++] = looks_[i].row;
  // start_[g] is now where g ends.
  std::copy_backward(start_.begin(), start_.end() - 1, start_.end());
  start_[0] = 0;
  Looks looks{sorted_.data(), start_.data(), 0, 0, slot_.data(), fine_.data()};
  constexpr int64_t kPiece = 1 << 24;  // between polls
  const int64_t work = table_.kernel().group * rows_.d;
  while (looks.begin < groups_) {
    const int64_t first = start_[looks.begin];
    do {
      ++looks.end;
    } while (looks.end < groups_ && (start_[looks.end + 1] - first) * work <= kPiece);
    table_.kernel().look(table_.packed(), looks, fine_error_.data(), lowest());
    poll((start_[looks.end] - first) * work);
    looks.begin = looks.end;
  }
}

// By what the look has left.
void BlockScanner::decide(int block) {
  const Kernel& kernel = table_.kernel();
  const int at = block * kBlock;
  alignas(64) float limit[kBlock];
  find_limits(block, fine_error_.data(), limit);
  const uint64_t reached = open_[block] & kernel.below(best_.data() + at, limit);
  const uint64_t several = reached & kernel.below(second_.data() + at, limit);
  one_[block] |= reached & ~several;
  several_[block] |= several;
  for (uint64_t bits = several; bits; bits &= bits - 1) {
    const int r = __builtin_ctzll(bits);
    radius_[at + r] = limit[r];
  }
  undecided_[block] |= several;
}

const std::vector<int64_t>& BlockScanner::candidates(int r) {
  candidates_.clear();
  if (overflowed(r)) {
    candidates_.resize(static_cast<size_t>(table_.k()));
    std::iota(candidates_.begin(), candidates_.end(), 0);
    return candidates_;
  }
  const int64_t lanes = table_.kernel().group;
  alignas(64) float scores[kLargestGroup] = {};
  const int block = r / kBlock;
  for (int64_t i = first_look_[block]; i < first_look_[block + 1]; ++i) {
    if (looks_[i].row != r) continue;
    const int64_t first = looks_[i].group * lanes, some = std::min(lanes, table_.k() - first);
    table_.kernel().score_group(table_.packed(), fine_row(r), fine_error_[r], first, scores);
    uint32_t bits = table_.kernel().at_most(scores, radius_[r]);
    for (bits &= (1u << some) - 1; bits; bits &= bits - 1) {
      candidates_.push_back(table_.original(first + __builtin_ctz(bits)));
    }
    poll(lanes * rows_.d);
  }
  poll(first_look_[block + 1] - first_look_[block]);
  return candidates_;
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

}  // namespace ally_fast
