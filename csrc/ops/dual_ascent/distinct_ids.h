// Whether the ids of a minibatch are samples of the set, each once.
#pragma once
#include "dual_ascent.h"

namespace ally_fast {

// Fewer rows with multipliers anywhere are not worth a thread: they take cache lines from one another.
constexpr int64_t kMultipliersATask = 1 << 17;

// O(m) time where n is in O(m), O(m log m) beyond, and at most 64 bytes a row.
bool distinct_ids(const DualVariablesView& duals, int64_t m, int threads);

}  // namespace ally_fast
