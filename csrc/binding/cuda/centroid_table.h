// Centroids packed on a device: `ally_fast._cuda.CentroidTable`.
#pragma once
#include "common/cuda/scan/table_handle.h"
#include "device_array.h"

namespace ally_fast {

// Immutable; keeps a copy of the centroids.
class CudaCentroidTable {
 public:
  explicit CudaCentroidTable(const DeviceArray& centroids);

  int64_t k() const { return centroids_.shape()[0]; }
  int64_t d() const { return centroids_.shape()[1]; }
  // For work queued on `stream`, which must be the table's own.
  const DeviceTable& on(const CudaStream& stream) const;

 private:
  DeviceArray centroids_;
  DeviceTablePtr table_;
};

}  // namespace ally_fast
