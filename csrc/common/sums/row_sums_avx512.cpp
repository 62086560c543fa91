// The sums of a row, compiled for avx512.
#if ALLY_FAST_X86
#include "row_sums.h"

namespace ally_fast {
namespace {

#include "row_sums_impl.h"

}  // namespace

extern const RowSums kAvx512RowSums;
const RowSums kAvx512RowSums = {extremes, add, distance, lean};

}  // namespace ally_fast
#endif
