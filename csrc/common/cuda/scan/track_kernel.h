// Which kernel tracks the rows. All give the same answers.
#pragma once

namespace ally_fast {

enum class TrackKernel {
  kPortable,  // mma.sync: any device
  kSm90a,     // TMA and wgmma: compute capability 9.0 exactly, where the build has it
};

}  // namespace ally_fast
