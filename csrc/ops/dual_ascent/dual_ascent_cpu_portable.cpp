// The rows' kernel, compiled for any machine.
#include "ascend.h"
#include "elementary.h"
#include "row_kernel.h"

namespace ally_fast {
namespace {

#include "ascend_impl.h"
#include "row_losses_impl.h"

}  // namespace

extern const RowKernel kPortableRowKernel;
const RowKernel kPortableRowKernel = {row_losses, ascend_block};

}  // namespace ally_fast
