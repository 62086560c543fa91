// Arrays in device memory as Python sees them: `ally_fast._cuda.DeviceArray` and `Stream`.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/cuda/stream.h"
#include "common/rows.h"

namespace ally_fast {

namespace py = pybind11;

// Lets other Python threads go on while what is destroyed waits for the device. Where this thread does
// not hold the GIL, or Python is ending, there is nothing to let go.
class GilReleased {
 public:
  GilReleased() {
    if (Py_IsInitialized() && PyGILState_Check()) released_.emplace();
  }

 private:
  std::optional<py::gil_scoped_release> released_;
};

// A stream of our own (destroyed with the last array that uses it) or somebody else's.
class Stream {
 public:
  explicit Stream(int device);
  Stream(int device, uintptr_t handle, py::object owner)
      : stream_{device, reinterpret_cast<void*>(handle)}, owner_(std::move(owner)) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const CudaStream& get() const { return stream_; }

 private:
  CudaStream stream_;
  py::object owner_;  // keeps somebody else's stream alive
  bool own_ = false;
};
using StreamPtr = std::shared_ptr<Stream>;

// A strided array of one or two dimensions in the memory of one device. Ops on it are queued on its
// stream. Slices share its memory.
class DeviceArray {
 public:
  // Uninitialised, contiguous, our own.
  DeviceArray(std::vector<int64_t> shape, const py::dtype& dtype, StreamPtr stream);
  // Memory of `owner`.
  DeviceArray(void* data, std::vector<int64_t> shape, std::vector<int64_t> strides,
              const py::dtype& dtype, StreamPtr stream, py::object owner);

  char* data() const { return data_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  const std::vector<int64_t>& strides() const { return strides_; }  // bytes
  int64_t shape(py::ssize_t axis) const { return shape_.at(static_cast<size_t>(axis)); }
  int64_t strides(py::ssize_t axis) const { return strides_.at(static_cast<size_t>(axis)); }
  py::ssize_t ndim() const { return static_cast<py::ssize_t>(shape_.size()); }
  py::ssize_t itemsize() const { return dtype_.itemsize(); }
  const py::dtype& dtype() const { return dtype_; }
  const StreamPtr& stream() const { return stream_; }
  const CudaStream& cuda() const { return stream_->get(); }
  int64_t size() const;
  int64_t nbytes() const { return size() * dtype_.itemsize(); }
  bool contiguous() const;

  DeviceArray slice(int64_t begin, int64_t end) const;

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::shared_ptr<void> memory_;  // our own
  py::object owner_;              // or this one's
  char* data_ = nullptr;
  std::vector<int64_t> shape_, strides_;
  py::dtype dtype_;
  StreamPtr stream_;
};

}  // namespace ally_fast
