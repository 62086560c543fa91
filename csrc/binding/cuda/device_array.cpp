#include "binding/cuda/device_array.h"

#include <algorithm>
#include <memory>
#include <variant>

#include "binding/cuda/arguments.h"
#include "binding/cuda/dlpack.h"
#include "binding/ops.h"
#include "common/cuda/gather.h"
#include "common/cuda/memory.h"

namespace ally_fast {
namespace {

using Positions = std::variant<py::array, DeviceArray>;

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape, int64_t item_bytes) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = item_bytes;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

py::tuple tuple_of(const std::vector<int64_t>& values) { return py::tuple(py::cast(values)); }

DeviceArray zeros(const std::vector<int64_t>& shape, const py::object& dtype,
                  const StreamPtr& stream) {
  DeviceArray result(shape, py::dtype::from_args(dtype), stream);
  fill(stream->get(), result.data(), 0, result.nbytes());
  return result;
}

DeviceArray from_host(const py::array& any, const StreamPtr& stream) {
  const auto array = py::array::ensure(any, py::array::c_style);
  std::vector<int64_t> shape(array.shape(), array.shape() + array.ndim());
  DeviceArray result(shape, array.dtype(), stream);
  const void* data = array.data();
  const int64_t bytes = result.nbytes();
  const py::gil_scoped_release released;
  copy_to_device(stream->get(), result.data(), data, bytes);
  return result;
}

py::array to_host(const DeviceArray& array) {
  REQUIRE(array.contiguous() || array.ndim() == 2, "to_host", described(array),
          "at most two dimensions");
  if (!array.contiguous()) {
    // A strided one: the span it lies in, then the host's own view of that.
    int64_t low = 0, high = array.dtype().itemsize();
    for (size_t axis = 0; axis < 2; ++axis) {
      if (array.shape()[axis] == 0) return py::array(array.dtype(), array.shape());
      const int64_t reach = (array.shape()[axis] - 1) * array.strides()[axis];
      (reach < 0 ? low : high) += reach;
    }
    auto span = std::make_unique<std::vector<char>>(static_cast<size_t>(high - low));
    {
      const py::gil_scoped_release released;
      copy_to_host(array.cuda(), span->data(), array.data() + low, high - low);
    }
    const char* first = span->data() - low;
    const py::capsule owner(span.release(),
                            [](void* held) { delete static_cast<std::vector<char>*>(held); });
    const py::array view(array.dtype(), array.shape(), array.strides(), first, owner);
    return view.attr("copy")();
  }
  py::array host(array.dtype(), array.shape());
  void* data = host.mutable_data();
  const int64_t bytes = array.nbytes();
  const py::gil_scoped_release released;
  copy_to_host(array.cuda(), data, array.data(), bytes);
  return host;
}

DeviceArray get_slice(const DeviceArray& array, const py::slice& rows) {
  py::ssize_t begin, end, step, length;
  if (!rows.compute(array.shape()[0], &begin, &end, &step, &length)) throw py::error_already_set();
  REQUIRE(step == 1, "slice", text("step ", step), 1);
  return array.slice(begin, begin + length);
}

// In device memory; those in host memory are checked.
DeviceArray device_positions(const DeviceArray& array, const Positions& positions) {
  if (const auto* there = std::get_if<DeviceArray>(&positions)) return *there;
  const auto& here = std::get<py::array>(positions);
  const int64_t *begin = typed<const int64_t>(here, "positions", 1), n = array.shape(0);
  REQUIRE(std::all_of(begin, begin + here.size(), [&](int64_t p) { return p >= 0 && p < n; }),
          "positions", "", "values in [0, ", n, ")");
  return from_host(here, array.stream());
}

// Copies; what a view of rows has, whatever its elements are.
DeviceArray take(const DeviceArray& array, const std::optional<Positions>& positions) {
  const bool matrix = array.ndim() == 2;
  RowsView view;
  view.data = array.data();
  view.n = view.visited = array.shape()[0];
  view.d = matrix ? array.shape()[1] : 1;
  view.row_stride = array.strides()[0];
  view.col_stride = matrix ? array.strides()[1] : 0;
  std::optional<DeviceArray> visited;
  if (positions) {
    visited = device_positions(array, *positions);
    view.positions = typed<const int64_t>(*visited, "positions", 1, array.cuda());
    view.visited = visited->size();
  }
  std::vector<int64_t> shape = array.shape();
  shape[0] = view.visited;
  DeviceArray result(shape, array.dtype(), array.stream());
  const int64_t item_bytes = array.dtype().itemsize();
  const py::gil_scoped_release released;
  gather_rows(array.cuda(), view, item_bytes, result.data());
  return result;
}

DeviceArray join(const DeviceArray& first, const DeviceArray& rest) {
  REQUIRE(first.ndim() == 1 && rest.ndim() == 1 && first.contiguous() && rest.contiguous() &&
              first.dtype().equal(rest.dtype()),
          "join", text(described(first), " and ", described(rest)),
          "two contiguous 1-D arrays of one dtype");
  check_memory(rest, "rest", false, first.cuda());
  DeviceArray result({first.size() + rest.size()}, first.dtype(), first.stream());
  copy_on_device(first.cuda(), result.data(), first.data(), first.nbytes());
  copy_on_device(first.cuda(), result.data() + first.nbytes(), rest.data(), rest.nbytes());
  return result;
}

// https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html, version 3
py::dict array_interface(const DeviceArray& array) {
  py::dict facts;
  facts["shape"] = tuple_of(array.shape());
  facts["strides"] = tuple_of(array.strides());
  facts["typestr"] = array.dtype().attr("str");
  facts["data"] = py::make_tuple(reinterpret_cast<uintptr_t>(array.data()), false);
  // Null would mean nothing to wait for: 1 is the default stream.
  const auto handle = reinterpret_cast<uintptr_t>(array.cuda().handle);
  facts["stream"] = handle ? handle : 1;
  facts["version"] = 3;
  return facts;
}

}  // namespace

