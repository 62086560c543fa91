// The rows' kernel, compiled for avx512.
#if ALLY_FAST_X86
#include "ascend.h"
#include "elementary.h"
#include "row_kernel.h"

namespace ally_fast {
namespace {

#include "ascend_impl.h"
#include "row_losses_impl.h"

}  // namespace

extern const RowKernel kAvx512RowKernel;
const RowKernel kAvx512RowKernel = {row_losses, ascend_block};

}  // namespace ally_fast
#endif
