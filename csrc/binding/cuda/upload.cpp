#include "upload.h"

#include <optional>

#include "arguments.h"
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
  require(slot_bytes > 0 && slots >= 2, "slots: needs at least two, of at least one byte");
  const py::gil_scoped_release released;
  return std::make_unique<Ring>(stream, slot_bytes, slots);
}

DeviceArray upload(const py::object& self, const py::array& array, int threads) {
  Ring& ring = self.cast<Ring&>();
  require(array.ndim() == 1 || array.ndim() == 2, "array: needs one or two dimensions");
  require(threads >= 1, "threads: needs at least 1");
  const bool matrix = array.ndim() == 2;
  const int64_t rows = array.shape(0), columns = matrix ? array.shape(1) : 1;
  const int64_t item_bytes = array.itemsize();
  require(rows * columns * item_bytes <= ring.ring->slot_bytes(),
          "array: got " + std::to_string(rows * columns * item_bytes) + " bytes, a slot holds " +
              std::to_string(ring.ring->slot_bytes()));
  const int64_t row_stride = array.strides(0),
                column_stride = matrix ? array.strides(1) : item_bytes;
  const char* data = static_cast<const char*>(array.data());
  const void* uploaded = nullptr;
  {
    const py::gil_scoped_release released;
    uploaded =
        ring.ring->upload(data, rows, columns, item_bytes, row_stride, column_stride, threads);
  }
  std::vector<int64_t> shape(array.shape(), array.shape() + array.ndim());
  return DeviceArray(const_cast<void*>(uploaded), shape, {}, array.dtype(), ring.stream, self);
}

}  // namespace

void register_upload(py::module_& module) {
  py::class_<Ring>(module, "UploadRing")
      .def(py::init(&make_ring), py::arg("stream"), py::arg("slot_bytes"), py::arg("slots"))
      .def("upload", &upload, py::arg("array"), py::arg("threads") = 1);
}

}  // namespace ally_fast