Stream::Stream(int device) : stream_(create_stream(device)), own_(true) {}

Stream::~Stream() {
  if (!own_) return;
  const GilReleased released;
  destroy_stream(stream_);
}

DeviceArray::DeviceArray(std::vector<int64_t> shape, const py::dtype& dtype, StreamPtr stream)
    : shape_(std::move(shape)),
      strides_(contiguous_strides(shape_, dtype.itemsize())),
      dtype_(dtype),
      stream_(std::move(stream)) {
  for (int64_t extent : shape_) REQUIRE(extent >= 0, "shape", shape_, "extents of at least 0");
  if (nbytes() == 0) return;
  void* pointer = nullptr;
  {
    const int64_t bytes = nbytes();
    const py::gil_scoped_release released;
    pointer = allocate(stream_->get(), bytes);
  }
  memory_ = std::shared_ptr<void>(pointer,
                                  [held = stream_](void* freed) { release(held->get(), freed); });
  data_ = static_cast<char*>(pointer);
}

DeviceArray::DeviceArray(void* data, std::vector<int64_t> shape, std::vector<int64_t> strides,
                         const py::dtype& dtype, StreamPtr stream, py::object owner)
    : owner_(std::move(owner)),
      data_(static_cast<char*>(data)),
      shape_(std::move(shape)),
      strides_(std::move(strides)),
      dtype_(dtype),
      stream_(std::move(stream)) {
  if (strides_.empty()) strides_ = contiguous_strides(shape_, dtype_.itemsize());
  REQUIRE(strides_.size() == shape_.size(), "strides", strides_, "one for each of ", shape_);
}

int64_t DeviceArray::size() const {
  int64_t count = 1;
  for (int64_t extent : shape_) count *= extent;
  return count;
}

