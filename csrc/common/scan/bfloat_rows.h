// Rows for the kernels that multiply bfloat16. The two features of a word are a half of 32 apart
// (half_of), so that no shuffle is needed. Included after kernel_impl.h and simd_avx512.h, inside the
// anonymous namespace of each file that uses it.

constexpr __mmask16 kAllLanes = 0xffff;  // the plain intrinsics read an undefined register

inline __mmask16 lanes(int64_t count) {
  return count >= 16  ? kAllLanes
         : count <= 0 ? __mmask16{0}
                      : static_cast<__mmask16>((1u << count) - 1);
}

// Sixteen features from the address on, those of `some`; exact.
struct Float32Features {
  static constexpr int kBytes = 4;
  static __m512 load(const char* from, __mmask16 some) { return _mm512_maskz_loadu_ps(some, from); }
};

struct Float16Features {
  static constexpr int kBytes = 2;
  static __m512 load(const char* from, __mmask16 some) {
    return _mm512_maskz_cvtph_ps(some, _mm256_maskz_loadu_epi16(some, from));
  }
};

struct BFloat16Features {
  static constexpr int kBytes = 2;
  static __m512 widen(__m256i bits) {
    return _mm512_castsi512_ps(
        _mm512_maskz_slli_epi32(kAllLanes, _mm512_maskz_cvtepu16_epi32(kAllLanes, bits), 16));
  }
  static __m512 load(const char* from, __mmask16 some) {
    return widen(_mm256_maskz_loadu_epi16(some, from));
  }
};

// Sixteen floats rounded to bfloat16, to nearest, away from zero on a tie.
struct Rounded {
  __m512i bits;  // above the bits of the rounded, some that are not part of it
  __m512 value, rest;

  explicit Rounded(__m512 exact)
      : bits(_mm512_add_epi32(_mm512_castps_si512(exact), _mm512_set1_epi32(0x8000))),
        value(_mm512_castsi512_ps(
            _mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))),
        rest(_mm512_sub_ps(exact, value)) {}
};

__m512i words_of(const Rounded& low, const Rounded& high) {
  return _mm512_or_si512(_mm512_maskz_srli_epi32(kAllLanes, low.bits, 16),
                         _mm512_castps_si512(high.value));
}

// Sums of squares, in lanes.
struct Squares {
  __m512 norm, residual;
};

// Rounds features(j, some), sixteen features from j on, those of `some`. With kRest what that leaves,
// rounded, follows after all words.
template <bool kRest, class Features>
inline __attribute__((always_inline)) Squares round_row(int64_t d, const Features& features,
                                                        uint32_t* words) {
  Squares squares{_mm512_setzero_ps(), _mm512_setzero_ps()};
  const auto add = [&](__m512 exact, __m512 rest) __attribute__((always_inline)) {
    squares.norm = _mm512_fmadd_ps(exact, exact, squares.norm);
    squares.residual = _mm512_fmadd_ps(rest, rest, squares.residual);
  };
  uint32_t* const rest = words + round_up(d, 32) / 2;
  const auto round = [&](int64_t j, __m512 first, __m512 second) __attribute__((always_inline)) {
    const Rounded low(first), high(second);
    _mm512_storeu_si512(words + j / 2, words_of(low, high));
    add(first, low.rest);
    add(second, high.rest);
    if (kRest) {
      _mm512_storeu_si512(rest + j / 2, words_of(Rounded(low.rest), Rounded(high.rest)));
    }
  };
  int64_t j = 0;
  for (; j + 32 <= d; j += 32) round(j, features(j, kAllLanes), features(j + 16, kAllLanes));
  if (j < d) {
    const int64_t half = half_of(d, j);
    round(j, features(j, lanes(half)), features(j + half, lanes(d - j - half)));
  }
  return squares;
}

// Features as they lie, centred and scaled in float32: what load_centred makes of them.
template <bool kRest, class Features>
Squares round_features(const RowsView& rows, int64_t i, const PackedCentroids& table,
                       uint32_t* words) {
  const char* const row = rows.row(i);
  const __m512 scale = _mm512_set1_ps(static_cast<float>(table.scale));
  const auto features = [&](int64_t j, __mmask16 some) __attribute__((always_inline)) {
    const __m512 shift = _mm512_maskz_loadu_ps(some, table.shift + j);
    const __m512 x = Features::load(row + j * Features::kBytes, some);
    return _mm512_mul_ps(_mm512_sub_ps(x, shift), scale);
  };
  return round_row<kRest>(rows.d, features, words);
}

