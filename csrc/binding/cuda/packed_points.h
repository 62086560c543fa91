// Points packed on a device: `ally_fast._cuda.PackedPoints`.
#pragma once
#include "binding/cuda/device_array.h"
#include "common/cuda/scan/table_handle.h"

namespace ally_fast {

// Immutable; keeps a copy of the points.
class CudaPackedPoints {
 public:
  explicit CudaPackedPoints(const DeviceArray& points);

  int64_t k() const { return points_.shape(0); }
  int64_t d() const { return points_.shape(1); }
  // For work queued on `stream`, which must be the table's own.
  const DeviceTable& on(const CudaStream& stream) const;

 private:
  DeviceArray points_;
  DeviceTablePtr table_;
};

}  // namespace ally_fast
