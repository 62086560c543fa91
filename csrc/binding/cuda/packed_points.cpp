#include "binding/cuda/packed_points.h"

#include "binding/checks.h"
#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "common/cuda/memory.h"

namespace ally_fast {
namespace {

DeviceArray checked_copy(const DeviceArray& points) {
  check_points(points);
  DeviceArray copy(points.shape(), points.dtype(), points.stream());
  copy_on_device(copy.cuda(), copy.data(), points.data(), copy.nbytes());
  return copy;
}

}  // namespace

CudaPackedPoints::CudaPackedPoints(const DeviceArray& points) : points_(checked_copy(points)) {
  const bool single = points_.itemsize() == 4;
  const py::gil_scoped_release released;
  table_ = single ? make_device_table(points_.cuda(), points_.as<float>(), k(), d())
                  : make_device_table(points_.cuda(), points_.as<double>(), k(), d());
}

const DeviceTable& CudaPackedPoints::on(const CudaStream& stream) const {
  const CudaStream& own = points_.cuda();
  if (own.device != stream.device || own.handle != stream.handle) {
    throw py::value_error("table: of another stream than the rows");
  }
  return *table_;
}

void register_packed_points(py::module_& module) {
  py::class_<CudaPackedPoints>(module, "PackedPoints")
      .def(py::init<const DeviceArray&>(), py::arg("points"))
      .def_property_readonly("k", &CudaPackedPoints::k)
      .def_property_readonly("d", &CudaPackedPoints::d);
}

}  // namespace ally_fast
