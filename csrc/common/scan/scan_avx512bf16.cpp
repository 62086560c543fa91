// AVX-512 with bfloat16 dot products (Zen 4, Cooper Lake and later): two features a lane.
#include <immintrin.h>

#include "kernel.h"

namespace ally_fast {
namespace {

#include "kernel_impl.h"
#include "simd_avx512.h"

#include "bfloat_rows.h"

struct Avx512Bf16 : Avx512 {
  static constexpr int kLaneFeatures = 2;
  using Word = __m512bh;

  static int64_t place(int64_t, int64_t step, int group) { return step * kBlock + group; }
  static Word load_words(const uint32_t* from) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
  }
  static Word broadcast_word(const uint32_t* from) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(*from)));
  }
  static Float multiply_add(Float a, Word b, Word c) { return _mm512_dpbf16_ps(a, b, c); }
};

constexpr Kernel make_bfloat_kernel() {
  Kernel kernel = make_kernel<Avx512Bf16, Avx512>("avx512bf16");
  kernel.pack_rows = pack_bfloat_rows<Avx512Bf16>;
  return kernel;
}

}  // namespace

extern const Kernel kAvx512Bf16Kernel;
constexpr Kernel kAvx512Bf16Kernel = make_bfloat_kernel();

}  // namespace ally_fast