bool DeviceArray::contiguous() const {
  int64_t step = dtype_.itemsize();
  for (size_t axis = shape_.size(); axis-- > 0;) {
    if (shape_[axis] > 1 && strides_[axis] != step) return false;
    step *= shape_[axis];
  }
  return true;
}

DeviceArray DeviceArray::slice(int64_t begin, int64_t end) const {
  DeviceArray part = *this;
  part.data_ += begin * strides_[0];
  part.shape_[0] = end - begin;
  return part;
}

void register_device_array(py::module_& module) {
  py::class_<Stream, StreamPtr>(module, "Stream")
      .def(py::init<int>(), py::arg("device"))
      .def_static(
          "foreign",
          [](int device, uintptr_t handle, py::object owner) {
            return std::make_shared<Stream>(device, handle, std::move(owner));
          },
          py::arg("device"), py::arg("handle"), py::arg("owner") = py::none())
      .def_property_readonly("device", [](const Stream& s) { return s.get().device; })
      .def_property_readonly(
          "handle", [](const Stream& s) { return reinterpret_cast<uintptr_t>(s.get().handle); })
      .def("synchronize",
           [](const Stream& s) {
             const py::gil_scoped_release released;
             synchronize(s.get());
           })
      .def(
          "wait_for",
          [](const Stream& s, const Stream& other) {
            const CudaStream earlier = other.get(), later = s.get();
            const py::gil_scoped_release released;
            order_streams(earlier, later);
          },
          py::arg("other"));

  py::class_<DeviceArray>(module, "DeviceArray")
      .def_static(
          "empty",
          [](const std::vector<int64_t>& shape, const py::object& dtype, const StreamPtr& stream) {
            return DeviceArray(shape, py::dtype::from_args(dtype), stream);
          },
          py::arg("shape"), py::arg("dtype"), py::arg("stream"))
      .def_static("zeros", &zeros, py::arg("shape"), py::arg("dtype"), py::arg("stream"))
      .def_static("from_host", &from_host, py::arg("array"), py::arg("stream"))
      .def_static(
          "foreign",
          [](uintptr_t pointer, const std::vector<int64_t>& shape,
             const std::vector<int64_t>& strides, const py::object& dtype, const StreamPtr& stream,
             const py::object& owner) {
            return DeviceArray(reinterpret_cast<void*>(pointer), shape, strides,
                               py::dtype::from_args(dtype), stream, owner);
          },
          py::arg("pointer"), py::arg("shape"), py::arg("strides"), py::arg("dtype"),
          py::arg("stream"), py::arg("owner"))
      .def_static("from_dlpack", &from_dlpack, py::arg("capsule"), py::arg("stream"))
      .def("to_host", &to_host)
      .def("take", &take, py::arg("positions") = py::none())
      .def("join", &join, py::arg("rest"))
      .def(
          "fill",
          [](const DeviceArray& a, int byte) {
            REQUIRE(a.contiguous(), "fill", "", "a contiguous array");
            fill(a.cuda(), a.data(), byte, a.nbytes());
          },
          py::arg("byte"))
      .def("__len__", [](const DeviceArray& a) { return a.shape().at(0); })
      .def("__getitem__", &get_slice, py::arg("rows"))
      .def_property_readonly("shape", [](const DeviceArray& a) { return tuple_of(a.shape()); })
      .def_property_readonly("strides", [](const DeviceArray& a) { return tuple_of(a.strides()); })
      .def_property_readonly("ndim", &DeviceArray::ndim)
      .def_property_readonly("dtype", &DeviceArray::dtype)
      .def_property_readonly("nbytes", &DeviceArray::nbytes)
      .def_property_readonly(
          "pointer", [](const DeviceArray& a) { return reinterpret_cast<uintptr_t>(a.data()); })
      .def_property_readonly("stream", &DeviceArray::stream)
      .def_property_readonly("device", [](const DeviceArray& a) { return a.cuda().device; })
      .def_property_readonly("__cuda_array_interface__", &array_interface);
}

}  // namespace ally_fast
