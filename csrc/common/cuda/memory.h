// Streams, events, memory and copies for callers that are not CUDA files. Errors are thrown.
#pragma once
#include <cstdint>

#include "stream.h"

namespace ally_fast {

CudaStream create_stream(int device);
// Waits for what is queued on it.
void destroy_stream(const CudaStream& stream) noexcept;
void synchronize(const CudaStream& stream);
// What is queued on `later` from now on waits for all that is queued on `earlier` so far.
void order_streams(const CudaStream& earlier, const CudaStream& later);

// Device memory in stream order.
void* allocate(const CudaStream& stream, int64_t bytes);
void release(const CudaStream& stream, void* pointer) noexcept;
// Free and total bytes of the device; memory kept in pools for later counts as used.
void memory_info(int device, int64_t* free_bytes, int64_t* total_bytes);

// Pinned host memory: copies to and from it do not wait.
void* allocate_pinned(int64_t bytes);
void release_pinned(void* pointer) noexcept;
// The device a pointer belongs to, -1 for host memory.
int device_of(const void* pointer);

// In stream order. Returns once the source, any host memory, may be changed.
void copy_to_device(const CudaStream& stream, void* to, const void* from, int64_t bytes);
// In stream order, without waiting: `from` is pinned and stays as it is until then.
void copy_from_pinned(const CudaStream& stream, void* to, const void* from, int64_t bytes);
void copy_on_device(const CudaStream& stream, void* to, const void* from, int64_t bytes);
// In stream order; `to` is pinned, and may be read after an event or wait.
void copy_to_pinned(const CudaStream& stream, void* to, const void* from, int64_t bytes);
// Waits.
void copy_to_host(const CudaStream& stream, void* to, const void* from, int64_t bytes);
void fill(const CudaStream& stream, void* pointer, int byte, int64_t bytes);

// A point in a stream's work.
class Event {
 public:
  explicit Event(const CudaStream& stream);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record();
  // Waits until the work before the last record is done; at once if there was none.
  void wait() const;
  bool done() const;
  // What is queued on `stream` from now on waits for it; for nothing if it was never recorded.
  void make_wait(const CudaStream& stream) const;

 private:
  CudaStream stream_;
  void* handle_ = nullptr;
};

}  // namespace ally_fast
