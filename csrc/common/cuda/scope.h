// The frame of every CUDA op: makes the stream's device current while it lives, launches, allocates
// workspace in stream order, and names the op in errors.
//
//   const OpScope scope("assign", stream);
//   Buffer<float> scores(scope, count);
//   scope.launch(track_kernel<kFloat16>, {blocks, 256, shared_bytes}, scores.data(), …);
//
// Nothing here waits for the device, apart from what says so.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>
#include <utility>

#include "shared.h"
#include "stream.h"

namespace ally_fast {

// How a kernel is spread out.
struct Shape {
  int64_t blocks;
  int threads;
  size_t shared_bytes = 0;  // dynamic
};

// Throws CudaError "<op>: <what>: <the runtime's message>".
void check_cuda(cudaError_t error, const char* op, const char* what);

class OpScope {
 public:
  OpScope(const char* op, const CudaStream& stream);
  ~OpScope();
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;

  const char* op() const { return op_; }
  const CudaStream& stream() const { return stream_; }
  cudaStream_t handle() const { return static_cast<cudaStream_t>(stream_.handle); }
  int multiprocessors() const { return attribute(cudaDevAttrMultiProcessorCount); }
  int compute_major() const { return attribute(cudaDevAttrComputeCapabilityMajor); }
  int compute_minor() const { return attribute(cudaDevAttrComputeCapabilityMinor); }
  size_t largest_shared_bytes() const {
    return static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
  }

  void check(cudaError_t error, const char* what) const { check_cuda(error, op_, what); }

  // Does nothing for a grid of no blocks.
  template <class... P, class... A>
  void launch(void (*kernel)(P...), const Shape& shape, A&&... arguments) const {
    if (shape.blocks <= 0) return;
    std::unique_lock<std::mutex> alone;
    if (shape.shared_bytes > 0) {
      alone = allow_shared(reinterpret_cast<const void*>(kernel), shape.shared_bytes);
    }
    const dim3 grid(static_cast<unsigned>(shape.blocks)),
        block(static_cast<unsigned>(shape.threads));
#ifdef ALLY_FAST_EMULATED_CUDA
    check(emulator::launch(kernel, grid, block, shape.shared_bytes, handle(),
                           std::forward<A>(arguments)...),
          "launch");
#else
    const auto start = [&](P... bound) {
      void* pointers[] = {const_cast<void*>(static_cast<const void*>(&bound))...};
      return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers,
                              shape.shared_bytes, handle());
    };
    check(start(static_cast<P>(std::forward<A>(arguments))...), "launch");
#endif
  }

  // Fills device memory with a byte.
  void fill(void* pointer, int byte, int64_t bytes) const;
  // Between device buffers.
  void copy(void* to, const void* from, int64_t bytes) const;
  // To the host; waits for the stream.
  void fetch(void* to, const void* from, int64_t bytes) const;

 private:
  int attribute(cudaDeviceAttr which) const;
  // Lets the kernel have so much dynamic shared memory until the lock is given back. Asked for always:
  // how much it may have without depends on its static part.
  std::unique_lock<std::mutex> allow_shared(const void* kernel, size_t bytes) const;

  const char* op_;
  CudaStream stream_;
  int callers_device_ = 0;
};

// Device memory of one stream: freed in the stream's order, so that work queued before may use it.
void* device_allocate(const char* op, const CudaStream& stream, int64_t bytes);
void device_free(const CudaStream& stream, void* pointer) noexcept;

// Workspace of an op, uninitialised.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const OpScope& scope, int64_t count)
      : stream_(scope.stream()),
        count_(count),
        data_(count > 0 ? static_cast<T*>(device_allocate(scope.op(), scope.stream(),
                                                          count * static_cast<int64_t>(sizeof(T))))
                        : nullptr) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_) device_free(stream_, data_);
  }

  T* data() const { return data_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * static_cast<int64_t>(sizeof(T)); }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(count_, other.count_);
    std::swap(data_, other.data_);
  }

  CudaStream stream_;
  int64_t count_ = 0;
  T* data_ = nullptr;
};

// Blocks that cover `items` at `per_block` each.
inline int64_t blocks_for(int64_t items, int64_t per_block) {
  return (items + per_block - 1) / per_block;
}

}  // namespace ally_fast
