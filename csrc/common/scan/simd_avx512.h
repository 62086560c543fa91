// AVX-512: sixteen float32 lanes. Included inside the anonymous namespace of each file that uses it.

struct Avx512 {
  static constexpr int kWidth = 16, kVectors = 4, kCentroids = 6;
  static constexpr int kLaneFeatures = 1, kStepMultiple = 1;
  using Float = __m512;
  using Int = __m512i;
  using Word = __m512;

  static Float broadcast(float value) { return _mm512_set1_ps(value); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float value) { _mm512_storeu_ps(to, value); }
  static Int load_int(const int32_t* from) { return _mm512_loadu_si512(from); }
  static void store_int(int32_t* to, Int value) { _mm512_storeu_si512(to, value); }
  static Word load_words(const uint32_t* from) {
    return _mm512_castsi512_ps(_mm512_loadu_si512(from));
  }
  static Word broadcast_word(const uint32_t* from) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(*from)));
  }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float subtract_product(Float a, Float b, Float c) { return _mm512_fnmadd_ps(b, c, a); }
  static Float multiply_add(Float a, Word b, Word c) { return _mm512_fmadd_ps(b, c, a); }
  static __mmask16 less(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  // The plain intrinsics read an undefined register, which GCC 12 warns of.
  static Float min(Float a, Float b) { return _mm512_maskz_min_ps(0xffff, a, b); }
  static Float max(Float a, Float b) { return _mm512_maskz_max_ps(0xffff, a, b); }
  static Int select(__mmask16 mask, int32_t yes, Int no) {
    return _mm512_mask_mov_epi32(no, mask, _mm512_set1_epi32(yes));
  }
  static uint32_t not_greater_bits(Float scores, Float limit) {
    return _mm512_cmp_ps_mask(scores, limit, _CMP_NGT_UQ);
  }
  static void transpose16(const float* from, int64_t stride, float* tile) {
    transpose([=](int i)
                  __attribute__((always_inline)) { return _mm512_loadu_ps(from + i * stride); },
              tile);
  }
  // tile[j][i] = element j of row(i).
  template <class Row>
  __attribute__((always_inline)) static void transpose(const Row& row, float* tile) {
    constexpr __mmask16 all = 0xffff;
    __m512 r[16], s[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = row(i);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      s[i] = _mm512_maskz_unpacklo_ps(all, r[i], r[i + 1]);
      s[i + 1] = _mm512_maskz_unpackhi_ps(all, r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      r[i] = _mm512_maskz_shuffle_ps(all, s[i], s[i + 2], 0x44);
      r[i + 1] = _mm512_maskz_shuffle_ps(all, s[i], s[i + 2], 0xee);
      r[i + 2] = _mm512_maskz_shuffle_ps(all, s[i + 1], s[i + 3], 0x44);
      r[i + 3] = _mm512_maskz_shuffle_ps(all, s[i + 1], s[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      s[i] = _mm512_maskz_shuffle_f32x4(all, r[i], r[i + 4], 0x88);
      s[i + 4] = _mm512_maskz_shuffle_f32x4(all, r[i], r[i + 4], 0xdd);
      s[i + 8] = _mm512_maskz_shuffle_f32x4(all, r[i + 8], r[i + 12], 0x88);
      s[i + 12] = _mm512_maskz_shuffle_f32x4(all, r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      _mm512_storeu_ps(tile + i * 16, _mm512_maskz_shuffle_f32x4(all, s[i], s[i + 8], 0x88));
      _mm512_storeu_ps(tile + (i + 8) * 16, _mm512_maskz_shuffle_f32x4(all, s[i], s[i + 8], 0xdd));
    }
  }
  static double squared_distance(const double* row, const double* centroid, int64_t padded) {
    __m512d sum = _mm512_setzero_pd();
    for (int64_t j = 0; j < padded; j += 8) {
      const __m512d t = _mm512_sub_pd(_mm512_loadu_pd(row + j), _mm512_loadu_pd(centroid + j));
      sum = _mm512_add_pd(sum, _mm512_mul_pd(t, t));
    }
    double a[8];
    _mm512_storeu_pd(a, sum);
    return combine(a);
  }
};
