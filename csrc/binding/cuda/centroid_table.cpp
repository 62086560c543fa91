#include "centroid_table.h"

#include "arguments.h"
#include "common/cuda/memory.h"
#include "common/scan/certified.h"
#include "ops.h"

namespace ally_fast {
namespace {

DeviceArray checked_copy(const DeviceArray& centroids) {
  const std::string dtype = py::str(centroids.dtype()).cast<std::string>();
  if ((dtype != "float32" && dtype != "float64") || centroids.shape().size() != 2 ||
      !centroids.contiguous()) {
    throw py::type_error("centroids: got " + describe(centroids) +
                         ", needs a contiguous 2-D array of float32 or float64");
  }
  const int64_t k = centroids.shape()[0], d = centroids.shape()[1];
  require(k >= 1 && k <= INT32_MAX, "centroids: got " + describe(centroids) + ", needs k >= 1");
  require(d >= 1 && d <= kLargestD, "centroids: got " + describe(centroids) + ", needs d in [1, " +
                                        std::to_string(kLargestD) + "]");
  DeviceArray copy(centroids.shape(), centroids.dtype(), centroids.stream());
  copy_on_device(copy.cuda(), copy.data(), centroids.data(), copy.nbytes());
  return copy;
}

}  // namespace

CudaCentroidTable::CudaCentroidTable(const DeviceArray& centroids)
    : centroids_(checked_copy(centroids)) {
  const bool single = centroids_.dtype().itemsize() == 4;
  const py::gil_scoped_release released;
  table_ = single ? make_device_table(centroids_.cuda(), centroids_.as<float>(), k(), d())
                  : make_device_table(centroids_.cuda(), centroids_.as<double>(), k(), d());
}

const DeviceTable& CudaCentroidTable::on(const CudaStream& stream) const {
  const CudaStream& own = centroids_.cuda();
  require(own.device == stream.device && own.handle == stream.handle,
          "table: of another stream than the rows");
  return *table_;
}

void register_centroid_table(py::module_& module) {
  py::class_<CudaCentroidTable>(module, "CentroidTable")
      .def(py::init<const DeviceArray&>(), py::arg("centroids"))
      .def_property_readonly("k", &CudaCentroidTable::k)
      .def_property_readonly("d", &CudaCentroidTable::d);
}

}  // namespace ally_fast
