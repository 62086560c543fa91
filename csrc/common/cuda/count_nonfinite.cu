#include <algorithm>

#include "atomic.h"
#include "element.h"
#include "scope.h"
#include "count_nonfinite.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;

// Mapping: a thread a value, warps in strides over the values.
// Shared memory: none.
// Accumulator: integers. Order of sums: any.
template <DType kDType>
__global__ void count_nonfinite_kernel(const char* values, int64_t count, int64_t first,
                                       int64_t* found) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int64_t of_warp = int64_t{blockIdx.x} * kThreads + threadIdx.x - lane;
  for (int64_t begin = of_warp; begin < count; begin += stride) {
    const int64_t i = begin + lane;
    const bool bad =
        i < count && !isfinite(Element<kDType>::load(values + i * Element<kDType>::kBytes));
    const unsigned all_bad = __ballot_sync(~0u, bad);
    if (all_bad && lane == 0) {
      atomic_add(found, __popc(all_bad));
      atomic_min(found + 1, first + begin + __ffs(static_cast<int>(all_bad)) - 1);
    }
  }
}

}  // namespace

void count_nonfinite_cuda(const CudaStream& stream, const void* values, DType dtype, int64_t count,
                          int64_t first, int64_t* found) {
  const OpScope scope("count_nonfinite", stream);
  const int64_t blocks =
      std::min(blocks_for(count, kThreads), int64_t{32} * scope.multiprocessors());
  with_dtype(dtype, [&](auto constant) {
    scope.launch(count_nonfinite_kernel<decltype(constant)::value>, {blocks, kThreads},
                 static_cast<const char*>(values), count, first, found);
  });
}

}  // namespace ally_fast
