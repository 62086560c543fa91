// What CUDA devices there are, and which kernels were built for them.
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "binding/ops.h"
#include "common/cuda/device_query.h"
#include "common/cuda/memory.h"

namespace py = pybind11;

namespace ally_fast {
namespace {

void check(const CudaStatus& status) {
  if (!status.ok()) throw std::runtime_error(std::string("CUDA: ") + status.message);
}

// The query starts the driver, which can take a second: other Python threads go on meanwhile.
CudaStatus count_without_gil(int* count) {
  const py::gil_scoped_release released;
  return count_devices(count);
}

int device_count() {
  int count = 0;
  const CudaStatus status = count_without_gil(&count);
  if (!means_no_device(status)) check(status);
  return count;
}

bool is_available() {
  int count = 0;
  return count_without_gil(&count).ok() && count > 0;
}

std::string status() {
  int count = 0;
  return count_without_gil(&count).message;
}

py::list devices() {
  py::list list;
  const int count = device_count();
  for (int device = 0; device < count; ++device) {
    DeviceInfo info;
    check(query_device(device, &info));
    py::dict entry;
    entry["name"] = info.name;
    entry["total_memory_bytes"] = info.total_memory_bytes;
    entry["compute_capability"] = py::make_tuple(info.compute_major, info.compute_minor);
    entry["multiprocessors"] = info.multiprocessors;
    list.append(entry);
  }
  return list;
}

py::tuple memory(int device) {
  int64_t free_bytes = 0, total_bytes = 0;
  memory_info(device, &free_bytes, &total_bytes);
  return py::make_tuple(free_bytes, total_bytes);
}

std::string dotted(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

py::object driver_version() {
  int version = 0;
  check(query_driver_version(&version));
  if (version == 0) return py::none();
  return py::str(dotted(version));
}

std::string runtime_version() {
  int version = 0;
  check(query_runtime_version(&version));
  return dotted(version);
}

// As the build was told: "sm_80, sm_90, sm_90a, sm_100, PTX".
std::string compiled_for() { return ALLY_FAST_CUDA_CODE; }

}  // namespace

void register_devices(py::module_& module) {
  module.def("memory_info", &memory, py::arg("device"), "Free and total bytes of a device.");
  module.def(
      "device_of", [](uintptr_t pointer) { return device_of(reinterpret_cast<void*>(pointer)); },
      py::arg("pointer"), "The device a pointer belongs to, -1 for host memory.");
  module.def("is_available", &is_available, "True where at least one CUDA device can be used.");
  module.def("device_count", &device_count, "Number of devices; 0 without a driver.");
  module.def("status", &status,
             "\"no error\", or the CUDA runtime's message why there is no device.");
  module.def("devices", &devices,
             "One dict a device: name, total_memory_bytes, compute_capability (major, minor), "
             "multiprocessors.");
  module.def("driver_version", &driver_version,
             "Newest CUDA version the driver knows, such as \"13.0\"; None without a driver.");
  module.def("compiled_for", &compiled_for, "Architectures there is machine code for.");
  module.def("runtime_version", &runtime_version, "CUDA version of the runtime linked in.");
}

}  // namespace ally_fast
