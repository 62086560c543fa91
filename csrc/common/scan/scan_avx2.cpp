// AVX2 with FMA: eight float32 lanes.
#include <immintrin.h>

#include "kernel.h"

namespace ally_fast {
namespace {

#include "kernel_impl.h"

struct Avx2 {
  static constexpr int kWidth = 8, kVectors = 2, kCentroids = 6;
  static constexpr int kLaneFeatures = 1, kStepMultiple = 1;
  using Float = __m256;
  using Int = __m256i;
  using Word = __m256;

  static Float broadcast(float value) { return _mm256_set1_ps(value); }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Float value) { _mm256_storeu_ps(to, value); }
  static Int load_int(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store_int(int32_t* to, Int value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
  }
  static Word load_words(const uint32_t* from) {
    return _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Word broadcast_word(const uint32_t* from) {
    return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(*from)));
  }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float subtract_product(Float a, Float b, Float c) { return _mm256_fnmadd_ps(b, c, a); }
  static Float multiply_add(Float a, Word b, Word c) { return _mm256_fmadd_ps(b, c, a); }
  static Float less(Float a, Float b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Int select(Float mask, int32_t yes, Int no) {
    return _mm256_blendv_epi8(no, _mm256_set1_epi32(yes), _mm256_castps_si256(mask));
  }
  static uint32_t not_greater_bits(Float scores, Float limit) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(scores, limit, _CMP_NGT_UQ)));
  }
  static void transpose8(const float* from, int64_t stride, float* to) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * stride);
    for (int i = 0; i < 8; i += 2) {
      s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_ps(to + i * 16, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
      _mm256_storeu_ps(to + (i + 4) * 16, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
  }
  static void transpose16(const float* from, int64_t stride, float* tile) {
    for (int r = 0; r < 16; r += 8) {
      for (int j = 0; j < 16; j += 8) transpose8(from + r * stride + j, stride, tile + j * 16 + r);
    }
  }
  static double squared_distance(const double* row, const double* centroid, int64_t padded) {
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    for (int64_t j = 0; j < padded; j += 8) {
      const __m256d s = _mm256_sub_pd(_mm256_loadu_pd(row + j), _mm256_loadu_pd(centroid + j));
      const __m256d t =
          _mm256_sub_pd(_mm256_loadu_pd(row + j + 4), _mm256_loadu_pd(centroid + j + 4));
      low = _mm256_add_pd(low, _mm256_mul_pd(s, s));
      high = _mm256_add_pd(high, _mm256_mul_pd(t, t));
    }
    double a[8];
    _mm256_storeu_pd(a, low);
    _mm256_storeu_pd(a + 4, high);
    return combine(a);
  }
};

}  // namespace

extern const Kernel kAvx2Kernel;
constexpr Kernel kAvx2Kernel = make_kernel<Avx2>("avx2");

}  // namespace ally_fast
