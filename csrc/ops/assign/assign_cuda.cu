#include "../../common/cuda/scan/certified_scan.h"
#include "../../common/cuda/scan/pack_row.h"
#include "assign.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256, kRowsPerBlock = kThreads / kOctet;

// Mapping: an octet a row.
// Shared memory: none.
// Accumulator: float64.
// Order of sums: the exact rule's (octet.h).
template <DType kDType>
__global__ void squared_distances_kernel(RowsView rows, TableView table, const int32_t* assignments,
                                         double* out) {
  const int64_t i = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kOctet;
  if (i >= rows.visited) return;
  const double distance = distance_to(exact_row<kDType>(rows, i), table, assignments[i]);
  if (octet_lane() == 0) out[i] = distance;
}

}  // namespace

void assign_cuda(const CudaStream& stream, const RowsView& rows, const DeviceTable& table,
                 const uint8_t* mask, bool certify, TrackKernel kernel, int32_t* out,
                 int64_t* stats) {
  const OpScope scope("assign", stream);
  ScanRequest request;
  request.mask = mask;
  request.out = out;
  request.stats = stats;
  request.certify = certify;
  request.kernel = kernel;
  scan_rows(scope, rows, table, request);
}

void squared_distances_cuda(const CudaStream& stream, const RowsView& rows,
                            const DeviceTable& table, const int32_t* assignments, double* out) {
  const OpScope scope("squared_distances", stream);
  with_dtype(rows.dtype, [&](auto dtype) {
    scope.launch(squared_distances_kernel<decltype(dtype)::value>,
                 {blocks_for(rows.visited, kRowsPerBlock), kThreads}, rows, table.view(),
                 assignments, out);
  });
}

}  // namespace ally_fast
