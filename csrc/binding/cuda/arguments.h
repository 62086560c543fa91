// What the GPU's binding files do besides: arrays must lie on the device of the stream.
#pragma once
#include "binding/arguments.h"
#include "binding/cuda/device_array.h"

namespace ally_fast {

inline bool contiguous(const DeviceArray& array) { return array.contiguous(); }

inline void check_memory(const DeviceArray& array, const char* name, bool,
                         const CudaStream& stream) {
  const int own = array.cuda().device;
  REQUIRE(own == stream.device, name, text("an array on cuda:", own),
          "one on cuda:", stream.device);
}

// Values in device memory are the caller's to see to, or the op's.
inline void check_positions(const RowsView&, const CudaStream&) {}

// Numbers, one after the other.
struct Values {
  const void* data;
  DType dtype;
  int64_t count;
};
inline Values values_of(const DeviceArray& array, const char* name, bool bf16,
                        const CudaStream& stream) {
  REQUIRE(array.ndim() == 1 && array.contiguous(), name, described(array),
          "a contiguous 1-D array");
  check_memory(array, name, false, stream);
  return {array.data(), float_type(array, name, bf16), array.size()};
}

// Flags, as kernels read them.
template <class Array, class... On>
auto* flags_of(const Array& array, const char* name, int64_t count, const On&... on) {
  return reinterpret_cast<uint8_t*>(one_each<bool>(array, name, count, on...));
}

}  // namespace ally_fast
