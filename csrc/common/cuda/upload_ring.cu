#include "upload_ring.h"

#include <cstring>

#include "../parallel.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskBytes = 1 << 20;

void pack(const char* data, int64_t rows, int64_t columns, int64_t item_bytes, int64_t row_stride,
          int64_t column_stride, int threads, char* out) {
  const int64_t row_bytes = columns * item_bytes;
  const int64_t at_once = row_bytes < kTaskBytes ? kTaskBytes / (row_bytes > 0 ? row_bytes : 1) : 1;
  parallel_for((rows + at_once - 1) / at_once, threads, [&](int64_t task, int) {
    const int64_t begin = task * at_once, end = begin + at_once < rows ? begin + at_once : rows;
    if (column_stride == item_bytes && row_stride == row_bytes) {
      std::memcpy(out + begin * row_bytes, data + begin * row_bytes,
                  static_cast<size_t>((end - begin) * row_bytes));
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      const char* row = data + i * row_stride;
      char* packed = out + i * row_bytes;
      if (column_stride == item_bytes) {
        std::memcpy(packed, row, static_cast<size_t>(row_bytes));
        continue;
      }
      for (int64_t j = 0; j < columns; ++j) {
        std::memcpy(packed + j * item_bytes, row + j * column_stride,
                    static_cast<size_t>(item_bytes));
      }
    }
  });
}

}  // namespace

UploadRing::UploadRing(const CudaStream& compute, int64_t slot_bytes, int slots)
    : compute_(compute), copying_(create_stream(compute.device)), slot_bytes_(slot_bytes) {
  try {
    for (int i = 0; i < slots; ++i) {
      slots_.push_back(std::make_unique<Slot>(compute_, copying_));
      slots_.back()->pinned = static_cast<char*>(allocate_pinned(slot_bytes));
      slots_.back()->device = allocate(compute_, slot_bytes);
    }
    order_streams(compute_, copying_);  // the device buffers exist from here on
  } catch (...) {
    clear();
    throw;
  }
}

UploadRing::~UploadRing() { clear(); }

void UploadRing::clear() noexcept {
  destroy_stream(copying_);
  for (const auto& slot : slots_) {
    if (slot->device) release(compute_, slot->device);
    if (slot->pinned) release_pinned(slot->pinned);
  }
  slots_.clear();
}

const void* UploadRing::upload(const char* data, int64_t rows, int64_t columns, int64_t item_bytes,
                               int64_t row_stride, int64_t column_stride, int threads) {
  if (last_) last_->consumed.record();
  Slot& slot = *slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  slot.copied.wait();  // the pinned buffer is free
  pack(data, rows, columns, item_bytes, row_stride, column_stride, threads, slot.pinned);
  slot.consumed.make_wait(copying_);  // and the device buffer
  copy_from_pinned(copying_, slot.device, slot.pinned, rows * columns * item_bytes);
  slot.copied.record();
  slot.copied.make_wait(compute_);
  last_ = &slot;
  return slot.device;
}

}  // namespace ally_fast
