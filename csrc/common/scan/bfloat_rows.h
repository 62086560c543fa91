// Rows for the kernels that multiply bfloat16: a word holds two neighbouring features. Included after
// kernel_impl.h and simd_avx512.h, inside the anonymous namespace of each file that uses it.

struct Squares {
  float norm, residual;
};

// Rounds `width` features, a multiple of 32, to nearest, ties to even (subnormals to zero).
Squares round_row(const float* row, int64_t width, uint32_t* words) {
  const auto widened = [](const uint32_t* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(
        _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, halves), 16));
  };
  __m512 norm = _mm512_setzero_ps(), residual = norm;
  for (int64_t j = 0; j < width; j += 32) {
    const __m512 low = _mm512_loadu_ps(row + j), high = _mm512_loadu_ps(row + j + 16);
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    _mm512_storeu_si512(words + j / 2, both);
    const __m512 low_error = _mm512_sub_ps(low, widened(words + j / 2));
    const __m512 high_error = _mm512_sub_ps(high, widened(words + j / 2 + 8));
    norm = _mm512_fmadd_ps(high, high, _mm512_fmadd_ps(low, low, norm));
    residual =
        _mm512_fmadd_ps(high_error, high_error, _mm512_fmadd_ps(low_error, low_error, residual));
  }
  const auto sum = [](__m512 lanes) {
    float at[16];
    _mm512_storeu_ps(at, lanes);
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) at[i] += at[i + half];
    }
    return at[0];
  };
  return {sum(norm), sum(residual)};
}

template <class Simd>
void pack_bfloat_rows(const RowsView& rows, int64_t first, int count, const PackedCentroids& table,
                      float* buffer, uint32_t* packed, uint32_t* words, float* norm,
                      float* residual) {
  const int64_t d = rows.d, width = round_up(d, 32), steps = steps_of<Simd>(d);
  float* const row = buffer;
  uint32_t* const aside = reinterpret_cast<uint32_t*>(buffer + width);
  alignas(64) float tile[16][16];
  for (int64_t j = d; j < width; ++j) row[j] = 0;
  for (int group = 0; group < kBlock; group += 16) {
    uint32_t* const sixteen = words ? words + group * (width / 2) : aside;
    for (int r = 0; r < 16; ++r) {
      Squares squares{0, 0};
      uint32_t* const to = sixteen + r * (width / 2);
      if (group + r < count) {
        load_centred(rows, first + group + r, table, row);
        squares = round_row(row, width, to);
      } else {
        for (int64_t step = 0; step < width / 2; ++step) to[step] = 0;
      }
      norm[group + r] = __builtin_sqrtf(squares.norm);
      residual[group + r] = __builtin_sqrtf(squares.residual);
    }
    for (int64_t begin = 0; begin < width / 2; begin += 16) {
      Simd::transpose16(reinterpret_cast<const float*>(sixteen) + begin, width / 2, &tile[0][0]);
      for (int j = 0; j < 16 && begin + j < steps; ++j) {
        __builtin_memcpy(packed + (begin + j) * kBlock + group, tile[j], 64);
      }
    }
  }
}
