// The first thing a step does on the CPU: it fetches the multipliers of its rows, and checks what it
// reads on the way.
#pragma once
#include "dual_ascent.h"

namespace ally_fast {

// Fewer rows with multipliers anywhere are not worth a thread: they take cache lines from one another.
constexpr int64_t kMultipliersATask = 1 << 17;

// before = multipliers[ids], (m,). False if an id lies outside [0, n) or comes twice, a multiplier is
// negative or not finite, or an epsilon is not finite: which, and in what row, is then for the caller
// to find. O(m) time where n is in O(m), O(m log m) beyond, and at most 64 bytes a row.
bool fetch_multipliers(const DualVariablesView& duals, int64_t m, int threads, float* before);

}  // namespace ally_fast
