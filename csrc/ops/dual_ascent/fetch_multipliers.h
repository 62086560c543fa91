// The first thing a step does on the CPU: it fetches the multipliers of its rows, and checks what it
// reads on the way.
#pragma once
#include "dual_ascent.h"

namespace ally_fast {

// before = multipliers[ids], (m,). False if a precondition of the view does not hold (ids outside
// [0, n) or repeated, a multiplier that is negative or not finite, an epsilon that is not finite):
// which, and in what row, is then for the caller to find. O(m) time where n is in O(m), O(m log m)
// beyond, and at most 64 bytes a row.
bool fetch_multipliers(const DualVariablesView& duals, int64_t m, int threads, float* before);

}  // namespace ally_fast
