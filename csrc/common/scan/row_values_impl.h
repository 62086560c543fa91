// Rows of any dtype widened, normalised, or centred and scaled. Part of kernel_impl.h.

template <class T>
T load_as(const char* address) {
  T value;
  __builtin_memcpy(&value, address, sizeof(T));
  return value;
}

// Exact: float16, bfloat16 and float32 features [begin, end) as float32.
void read_floats(const RowsView& rows, const char* row, int64_t begin, int64_t end, float* out) {
  const int64_t stride = rows.col_stride, count = end - begin;
  const char* from = row + begin * stride;
  int64_t j = 0;
  switch (rows.dtype) {
    case DType::kFloat32:
      if (stride == 4) {
        __builtin_memcpy(out, from, static_cast<uint64_t>(count) * 4);
      } else {
        for (; j < count; ++j) out[j] = load_as<float>(from + j * stride);
      }
      break;
    case DType::kFloat16:
#ifdef __F16C__
      if (stride == 2) {
        for (; j + 8 <= count; j += 8) {
          const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + j * 2));
          _mm256_storeu_ps(out + j, _mm256_cvtph_ps(halves));
        }
      }
#endif
      for (; j < count; ++j) out[j] = half_to_float(load_as<uint16_t>(from + j * stride));
      break;
    case DType::kBFloat16:
      for (; j < count; ++j) out[j] = bfloat_to_float(load_as<uint16_t>(from + j * stride));
      break;
    case DType::kFloat64:
      break;  // not exact in float32: callers take it apart themselves
  }
}

double combine(const double* a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

// Sum of squares of feature(j), j < d, in the order of squared_distance.
template <class Feature>
double sum_of_squares(int64_t d, const Feature& feature) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t j = 0;
  for (; j + 8 <= d; j += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double t = feature(j + lane);
      a[lane] += t * t;
    }
  }
  for (int lane = 0; j < d; ++j, ++lane) {
    const double t = feature(j);
    a[lane] += t * t;
  }
  return combine(a);
}

// The cosine rule: float32(x_j / ||x||), zeros where the norm is 0. `feature` may read from `out`.
template <class Feature, class To>
void normalize_row(int64_t d, const Feature& feature, To* out) {
  const double s = sum_of_squares(d, feature);
  double norm = __builtin_sqrt(s);
  if (!squares_hold(s)) {
    double largest = 0;
    for (int64_t j = 0; j < d; ++j) {
      const double size = __builtin_fabs(feature(j));
      largest = largest < size ? size : largest;
    }
    const UnitScale unit = unit_scale(largest);
    const auto scaled = [&](int64_t j) { return feature(j) * unit.first * unit.second; };
    norm = norm_of(sum_of_squares(d, scaled), unit);
  }
  for (int64_t j = 0; j < d; ++j) {
    out[j] = static_cast<To>(static_cast<float>(norm == 0 ? 0.0 : feature(j) / norm));
  }
}

void load_row(const RowsView& rows, int64_t i, double* out) {
  const char* row = rows.row(i);
  if (rows.dtype == DType::kFloat64) {
    for (int64_t j = 0; j < rows.d; ++j) out[j] = load_as<double>(row + j * rows.col_stride);
  } else {
    float buffer[64];
    for (int64_t begin = 0; begin < rows.d; begin += 64) {
      const int64_t end = begin + 64 < rows.d ? begin + 64 : rows.d;
      read_floats(rows, row, begin, end, buffer);
      for (int64_t j = begin; j < end; ++j) out[j] = static_cast<double>(buffer[j - begin]);
    }
  }
  if (rows.normalize) normalize_row(rows.d, [=](int64_t j) { return out[j]; }, out);
  for (int64_t j = rows.d; j < round_up(rows.d, 8); ++j) out[j] = 0;
}

// scale (x - shift) in float32; float64 rows are centred before they are rounded.
void load_centred(const RowsView& rows, int64_t i, const PackedCentroids& table, float* out) {
  const char* row = rows.row(i);
  const auto wide = [&](int64_t j) { return load_as<double>(row + j * rows.col_stride); };
  const auto centre = [&](double x, double shift) {
    return static_cast<float>((x - shift) * table.scale);
  };
  if (rows.dtype == DType::kFloat64 && !rows.normalize) {
    if (table.wide_shift) {
      for (int64_t j = 0; j < rows.d; ++j) out[j] = centre(wide(j), table.wide_shift[j]);
    } else {
      for (int64_t j = 0; j < rows.d; ++j) {
        out[j] = centre(wide(j), static_cast<double>(table.shift[j]));
      }
    }
    return;
  }
  const float scale = static_cast<float>(table.scale);
  if (rows.dtype == DType::kFloat32 && rows.col_stride == 4 && !rows.normalize &&
      !table.wide_shift) {
    for (int64_t j = 0; j < rows.d; ++j) {
      out[j] = (load_as<float>(row + j * 4) - table.shift[j]) * scale;
    }
    return;
  }
  if (rows.dtype == DType::kFloat64) {
    normalize_row(rows.d, wide, out);
  } else {
    read_floats(rows, row, 0, rows.d, out);
    if (rows.normalize) {
      normalize_row(rows.d, [=](int64_t j) { return static_cast<double>(out[j]); }, out);
    }
  }
  if (table.wide_shift) {
    for (int64_t j = 0; j < rows.d; ++j) {
      out[j] = centre(static_cast<double>(out[j]), table.wide_shift[j]);
    }
    return;
  }
  for (int64_t j = 0; j < rows.d; ++j) out[j] = (out[j] - table.shift[j]) * scale;
}
