// In place of track_sm90a.cu where the build leaves sm_90a out.
#ifdef ALLY_FAST_NO_SM90A
#include <string>

#include "scan_sm90a.h"
#include "track.h"

namespace ally_fast {
namespace {

[[noreturn]] void fail(const char* op) {
  throw CudaError(std::string(op) +
                  ": kernel \"sm90a\" is not in this build; build it with 90a among "
                  "ALLY_FAST_CUDA_ARCHS");
}

}  // namespace

void scan_sm90a(const CudaStream&, const ScanOperands&, float*, float*, int32_t*) { fail("scan"); }

void track_sm90a(const OpScope& scope, const PackedRows&, const TableView&, const TrackTarget&) {
  fail(scope.op());
}

void track_in_place(const OpScope& scope, const RowsView&, const uint8_t*, const TableView&,
                    const TrackTarget&) {
  fail(scope.op());
}

}  // namespace ally_fast
#endif
