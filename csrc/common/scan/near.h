// Each row's distance to the nearest of a table's points, as far as it undercuts what is known.
#pragma once
#include "certified.h"

namespace ally_fast {

// nearest[i - begin] = min(nearest[i - begin], min_c D(x_i, P_c)) by the exact rule, for visited rows [begin, end).
void lower_to_nearest(BlockScanner& scanner, int64_t begin, int64_t end, double* nearest);

}  // namespace ally_fast
