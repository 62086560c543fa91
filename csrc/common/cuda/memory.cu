#include "memory.h"

#include <string>

#include "scope.h"

namespace ally_fast {
namespace {

cudaStream_t handle_of(const CudaStream& stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

void copy(const CudaStream& stream, void* to, const void* from, int64_t bytes,
          cudaMemcpyKind kind) {
  const OpScope scope("copy", stream);
  if (bytes > 0) {
    scope.check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, scope.handle()),
                "copy");
  }
}

// Whether a copy may read the host memory after the call: where CUDA knows it (pinned, managed), or
// where the device reads pageable memory itself (HMM, Grace).
bool reads_later(const CudaStream& stream, const void* from) {
  const OpScope scope("copy", stream);
  int pageable = 0;
  scope.check(cudaDeviceGetAttribute(&pageable, cudaDevAttrPageableMemoryAccess, stream.device),
              "attribute");
  if (pageable) return true;
  cudaPointerAttributes attributes;
  scope.check(cudaPointerGetAttributes(&attributes, from), "attributes");
  return attributes.type != cudaMemoryTypeUnregistered;
}

}  // namespace

CudaStream create_stream(int device) {
  const OpScope scope("stream", {device, nullptr});
  cudaStream_t handle = nullptr;
  scope.check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "creation");
  return {device, handle};
}

void destroy_stream(const CudaStream& stream) noexcept {
  cudaStreamSynchronize(handle_of(stream));
  cudaStreamDestroy(handle_of(stream));
  cudaGetLastError();
}

void synchronize(const CudaStream& stream) {
  const OpScope scope("stream", stream);
  scope.check(cudaStreamSynchronize(scope.handle()), "wait");
}

void order_streams(const CudaStream& earlier, const CudaStream& later) {
  if (earlier.device == later.device && earlier.handle == later.handle) return;
  cudaEvent_t event = nullptr;
  {
    const OpScope scope("stream", earlier);
    scope.check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    const cudaError_t recorded = cudaEventRecord(event, scope.handle());
    if (recorded != cudaSuccess) cudaEventDestroy(event);
    scope.check(recorded, "event");
  }
  const OpScope scope("stream", later);
  const cudaError_t error = cudaStreamWaitEvent(scope.handle(), event, 0);
  cudaEventDestroy(event);  // freed once it has been reached
  scope.check(error, "event");
}

void* allocate(const CudaStream& stream, int64_t bytes) {
  return device_allocate("allocation", stream, bytes);
}

void release(const CudaStream& stream, void* pointer) noexcept { device_free(stream, pointer); }

void memory_info(int device, int64_t* free_bytes, int64_t* total_bytes) {
  const OpScope scope("memory", {device, nullptr});
  size_t free = 0, total = 0;
  scope.check(cudaMemGetInfo(&free, &total), "information");
  *free_bytes = static_cast<int64_t>(free);
  *total_bytes = static_cast<int64_t>(total);
}

void* allocate_pinned(int64_t bytes) {
  void* pointer = nullptr;
  const cudaError_t error =
      cudaHostAlloc(&pointer, static_cast<size_t>(bytes), cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw CudaOutOfMemory(
        "pinned host memory: out of memory, asked for " + std::to_string(bytes) + " bytes", bytes);
  }
  check_cuda(error, "pinned host memory", "allocation");
  return pointer;
}

void release_pinned(void* pointer) noexcept {
  cudaFreeHost(pointer);
  cudaGetLastError();
}

int device_of(const void* pointer) {
  cudaPointerAttributes attributes;
  check_cuda(cudaPointerGetAttributes(&attributes, pointer), "pointer", "attributes");
  return attributes.type == cudaMemoryTypeDevice ? attributes.device : -1;
}

void copy_to_device(const CudaStream& stream, void* to, const void* from, int64_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyHostToDevice);
  if (bytes > 0 && reads_later(stream, from)) synchronize(stream);
}

void copy_from_pinned(const CudaStream& stream, void* to, const void* from, int64_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyHostToDevice);
}

void copy_on_device(const CudaStream& stream, void* to, const void* from, int64_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

void copy_to_pinned(const CudaStream& stream, void* to, const void* from, int64_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyDeviceToHost);
}

void copy_to_host(const CudaStream& stream, void* to, const void* from, int64_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyDeviceToHost);
  synchronize(stream);
}

void fill(const CudaStream& stream, void* pointer, int byte, int64_t bytes) {
  OpScope("fill", stream).fill(pointer, byte, bytes);
}

Event::Event(const CudaStream& stream) : stream_(stream) {
  const OpScope scope("event", stream);
  cudaEvent_t event = nullptr;
  scope.check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "creation");
  handle_ = event;
}

Event::~Event() {
  cudaEventDestroy(static_cast<cudaEvent_t>(handle_));
  cudaGetLastError();
}

void Event::record() {
  const OpScope scope("event", stream_);
  scope.check(cudaEventRecord(static_cast<cudaEvent_t>(handle_), scope.handle()), "record");
}

void Event::wait() const {
  const OpScope scope("event", stream_);
  scope.check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), "wait");
}

void Event::make_wait(const CudaStream& stream) const {
  const OpScope scope("event", stream);
  scope.check(cudaStreamWaitEvent(scope.handle(), static_cast<cudaEvent_t>(handle_), 0), "wait");
}

bool Event::done() const {
  const OpScope scope("event", stream_);
  const cudaError_t error = cudaEventQuery(static_cast<cudaEvent_t>(handle_));
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  scope.check(error, "query");
  return true;
}

}  // namespace ally_fast
