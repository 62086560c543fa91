#include "scope.h"

#include <mutex>
#include <string>

namespace ally_fast {

void check_cuda(cudaError_t error, const char* op, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // must not surface later as somebody else's
  throw CudaError(std::string(op) + ": " + what + ": " + cudaGetErrorString(error));
}

OpScope::OpScope(const char* op, const CudaStream& stream) : op_(op), stream_(stream) {
  check(cudaGetDevice(&callers_device_), "device");
  if (callers_device_ != stream.device) check(cudaSetDevice(stream.device), "device");
}

OpScope::~OpScope() {
  if (callers_device_ != stream_.device && cudaSetDevice(callers_device_) != cudaSuccess) {
    cudaGetLastError();  // must not surface later as somebody else's
  }
}

int OpScope::attribute(cudaDeviceAttr which) const {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, stream_.device), "attribute");
  return value;
}

std::unique_lock<std::mutex> OpScope::allow_shared(const void* kernel, size_t bytes) const {
  // The limit belongs to the kernel: another thread must not lower it before the launch.
  static std::mutex mutex;
  std::unique_lock<std::mutex> alone(mutex);
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (error == cudaErrorInvalidValue) {
    cudaGetLastError();
    throw CudaError(
        std::string(op_) + ": a block needs " + std::to_string(bytes) +
        " bytes of shared memory beside its static ones, cuda:" + std::to_string(stream_.device) +
        " has " + std::to_string(largest_shared_bytes()));
  }
  check(error, "shared memory");
  return alone;
}

void OpScope::fill(void* pointer, int byte, int64_t bytes) const {
  if (bytes > 0)
    check(cudaMemsetAsync(pointer, byte, static_cast<size_t>(bytes), handle()), "fill");
}

void OpScope::copy(void* to, const void* from, int64_t bytes) const {
  if (bytes > 0) {
    check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, handle()),
          "copy");
  }
}

void OpScope::fetch(void* to, const void* from, int64_t bytes) const {
  if (bytes > 0) {
    check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, handle()),
          "copy to the host");
  }
  check(cudaStreamSynchronize(handle()), "wait");
}

namespace {

constexpr int kDevices = 64;

// Our own pool a device, so that how much it keeps is nobody else's business: freed memory up to a
// sixteenth of the device stays for later, the rest is given back when next waiting.
cudaMemPool_t pool_of(const OpScope& scope, int device) {
  static std::mutex mutex;
  static cudaMemPool_t pools[kDevices] = {};
  const std::lock_guard<std::mutex> lock(mutex);
  if (device >= kDevices) throw CudaError("more than 64 devices");
  if (!pools[device]) {
    int supported = 0;
    scope.check(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, device),
                "attribute");
    if (!supported) {
      throw CudaError(std::string(scope.op()) + ": cuda:" + std::to_string(device) +
                      " has no memory pools (cudaMallocAsync), which some virtual GPUs lack; "
                      "needs a GPU that has them, or device=\"cpu\"");
    }
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = device;
    scope.check(cudaMemPoolCreate(&pools[device], &properties), "memory pool");
    size_t free = 0, total = 0;
    scope.check(cudaMemGetInfo(&free, &total), "memory information");
    uint64_t kept = total / 16;
    scope.check(cudaMemPoolSetAttribute(pools[device], cudaMemPoolAttrReleaseThreshold, &kept),
                "memory pool");
  }
  return pools[device];
}

}  // namespace

void* device_allocate(const char* op, const CudaStream& stream, int64_t bytes) {
  const OpScope scope(op, stream);
  void* pointer = nullptr;
  const cudaMemPool_t pool = pool_of(scope, stream.device);
  const auto size = static_cast<size_t>(bytes);
  cudaError_t error = cudaMallocFromPoolAsync(&pointer, size, pool, scope.handle());
  if (error == cudaErrorMemoryAllocation) {
    // What the pool keeps for later is given back first: it may lie in the wrong pieces.
    cudaGetLastError();
    scope.check(cudaStreamSynchronize(scope.handle()), "wait");
    scope.check(cudaMemPoolTrimTo(pool, 0), "memory pool");
    error = cudaMallocFromPoolAsync(&pointer, size, pool, scope.handle());
  }
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw CudaOutOfMemory(std::string(op) + ": cuda:" + std::to_string(stream.device) +
                              " is out of memory, asked for " + std::to_string(bytes) + " bytes",
                          bytes);
  }
  scope.check(error, "allocation");
  return pointer;
}

void device_free(const CudaStream& stream, void* pointer) noexcept {
  int callers_device = 0;
  cudaGetDevice(&callers_device);
  cudaSetDevice(stream.device);
  cudaFreeAsync(pointer, static_cast<cudaStream_t>(stream.handle));
  cudaSetDevice(callers_device);
  cudaGetLastError();  // the process may be ending, and the driver gone before us
}

}  // namespace ally_fast
