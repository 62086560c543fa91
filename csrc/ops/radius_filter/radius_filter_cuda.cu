#include <algorithm>
#include <cmath>
#include <limits>

#include "../../common/cuda/scan/near.h"
#include "../../common/cuda/scan/pack_rows.h"
#include "radius_filter.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kSpanRows = 1 << 23;  // bounds the distances kept

// Mapping: a thread a row.
// Shared memory: none.
// Accumulator: none.
// Order of sums: none.
__global__ void fill_kernel(double* values, int64_t count, double value) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) values[i] = value;
}

// As fill_kernel.
__global__ void compare_kernel(const double* nearest, int64_t count, double square,
                               uint8_t* within) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) within[i] = nearest[i] <= square;
}

}  // namespace

void radius_filter_cuda(const CudaStream& stream, const RowsView& rows, const DeviceTable& table,
                        double radius, uint8_t* within) {
  const OpScope scope("radius_filter", stream);
  const double square = radius * radius;
  const double above = std::nextafter(square, std::numeric_limits<double>::infinity());
  const Buffer<double> nearest(scope, std::min(rows.visited, kSpanRows));
  for (int64_t first = 0; first < rows.visited; first += kSpanRows) {
    const int64_t count = std::min(rows.visited - first, kSpanRows);
    const Shape shape{blocks_for(count, kThreads), kThreads};
    scope.launch(fill_kernel, shape, nearest.data(), count, above);
    lower_to_nearest(scope, slice_rows(rows, first, count), table, nearest.data());
    scope.launch(compare_kernel, shape, nearest.data(), count, square, within + first);
  }
}

}  // namespace ally_fast
