// What a CUDA op is told by its caller, and how it fails. No CUDA type: bindings are compiled by the
// host compiler.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace ally_fast {

// A stream of a device: work queued on one stream is done in order.
struct CudaStream {
  int device = 0;
  void* handle = nullptr;  // cudaStream_t; null: the device's default stream
};

// Names the op and gives the runtime's words.
class CudaError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Device (or pinned) memory ran out, after all that was to spare had been given back.
class CudaOutOfMemory : public CudaError {
 public:
  CudaOutOfMemory(const std::string& what, int64_t bytes) : CudaError(what), bytes(bytes) {}
  int64_t bytes;  // asked for
};

}  // namespace ally_fast
