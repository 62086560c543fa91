#include "binding/cuda/dlpack.h"

#include "binding/cuda/arguments.h"

namespace ally_fast {
namespace {

// The protocol's own layout.
struct Device {
  int32_t type, id;
};
struct DataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: contiguous
  uint64_t byte_offset;
};
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
constexpr int32_t kCuda = 2, kCudaManaged = 13;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBFloat = 4, kBool = 6 };

std::string dtype_name(const DataType& dtype) {
  const std::string bits = std::to_string(dtype.bits);
  if (dtype.lanes == 1) {
    switch (dtype.code) {
      case kInt:
        return "int" + bits;
      case kUInt:
        return "uint" + bits;
      case kFloat:
        return "float" + bits;
      case kBFloat:
        return "uint16";
      case kBool:
        return "bool";
      default:
        break;
    }
  }
  throw py::buffer_error("DLPack: an element type that is not a plain number");
}

}  // namespace

std::pair<DeviceArray, bool> from_dlpack(const py::capsule& capsule, const StreamPtr& stream) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!managed) throw py::error_already_set();
  const Tensor& tensor = managed->tensor;
  if (tensor.device.type != kCuda && tensor.device.type != kCudaManaged) {
    throw py::buffer_error("DLPack: the array is not on a CUDA device");
  }
  if (tensor.ndim < 1 || tensor.ndim > 2) {
    throw py::buffer_error(complaint("DLPack", text(tensor.ndim, " dimensions"), "1 or 2"));
  }
  REQUIRE(tensor.device.id == stream->get().device, "DLPack",
          text("an array on cuda:", tensor.device.id), "one on cuda:", stream->get().device);
  const py::dtype dtype(dtype_name(tensor.dtype));
  std::vector<int64_t> shape(tensor.shape, tensor.shape + tensor.ndim), strides;
  if (tensor.strides) {
    strides.assign(tensor.strides, tensor.strides + tensor.ndim);
    for (int64_t& stride : strides) stride *= dtype.itemsize();
  }
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  const py::capsule owner(managed, [](void* held) {
    auto* mine = static_cast<Managed*>(held);
    if (mine->deleter) mine->deleter(mine);
  });
  char* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  return {DeviceArray(data, shape, strides, dtype, stream, owner), tensor.dtype.code == kBFloat};
}

}  // namespace ally_fast
