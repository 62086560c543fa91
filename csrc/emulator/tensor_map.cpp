// cuTensorMapEncodeTiled for matrices of float16: the driver's rules for its arguments, then what the
// emulated copies need to know.
#include <cstring>

#include "hopper.h"

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                                void* address, const cuuint64_t* size, const cuuint64_t* strides,
                                const cuuint32_t* box, const cuuint32_t* steps,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  constexpr cuuint64_t kItem = 2;
  const auto aligned = [](const void* pointer, uintptr_t bytes) {
    return pointer && reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
  };
  // What is asked for here; the driver knows more.
  if (type != CU_TENSOR_MAP_DATA_TYPE_FLOAT16 || rank != 2 ||
      interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!aligned(map, 64) || !aligned(address, 16)) return CUDA_ERROR_INVALID_VALUE;
  for (cuuint32_t axis = 0; axis < rank; ++axis) {
    if (size[axis] == 0 || size[axis] > cuuint64_t{1} << 32) return CUDA_ERROR_INVALID_VALUE;
    if (box[axis] == 0 || box[axis] > 256) return CUDA_ERROR_INVALID_VALUE;
    if (steps[axis] == 0 || steps[axis] > 8) return CUDA_ERROR_INVALID_VALUE;
  }
  if (strides[0] % 16 != 0 || strides[0] >= cuuint64_t{1} << 40 || strides[0] < size[0] * kItem) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const cuuint64_t width = box[0] * kItem;  // bytes of a line of the box
  if (width % 16 != 0) return CUDA_ERROR_INVALID_VALUE;
  if (swizzle != CU_TENSOR_MAP_SWIZZLE_NONE && width > cuuint64_t{16} << swizzle) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // The copies emulated here: whole lines of 128 bytes, swizzled.
  if (swizzle != CU_TENSOR_MAP_SWIZZLE_128B || width != 128 || steps[1] != 1) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const emulator::TensorMap encoded{address, size[0], size[1], strides[0], box[0], box[1]};
  static_assert(sizeof encoded <= sizeof(CUtensorMap));
  std::memset(map, 0, sizeof *map);
  std::memcpy(map, &encoded, sizeof encoded);
  return CUDA_SUCCESS;
}
