// The rows' losses, compiled for any machine.
#include "elementary.h"
#include "row_losses.h"

namespace ally_fast {
namespace {

#include "row_losses_impl.h"

}  // namespace

extern const RowLosses kPortableRowLosses;
const RowLosses kPortableRowLosses = row_losses;

}  // namespace ally_fast
