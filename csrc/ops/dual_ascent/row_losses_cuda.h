// The part of a step that visits the outputs, on the GPU: losses, multipliers and gradients of rows.
#pragma once
#include "../../common/cuda/scope.h"
#include "dual_ascent.h"

namespace ally_fast {

struct RowsTask {
  Predictions predictions;
  DualVariablesView duals;
  StepArrays step;
  double mean_scale;  // gradient_scale / m
  // Forward: losses, ascent, and the gradient if there is a place for it; nothing at all unless
  // *error is kNoError. Otherwise the gradient alone, from what the forward pass left in `step`.
  bool forward;
  const unsigned long long* error;
};

constexpr unsigned long long kNoError = ~0ull;

void launch_rows(const OpScope& scope, const RowsTask& task);

}  // namespace ally_fast
