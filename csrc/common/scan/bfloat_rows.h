// Rows for the kernels that multiply bfloat16: a word holds two neighbouring features. Included after
// kernel_impl.h and simd_avx512.h, inside the anonymous namespace of each file that uses it.

constexpr __mmask16 kAllLanes = 0xffff;  // the plain intrinsics read an undefined register

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

// Sums of squares, in lanes.
struct Squares {
  __m512 norm, residual;
};

// Rounds sixteen(j), features j to j + 15, to nearest, ties to even (subnormals to zero).
template <class Sixteen>
inline __attribute__((always_inline)) Squares round_row(int64_t width, const Sixteen& sixteen,
                                                        uint32_t* words) {
  Squares squares{_mm512_setzero_ps(), _mm512_setzero_ps()};
  const auto add = [&](__m512 exact, __m256i rounded) __attribute__((always_inline)) {
    const __m512 error = _mm512_sub_ps(exact, BFloat16Features::widen(rounded));
    squares.norm = _mm512_fmadd_ps(exact, exact, squares.norm);
    squares.residual = _mm512_fmadd_ps(error, error, squares.residual);
  };
  for (int64_t j = 0; j < width; j += 32) {
    const __m512 low = sixteen(j), high = sixteen(j + 16);
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    _mm512_storeu_si512(words + j / 2, both);
    add(low, _mm512_maskz_extracti64x4_epi64(0xf, both, 0));
    add(high, _mm512_maskz_extracti64x4_epi64(0xf, both, 1));
  }
  return squares;
}

// Features as they lie, centred and scaled in float32: what load_centred makes of them.
template <class Features>
Squares round_features(const RowsView& rows, int64_t i, const PackedCentroids& table, int64_t width,
                       uint32_t* words) {
  const char* const row = rows.row(i);
  const __m512 scale = _mm512_set1_ps(static_cast<float>(table.scale));
  const auto sixteen = [&](int64_t j) __attribute__((always_inline)) {
    const int64_t left = rows.d - j;
    const auto some = left >= 16  ? kAllLanes
                      : left <= 0 ? __mmask16{0}
                                  : static_cast<__mmask16>((1u << left) - 1);
    const __m512 shift = _mm512_maskz_loadu_ps(some, table.shift + j);
    const __m512 x = Features::load(row + j * Features::kBytes, some);
    return _mm512_mul_ps(_mm512_sub_ps(x, shift), scale);
  };
  return round_row(width, sixteen, words);
}

// The same of any row; `buffer` holds `width` floats.
Squares round_any(const RowsView& rows, int64_t i, const PackedCentroids& table, int64_t width,
                  float* buffer, uint32_t* words) {
  load_centred(rows, i, table, buffer);
  for (int64_t j = rows.d; j < width; ++j) buffer[j] = 0;
  return round_row(
      width, [&](int64_t j) __attribute__((always_inline)) { return _mm512_loadu_ps(buffer + j); },
      words);
}

Squares round_row(const RowsView& rows, int64_t i, const PackedCentroids& table, int64_t width,
                  float* buffer, uint32_t* words) {
  if (!rows.normalize && !table.wide_shift) {
    const int64_t stride = rows.col_stride;
    if (rows.dtype == DType::kFloat32 && stride == Float32Features::kBytes) {
      return round_features<Float32Features>(rows, i, table, width, words);
    }
    if (rows.dtype == DType::kFloat16 && stride == Float16Features::kBytes) {
      return round_features<Float16Features>(rows, i, table, width, words);
    }
    if (rows.dtype == DType::kBFloat16 && stride == BFloat16Features::kBytes) {
      return round_features<BFloat16Features>(rows, i, table, width, words);
    }
  }
  return round_any(rows, i, table, width, buffer, words);
}

// Roots of the sums of sixteen rows.
template <class Simd>
void write_norms(const float* lanes, float* to) {
  alignas(64) float tile[16][16];
  Simd::transpose16(lanes, 16, &tile[0][0]);
  __m512 sum = _mm512_setzero_ps();
  for (int i = 0; i < 16; ++i) sum = _mm512_add_ps(sum, Simd::load(tile[i]));
  Simd::store(to, _mm512_maskz_sqrt_ps(kAllLanes, sum));
}

// Sixteen words of a step, of the rows from `group` on, lie at Simd::place(steps, step, group).
template <class Simd>
void pack_bfloat_rows(const RowsView& rows, int64_t first, int count, const PackedCentroids& table,
                      float* buffer, uint32_t* packed, uint32_t* words, float* norm,
                      float* residual) {
  const int64_t width = round_up(rows.d, 32), steps = steps_of<Simd>(rows.d);
  uint32_t* const aside = reinterpret_cast<uint32_t*>(buffer + width);
  alignas(64) float norms[16][16], residuals[16][16], tile[16][16];
  for (int group = 0; group < kBlock; group += 16) {
    uint32_t* const sixteen = words ? words + group * (width / 2) : aside;
    for (int r = 0; r < 16; ++r) {
      Squares squares{_mm512_setzero_ps(), _mm512_setzero_ps()};
      uint32_t* const to = sixteen + r * (width / 2);
      if (group + r < count) {
        squares = round_row(rows, first + group + r, table, width, buffer, to);
      } else {
        for (int64_t step = 0; step < width / 2; ++step) to[step] = 0;
      }
      Simd::store(norms[r], squares.norm);
      Simd::store(residuals[r], squares.residual);
    }
    write_norms<Simd>(&norms[0][0], norm + group);
    write_norms<Simd>(&residuals[0][0], residual + group);
    for (int64_t begin = 0; begin < width / 2; begin += 16) {
      Simd::transpose16(reinterpret_cast<const float*>(sixteen) + begin, width / 2, &tile[0][0]);
      for (int j = 0; j < 16 && begin + j < steps; ++j) {
        __builtin_memcpy(packed + Simd::place(steps, begin + j, group), tile[j], 64);
      }
    }
  }
}
