#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "common/cuda/upload_ring.h"

namespace ally_fast {
namespace {

// The ring with what keeps its stream alive.
struct Ring {
  Ring(StreamPtr compute, int64_t slot_bytes, int slots)
      : stream(std::move(compute)),
        ring(std::make_unique<UploadRing>(stream->get(), slot_bytes, slots)) {}
  ~Ring() {
    const GilReleased released;
    ring.reset();
  }
  StreamPtr stream;
  std::unique_ptr<UploadRing> ring;
};

std::unique_ptr<Ring> make_ring(const StreamPtr& stream, int64_t slot_bytes, int slots) {
  REQUIRE(slot_bytes > 0 && slots >= 2, "slots", text(slots, " of ", slot_bytes, " bytes"),
          "at least two, of at least one byte");
  const py::gil_scoped_release released;
  return std::make_unique<Ring>(stream, slot_bytes, slots);
}

DeviceArray upload(const py::object& self, const py::array& array, int threads) {
  Ring& ring = self.cast<Ring&>();
  REQUIRE(array.ndim() == 1 || array.ndim() == 2, "array", shape_of(array),
          "one or two dimensions");
  check_threads(threads);
  const bool matrix = array.ndim() == 2;
  const int64_t rows = array.shape(0), columns = matrix ? array.shape(1) : 1;
  const int64_t item_bytes = array.itemsize();
  const int64_t bytes = rows * columns * item_bytes, most = ring.ring->slot_bytes();
  REQUIRE(bytes <= most, "array", text(bytes, " bytes"), "fewer: a slot holds ", most);
  const int64_t row_stride = array.strides(0),
                column_stride = matrix ? array.strides(1) : item_bytes;
  const char* data = static_cast<const char*>(array.data());
  const void* uploaded = nullptr;
  {
    const py::gil_scoped_release released;
    uploaded =
        ring.ring->upload(data, rows, columns, item_bytes, row_stride, column_stride, threads);
  }
  return DeviceArray(const_cast<void*>(uploaded), extents(array), {}, array.dtype(), ring.stream,
                     self);
}

}  // namespace

void register_upload(py::module_& module) {
  py::class_<Ring>(module, "UploadRing")
      .def(py::init(&make_ring), py::arg("stream"), py::arg("slot_bytes"), py::arg("slots"))
      .def("upload", &upload, py::arg("array"), py::arg("threads") = 1);
}

}  // namespace ally_fast
