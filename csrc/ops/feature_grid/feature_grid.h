// The grid on which rows are summed as integers; see common/sums/grid.h.
//
// rows  IN   (t, d) float32, contiguous, finite, t >= 1
// grid  OUT  (2 d + 1,) float64: shift, scale, distance_scale
// W is summed in the order of the exact rule. The answer depends on each feature's minimum and maximum,
// and on t, alone.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/kernel.h"

namespace ally_fast {

void feature_grid_cpu(const float* rows, int64_t t, int64_t d, const Kernel& kernel, int threads,
                      double* grid);

void feature_grid_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d,
                       double* grid);

}  // namespace ally_fast
