// Which CUDA devices this process can use. No CUDA type here: the binding is compiled by the host
// compiler. Without a driver every function still answers; nothing throws, errors are statuses.
// The first call starts the driver, but no context: no device memory is taken.
#pragma once
#include <cstdint>
#include <string>

namespace ally_fast {

struct CudaStatus {
  int code = 0;                      // cudaError_t; 0 is success
  const char* message = "no error";  // the runtime's words, static storage

  bool ok() const { return code == 0; }
};

struct DeviceInfo {
  std::string name;
  int64_t total_memory_bytes = 0;
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
};

// OUT count: devices in reach, 0 on any error. No driver, one too old and no device are errors, too:
// `means_no_device` tells them from real trouble.
CudaStatus count_devices(int* count);
bool means_no_device(const CudaStatus& status);

// IN device: in [0, count). OUT info.
CudaStatus query_device(int device, DeviceInfo* info);

// OUT version: 1000 * major + 10 * minor; the newest CUDA the driver knows, 0 without a driver.
CudaStatus query_driver_version(int* version);

// The same for the CUDA runtime linked into this module.
CudaStatus query_runtime_version(int* version);

}  // namespace ally_fast
