// In place of scan_sm90a.cu where the build leaves out sm_90a.
#ifdef ALLY_FAST_NO_SM90A
#include "scan_sm90a.h"

namespace ally_fast {

void scan_sm90a(const CudaStream&, const ScanOperands&, float*, float*, int32_t*) {
  throw CudaError("kernel \"sm90a\": this build of ally_fast has none; build it for 90a");
}

}  // namespace ally_fast
#endif
