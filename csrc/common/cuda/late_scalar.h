// A number that a device has yet to compute, read without waiting for what was queued after it.
#pragma once
#include "memory.h"

namespace ally_fast {

class LateScalar {
 public:
  // value: (1,) float64 in device memory, written by work queued on `stream` already.
  LateScalar(const CudaStream& stream, const double* value);
  ~LateScalar();
  LateScalar(const LateScalar&) = delete;
  LateScalar& operator=(const LateScalar&) = delete;

  // Waits for the copy that the constructor queued.
  double read() const;

 private:
  double* pinned_;
  Event copied_;
};

}  // namespace ally_fast
