// What happens to one row's multiplier, the same bits on host and device. Static: the kernels' files
// must not leave copies of their own code.
#pragma once
#include "../../common/host_device.h"

namespace ally_fast {

ALLY_FAST_HOST_DEVICE static inline bool is_finite(float x) { return x - x == 0; }

ALLY_FAST_HOST_DEVICE static inline float slack_of(float dual_loss, float epsilon) {
  return static_cast<float>(static_cast<double>(dual_loss) - static_cast<double>(epsilon));
}

// max(0, before + lr slack); false if that, the loss or the slack is not finite. Without branches, so
// that compilers make vectors of it.
ALLY_FAST_HOST_DEVICE static inline bool ascend(float loss, float slack, float before, double lr,
                                                float* multiplier) {
  const float moved =
      static_cast<float>(static_cast<double>(before) + lr * static_cast<double>(slack));
  *multiplier = moved > 0 ? moved : 0.0f;
  return (loss - loss) + (slack - slack) + (*multiplier - *multiplier) == 0;
}

// A row's part of the Lagrangian.
ALLY_FAST_HOST_DEVICE static inline double term_of(float loss, float slack, float before) {
  return static_cast<double>(loss) + static_cast<double>(before) * static_cast<double>(slack);
}

// What a row's gradient is multiplied with, apart from that of its loss.
ALLY_FAST_HOST_DEVICE static inline double coefficient_of(float before, double mean_scale) {
  return mean_scale * (1 + static_cast<double>(before));
}

}  // namespace ally_fast
