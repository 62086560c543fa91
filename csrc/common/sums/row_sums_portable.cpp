// The sums of a row, compiled for any machine.
#include "row_sums.h"

namespace ally_fast {
namespace {

#include "row_sums_impl.h"

}  // namespace

extern const RowSums kPortableRowSums;
const RowSums kPortableRowSums = {extremes, add, distance, lean};

}  // namespace ally_fast
