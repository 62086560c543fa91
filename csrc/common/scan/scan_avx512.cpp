// AVX-512 in float32.
#include <immintrin.h>

#include "kernel.h"

namespace ally_fast {
namespace {

#include "kernel_impl.h"
#include "simd_avx512.h"

}  // namespace

extern const Kernel kAvx512Kernel;
constexpr Kernel kAvx512Kernel = make_kernel<Avx512>("avx512");

}  // namespace ally_fast
