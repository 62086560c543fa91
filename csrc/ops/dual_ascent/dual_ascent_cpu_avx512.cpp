// The rows' losses, compiled for avx512.
#if ALLY_FAST_X86
#include "elementary.h"
#include "row_losses.h"

namespace ally_fast {
namespace {

#include "row_losses_impl.h"

}  // namespace

extern const RowLosses kAvx512RowLosses;
const RowLosses kAvx512RowLosses = row_losses;

}  // namespace ally_fast
#endif
