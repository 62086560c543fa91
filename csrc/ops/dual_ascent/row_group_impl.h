// A group of rows in the scratch: how it gets there, what crosses its lanes, and how gradients leave it.
// Part of row_losses_impl.h.
//
// Short rows lie transposed, a row in a lane, so that nothing crosses lanes; long ones as they are, padded
// to a multiple of kLanes.

constexpr int64_t kChunk = 256;  // numbers that are converted, or added up in float32, at a time
constexpr float kInfinity = __builtin_huge_valf();

struct Group {
  const Predictions& predictions;
  const int64_t begin, count;
  float* const values;  // the scratch

  int64_t d() const { return predictions.outputs.d; }
  int64_t padded() const { return round_up(d(), kLanes); }
  bool narrow() const { return d() <= kNarrow; }
  float* row(int64_t r) const { return values + r * padded(); }
  int64_t target(int64_t r) const { return predictions.classes[begin + r]; }
};

int64_t size_of(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

void read_values(const char* at, DType dtype, int64_t count, float* out) {
  if (dtype == DType::kFloat32) {
    __builtin_memcpy(out, at, static_cast<uint64_t>(count) * 4);
    return;
  }
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t left = count - begin, now = left < kChunk ? left : kChunk;
    uint16_t bits[kChunk];
    __builtin_memcpy(bits, at + begin * 2, static_cast<uint64_t>(now) * 2);
    if (dtype == DType::kFloat16) {
      for (int64_t j = 0; j < now; ++j) out[begin + j] = half_to_float(bits[j]);
    } else {
      for (int64_t j = 0; j < now; ++j) out[begin + j] = bfloat_to_float(bits[j]);
    }
  }
}

void write_values(const float* values, DType dtype, int64_t count, char* out) {
  if (dtype == DType::kFloat32) {
    __builtin_memcpy(out, values, static_cast<uint64_t>(count) * 4);
    return;
  }
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t left = count - begin, now = left < kChunk ? left : kChunk;
    uint16_t bits[kChunk];
    if (dtype == DType::kFloat16) {
      for (int64_t j = 0; j < now; ++j) bits[j] = float_to_half(values[begin + j]);
    } else {
      for (int64_t j = 0; j < now; ++j) bits[j] = float_to_bfloat(values[begin + j]);
    }
    __builtin_memcpy(out + begin * 2, bits, static_cast<uint64_t>(now) * 2);
  }
}

// Rows of one number each.
void read_column(const RowsView& rows, int64_t begin, int64_t count, float* out) {
  if (rows.row_stride == size_of(rows.dtype)) {
    read_values(rows.row(begin), rows.dtype, count, out);
  } else {
    for (int64_t r = 0; r < count; ++r) read_values(rows.row(begin + r), rows.dtype, 1, out + r);
  }
}

// Short rows of a group, transposed; lanes without a row hold zeros.
void read_transposed(const RowsView& rows, int64_t begin, int64_t count, float* out) {
  const int64_t d = rows.d;
  float flat[kNarrow * kLanes];
  if (rows.row_stride == d * size_of(rows.dtype)) {
    read_values(rows.row(begin), rows.dtype, count * d, flat);
  } else {
    for (int64_t r = 0; r < count; ++r)
      read_values(rows.row(begin + r), rows.dtype, d, flat + r * d);
  }
  for (int64_t j = count * d; j < kLanes * d; ++j) flat[j] = 0;
  for (int64_t j = 0; j < d; ++j) {
    for (int r = 0; r < kLanes; ++r) out[j * kLanes + r] = flat[r * d + j];
  }
}

// Vectors by hand where compilers would go number by number: maxima, whose answer could depend on the
// order, and what crosses lanes.
#if defined(__AVX512F__)
typedef float Floats __attribute__((vector_size(64)));
#elif defined(__AVX2__)
typedef float Floats __attribute__((vector_size(32)));
#else
typedef float Floats __attribute__((vector_size(16)));
#endif
typedef float FourFloats __attribute__((vector_size(16)));
typedef double TwoDoubles __attribute__((vector_size(16)));

// a, unless b is larger: a NaN in b is passed over.
template <class Vector>
__attribute__((always_inline)) inline Vector larger(Vector a, Vector b) {
  return b > a ? b : a;
}

// The largest number in each lane; minus infinity if there is none.
void largest_in_lanes(const float* values, int64_t count, float* out) {
  constexpr int kWidth = sizeof(Floats) / 4, kVectors = kLanes / kWidth;
  Floats largest[kVectors];
  for (Floats& vector : largest) vector = Floats{} - kInfinity;
  for (int64_t j = 0; j < count; j += kLanes) {
    for (int v = 0; v < kVectors; ++v) {
      Floats now;
      __builtin_memcpy(&now, values + j + kWidth * v, sizeof now);
      largest[v] = larger(largest[v], now);
    }
  }
  __builtin_memcpy(out, largest, sizeof largest);
}

float largest_of(const float* lanes) {
  FourFloats v[kLanes / 4];
  __builtin_memcpy(v, lanes, sizeof v);
  const FourFloats four = larger(larger(v[0], v[1]), larger(v[2], v[3]));
  const float a = four[1] > four[0] ? four[1] : four[0], b = four[3] > four[2] ? four[3] : four[2];
  return b > a ? b : a;
}

double sum_of(const double* lanes) {
  TwoDoubles v[kLanes / 2];
  __builtin_memcpy(v, lanes, sizeof v);
  const TwoDoubles two = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
  return two[0] + two[1];
}

// Multiplies the values of each row with its factor and writes them to their place in `gradient`; at the
// target, if there is one, what is given instead.
void write_gradients(const Group& group, const float* factors, const float* at_target,
                     char* gradient) {
  const DType dtype = group.predictions.outputs.dtype;
  const int64_t d = group.d();
  char* out = gradient + group.begin * d * size_of(dtype);
  if (group.narrow()) {
    float flat[kNarrow * kLanes];
    for (int64_t j = 0; j < d; ++j) {
      float* of = group.values + j * kLanes;
      for (int r = 0; r < kLanes; ++r) of[r] *= factors[r];
      for (int r = 0; r < kLanes; ++r) flat[r * d + j] = of[r];
    }
    for (int64_t r = 0; at_target && r < group.count; ++r) {
      flat[r * d + group.target(r)] = at_target[r];
    }
    write_values(flat, dtype, group.count * d, out);
    return;
  }
  for (int64_t r = 0; r < group.count; ++r) {
    float* row = group.row(r);
    const float factor = factors[r];
    for (int64_t j = 0; j < d; ++j) row[j] *= factor;
    if (at_target) row[group.target(r)] = at_target[r];
    write_values(row, dtype, d, out + r * d * size_of(dtype));
  }
}
