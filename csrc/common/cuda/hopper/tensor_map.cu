#include "tensor_map.h"

#include <string>

namespace ally_fast {

TensorMap tensor_map(const OpScope& scope, const uint16_t* data, int64_t rows, int64_t columns,
                     int64_t row_bytes, int box_rows) {
  // Asked of the driver at run time: the module must load where there is none.
  using Encode = decltype(&cuTensorMapEncodeTiled);
  constexpr unsigned kSince = 12000;
  void* found = nullptr;
  cudaDriverEntryPointQueryResult status = cudaDriverEntryPointSymbolNotFound;
  scope.check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, kSince,
                                               cudaEnableDefault, &status),
              "tensor map");
  if (status != cudaDriverEntryPointSuccess || !found) {
    throw CudaError(std::string(scope.op()) + ": the driver has no cuTensorMapEncodeTiled");
  }
  TensorMap map;
  const cuuint64_t size[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(row_bytes)};
  const cuuint32_t box[] = {kBoxColumns, static_cast<cuuint32_t>(box_rows)}, steps[] = {1, 1};
  const CUresult result = reinterpret_cast<Encode>(found)(
      &map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<uint16_t*>(data), size, strides, box,
      steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw CudaError(std::string(scope.op()) + ": cuTensorMapEncodeTiled: error " +
                    std::to_string(static_cast<int>(result)));
  }
  return map;
}

}  // namespace ally_fast
