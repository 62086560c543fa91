// The rows' losses, compiled for avx2.
#if ALLY_FAST_X86
#include "elementary.h"
#include "row_losses.h"

namespace ally_fast {
namespace {

#include "row_losses_impl.h"

}  // namespace

extern const RowLosses kAvx2RowLosses;
const RowLosses kAvx2RowLosses = row_losses;

}  // namespace ally_fast
#endif
