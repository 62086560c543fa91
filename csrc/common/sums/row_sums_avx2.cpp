// The sums of a row, compiled for avx2.
#if ALLY_FAST_X86
#include "row_sums.h"

namespace ally_fast {
namespace {

#include "row_sums_impl.h"

}  // namespace

extern const RowSums kAvx2RowSums;
const RowSums kAvx2RowSums = {extremes, add, distance, lean};

}  // namespace ally_fast
#endif
