// The scan on a GPU as callers that are not CUDA files know it.
#pragma once
#include <cstdint>
#include <memory>

#include "../stream.h"

namespace ally_fast {

class DeviceTable;
using DeviceTablePtr = std::shared_ptr<const DeviceTable>;

// centroids (k, d), contiguous, finite, in device memory; kept as they are while the table lives. The
// table belongs to the stream: it is made and freed in its order.
DeviceTablePtr make_device_table(const CudaStream& stream, const float* centroids, int64_t k,
                                 int64_t d);
DeviceTablePtr make_device_table(const CudaStream& stream, const double* centroids, int64_t k,
                                 int64_t d);

}  // namespace ally_fast