// The same of any row; `buffer` holds d floats.
template <bool kRest>
Squares round_any(const RowsView& rows, int64_t i, const PackedCentroids& table, float* buffer,
                  uint32_t* words) {
  load_centred(rows, i, table, buffer);
  const auto features = [&](int64_t j, __mmask16 some) __attribute__((always_inline)) {
    return _mm512_maskz_loadu_ps(some, buffer + j);
  };
  return round_row<kRest>(rows.d, features, words);
}

template <bool kRest>
Squares round_row(const RowsView& rows, int64_t i, const PackedCentroids& table, float* buffer,
                  uint32_t* words) {
  if (!rows.normalize && !table.wide_shift) {
    const int64_t stride = rows.col_stride;
    if (rows.dtype == DType::kFloat32 && stride == Float32Features::kBytes) {
      return round_features<kRest, Float32Features>(rows, i, table, words);
    }
    if (rows.dtype == DType::kFloat16 && stride == Float16Features::kBytes) {
      return round_features<kRest, Float16Features>(rows, i, table, words);
    }
    if (rows.dtype == DType::kBFloat16 && stride == BFloat16Features::kBytes) {
      return round_features<kRest, BFloat16Features>(rows, i, table, words);
    }
  }
  return round_any<kRest>(rows, i, table, buffer, words);
}

// Lane i: the root of the sum of values[i].
__m512 roots(const float (&values)[16][16]) {
  __m512 v[8], w[4], u[2];
  for (int i = 0; i < 8; ++i) {  // rows i and i + 8, a half each
    const __m512 a = _mm512_load_ps(values[i]), b = _mm512_load_ps(values[i + 8]);
    v[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, a, b),
                         _mm512_maskz_shuffle_f32x4(kAllLanes, a, b, 0x4e));
  }
  for (int i = 0; i < 4; ++i) {  // rows i, i + 8, i + 4, i + 12, a quarter each
    w[i] = _mm512_add_ps(_mm512_maskz_shuffle_f32x4(kAllLanes, v[i], v[i + 4], 0x88),
                         _mm512_maskz_shuffle_f32x4(kAllLanes, v[i], v[i + 4], 0xdd));
  }
  for (int i = 0; i < 2; ++i) {
    u[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, w[i], w[i + 2]),
                         _mm512_maskz_shuffle_ps(kAllLanes, w[i], w[i + 2], 0x4e));
  }
  const __m512 s = _mm512_maskz_unpacklo_ps(kAllLanes, u[0], u[1]);
  const __m512 t = _mm512_maskz_unpackhi_ps(kAllLanes, u[0], u[1]);
  const __m512 sums = _mm512_add_ps(_mm512_maskz_shuffle_ps(kAllLanes, s, t, 0x44),
                                    _mm512_maskz_shuffle_ps(kAllLanes, s, t, 0xee));
  return _mm512_maskz_sqrt_ps(kAllLanes, _mm512_maskz_shuffle_f32x4(kAllLanes, sums, sums, 0xd8));
}

// Sixteen words of a step, of the rows from `group` on, lie at Simd::place(steps, step, group). `fine` is
// null or gets of each row the rounded words, then what rounding left.
template <class Simd>
void pack_bfloat_rows(const RowsView& rows, int64_t first, int count, const PackedCentroids& table,
                      float* buffer, uint32_t* packed, uint32_t* fine, float* norm,
                      float* residual) {
  const int64_t width = round_up(rows.d, 32), half = width / 2, steps = steps_of<Simd>(rows.d);
  const int64_t stride = fine ? width : half;
  uint32_t* const aside = reinterpret_cast<uint32_t*>(buffer + width);
  alignas(64) float norms[16][16], residuals[16][16], tile[16][16];
  for (int group = 0; group < kBlock; group += 16) {
    uint32_t* const sixteen = fine ? fine + group * stride : aside;
    for (int r = 0; r < 16; ++r) {
      Squares squares{_mm512_setzero_ps(), _mm512_setzero_ps()};
      uint32_t* const to = sixteen + r * stride;
      if (group + r < count) {
        const auto round = fine ? round_row<true> : round_row<false>;
        squares = round(rows, first + group + r, table, buffer, to);
      } else {
        for (int64_t step = 0; step < stride; ++step) to[step] = 0;
      }
      Simd::store(norms[r], squares.norm);
      Simd::store(residuals[r], squares.residual);
    }
    Simd::store(norm + group, roots(norms));
    Simd::store(residual + group, roots(residuals));
    for (int64_t begin = 0; begin < half; begin += 16) {
      Simd::transpose16(reinterpret_cast<const float*>(sixteen) + begin, stride, &tile[0][0]);
      for (int j = 0; j < 16 && begin + j < steps; ++j) {
        __builtin_memcpy(packed + Simd::place(steps, begin + j, group), tile[j], 64);
      }
    }
  }
}
