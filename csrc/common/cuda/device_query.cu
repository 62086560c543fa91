#include "device_query.h"

#include <cuda_runtime.h>

namespace ally_fast {
namespace {

CudaStatus status_of(cudaError_t error) {
  // A failed query must not surface later as the error of somebody's kernel launch.
  if (error != cudaSuccess) cudaGetLastError();
  return {static_cast<int>(error), cudaGetErrorString(error)};
}

}  // namespace

CudaStatus count_devices(int* count) {
  *count = 0;
  const cudaError_t error = cudaGetDeviceCount(count);
  if (error != cudaSuccess) *count = 0;
  return status_of(error);
}

bool means_no_device(const CudaStatus& status) {
  return status.code == cudaErrorNoDevice || status.code == cudaErrorInsufficientDriver;
}

CudaStatus query_device(int device, DeviceInfo* info) {
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return status_of(error);
  info->name = properties.name;
  info->total_memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  info->compute_major = properties.major;
  info->compute_minor = properties.minor;
  info->multiprocessors = properties.multiProcessorCount;
  return {};
}

CudaStatus query_driver_version(int* version) {
  *version = 0;
  return status_of(cudaDriverGetVersion(version));
}

CudaStatus query_runtime_version(int* version) {
  *version = 0;
  return status_of(cudaRuntimeGetVersion(version));
}

}  // namespace ally_fast
