// Rows on their way from host memory to a device: a ring of pinned buffers and of device buffers, so
// that packing, copying and computing overlap.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "memory.h"

namespace ally_fast {

class UploadRing {
 public:
  // Slots of `slot_bytes`; `compute` is the stream on which uploads are used.
  UploadRing(const CudaStream& compute, int64_t slot_bytes, int slots);
  ~UploadRing();
  UploadRing(const UploadRing&) = delete;
  UploadRing& operator=(const UploadRing&) = delete;

  // A matrix of items of `item_bytes`, any strides (bytes), as contiguous rows in device memory that
  // work queued on `compute` from now on may read. The result is good until the `slots`-th upload
  // from here: what uses it must have been queued on `compute` by the next call. rows * columns *
  // item_bytes <= slot_bytes (the caller's to see to).
  const void* upload(const char* data, int64_t rows, int64_t columns, int64_t item_bytes,
                     int64_t row_stride, int64_t column_stride, int threads);

  int64_t slot_bytes() const { return slot_bytes_; }

 private:
  void clear() noexcept;

  struct Slot {
    Slot(const CudaStream& compute, const CudaStream& copying)
        : copied(copying), consumed(compute) {}
    char* pinned = nullptr;
    void* device = nullptr;
    Event copied, consumed;
  };

  CudaStream compute_, copying_;
  int64_t slot_bytes_;
  std::vector<std::unique_ptr<Slot>> slots_;
  size_t next_ = 0;
  Slot* last_ = nullptr;
};

}  // namespace ally_fast
