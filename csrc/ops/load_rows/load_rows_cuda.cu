#include "../../common/cuda/octet.h"
#include "../../common/cuda/scope.h"
#include "load_rows.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerBlock = kThreads / kOctet;

// Mapping: an octet a row, lane l writes features l, l + 8, …; 32 rows a block.
// Shared memory: none.
// Accumulator: float64, of the squared norm (normalize only).
// Order of sums: the exact rule's (octet.h).
template <DType kDType>
__global__ void load_rows_kernel(RowsView rows, const int64_t* out_positions, const double* shift,
                                 double scale, float* out, int* not_finite) {
  const int64_t i = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kOctet;
  if (i >= rows.visited) return;
  const ExactRow<kDType> row = exact_row<kDType>(rows, i);
  float* to = out + (out_positions ? out_positions[i] : i) * rows.d;
  bool finite = true;
  for (int64_t j = octet_lane(); j < rows.d; j += kOctet) {
    to[j] = static_cast<float>((row.feature(j) - (shift ? shift[j] : 0.0)) * scale);
    finite = finite && isfinite(to[j]);
  }
  if (!finite) atomicOr(not_finite, 1);
}

}  // namespace

void load_rows_cuda(const CudaStream& stream, const RowsView& rows, const int64_t* out_positions,
                    const double* shift, double scale, float* out, int* not_finite) {
  const OpScope scope("load_rows", stream);
  with_dtype(rows.dtype, [&](auto dtype) {
    scope.launch(load_rows_kernel<decltype(dtype)::value>,
                 {blocks_for(rows.visited, kRowsPerBlock), kThreads}, rows, out_positions, shift,
                 scale, out, not_finite);
  });
}

}  // namespace ally_fast
