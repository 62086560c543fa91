// The body of RowLosses. Included by one file for each instruction set, inside its own anonymous
// namespace: plain loops over kLanes numbers, which the compiler turns into its vectors. The order of
// operations is written out, so the answers do not depend on the instruction set.
//
// A group of rows lies in the scratch: short rows transposed, a row in a lane, so that nothing crosses
// lanes; long ones as they are, padded to a multiple of kLanes. What a row needs but once (logarithms,
// the factor of its gradient) is computed for all rows of a group together.

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

float shift_of(float largest) { return largest == -kInfinity ? 0.0f : largest; }

// Replaces values by exp(value - shift of the lane), and adds these up in each lane.
void exponentials(float* values, int64_t count, const float* shift, double* sums) {
  for (int l = 0; l < kLanes; ++l) sums[l] = 0;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t left = count - begin, now = left < kChunk ? left : kChunk;
    float* chunk = values + begin;
    for (int64_t j = 0; j < now; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) chunk[j + l] = exp_float(chunk[j + l] - shift[l]);
    }
    float lanes[kLanes];
    for (int l = 0; l < kLanes; ++l) lanes[l] = chunk[l];
    for (int64_t j = kLanes; j < now; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) lanes[l] += chunk[j + l];
    }
    for (int l = 0; l < kLanes; ++l) sums[l] += static_cast<double>(lanes[l]);
  }
}

// What the cross-entropy of a row is made of: its own output, and those of the other classes.
struct Sums {
  float own[kLanes] = {};
  float largest[kLanes] = {};  // of the others
  double sum[kLanes] = {};     // of exp(o_j - largest)
};

// Leaves exp(o_j - largest) of the other classes in the group's values, 0 for the own one. With classes
// at minus infinity only, all of them are 0, and a NaN stays one.
void exponentials_transposed(const Group& group, Sums* sums) {
  float* values = group.values;
  read_transposed(group.predictions.outputs, group.begin, group.count, values);
  for (int64_t r = 0; r < group.count; ++r) {
    float& own = values[group.target(r) * kLanes + r];
    sums->own[r] = own;
    own = -kInfinity;
  }
  float shift[kLanes];
  largest_in_lanes(values, group.d() * kLanes, sums->largest);
  for (int r = 0; r < kLanes; ++r) shift[r] = shift_of(sums->largest[r]);
  exponentials(values, group.d() * kLanes, shift, sums->sum);
}

// The same for long rows. One thing after the other for all rows: a vector that is loaded soon after
// one of its numbers was stored waits.
void exponentials_in_place(const Group& group, Sums* sums) {
  const RowsView& outputs = group.predictions.outputs;
  const int64_t d = group.d(), padded = group.padded(), count = group.count;
  for (int64_t r = 0; r < count; ++r) {
    float* row = group.row(r);
    read_values(outputs.row(group.begin + r), outputs.dtype, d, row);
    for (int64_t j = d; j < padded; ++j) row[j] = -kInfinity;
    sums->own[r] = row[group.target(r)];
    row[group.target(r)] = -kInfinity;
  }
  float largest[kLanes][kLanes], shift[kLanes];
  double sum[kLanes][kLanes];
  for (int64_t r = 0; r < count; ++r) largest_in_lanes(group.row(r), padded, largest[r]);
  for (int64_t r = 0; r < count; ++r) sums->largest[r] = largest_of(largest[r]);
  for (int64_t r = 0; r < count; ++r) {
    for (float& of_lane : shift) of_lane = shift_of(sums->largest[r]);
    exponentials(group.row(r), padded, shift, sum[r]);
  }
  for (int64_t r = 0; r < count; ++r) sums->sum[r] = sum_of(sum[r]);
}

// With y the target and R the log-sum-exp of the other classes, the loss is log(1 + exp(R - o_y)):
// nothing cancels, however sure the model is.
void losses_of(const Sums& sums, double* losses, double* log_sum_exp) {
  for (int r = 0; r < kLanes; ++r) {
    const double own = static_cast<double>(sums.own[r]);
    const double largest = static_cast<double>(sums.largest[r]), log_sum = log_double(sums.sum[r]);
    const double margin = (largest - own) + log_sum;
    const double tail = log1p_exp(-__builtin_fabs(margin));
    losses[r] = margin > 0 ? margin + tail : tail;
    log_sum_exp[r] = (margin > 0 ? largest + log_sum : own) + tail;
  }
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

template <class T>
void copy_lanes(const T* from, int64_t count, double* to) {
  for (int64_t r = 0; r < count; ++r) to[r] = static_cast<double>(from[r]);
}

void cross_entropy(const Group& group, bool forward, const double* coefficients,
                   const StepArrays& step) {
  Sums sums;
  if (group.narrow()) {
    exponentials_transposed(group, &sums);
  } else {
    exponentials_in_place(group, &sums);
  }
  const int64_t count = group.count;
  float* losses = step.losses + group.begin;
  double* log_sum_exps = step.log_sum_exp + group.begin;
  double log_sum_exp[kLanes] = {}, loss[kLanes] = {}, coefficient[kLanes] = {};
  if (forward) {
    losses_of(sums, loss, log_sum_exp);
    for (int64_t r = 0; r < count; ++r) losses[r] = static_cast<float>(loss[r]);
    for (int64_t r = 0; r < count; ++r) log_sum_exps[r] = log_sum_exp[r];
    if (!coefficients) return;
  }
  // From what was kept, so that a gradient has the same bits whenever it is computed.
  copy_lanes(losses, count, loss);
  copy_lanes(log_sum_exps, count, log_sum_exp);
  copy_lanes(coefficients, count, coefficient);
  float factors[kLanes], at_target[kLanes];
  for (int r = 0; r < kLanes; ++r) {
    const double share = exp_double(static_cast<double>(sums.largest[r]) - log_sum_exp[r]);
    factors[r] = static_cast<float>(coefficient[r] * share);
    at_target[r] = static_cast<float>(coefficient[r] * expm1_double(-loss[r]));
  }
  write_gradients(group, factors, at_target, step.gradient);
}

// Leaves differences in the group's values, and the sums of their squares.
void differences_transposed(const Group& group, double* sums) {
  const Predictions& p = group.predictions;
  float values[kNarrow * kLanes];
  read_transposed(p.outputs, group.begin, group.count, group.values);
  read_transposed(p.values, group.begin, group.count, values);
  double sum[kLanes] = {};
  for (int64_t j = 0; j < group.d(); ++j) {
    float* of = group.values + j * kLanes;
    const float* wanted = values + j * kLanes;
    for (int r = 0; r < kLanes; ++r) {
      const double t = static_cast<double>(of[r]) - static_cast<double>(wanted[r]);
      sum[r] += t * t;
      of[r] -= wanted[r];
    }
  }
  for (int r = 0; r < kLanes; ++r) sums[r] = sum[r];
}

void differences_of_row(const Group& group, int64_t r, double* sums) {
  const RowsView &outputs = group.predictions.outputs, &values = group.predictions.values;
  const int64_t d = group.d(), padded = group.padded(), i = group.begin + r;
  float *row = group.row(r), wanted[kChunk];
  read_values(outputs.row(i), outputs.dtype, d, row);
  for (int64_t j = d; j < padded; ++j) row[j] = 0;
  double lanes[kLanes] = {};
  for (int64_t begin = 0; begin < d; begin += kChunk) {
    const int64_t left = d - begin, count = left < kChunk ? left : kChunk;
    read_values(values.row(i) + begin * size_of(values.dtype), values.dtype, count, wanted);
    for (int64_t j = count; j < round_up(count, kLanes); ++j) wanted[j] = 0;
    float* chunk = row + begin;
    for (int64_t j = 0; j < count; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) {
        const double t = static_cast<double>(chunk[j + l]) - static_cast<double>(wanted[j + l]);
        lanes[l] += t * t;
        chunk[j + l] -= wanted[j + l];
      }
    }
  }
  sums[r] = sum_of(lanes);
}

void squared_error(const Group& group, bool forward, const double* coefficients,
                   const StepArrays& step) {
  double sums[kLanes] = {};
  if (group.narrow()) {
    differences_transposed(group, sums);
  } else {
    for (int64_t r = 0; r < group.count; ++r) differences_of_row(group, r, sums);
  }
  const double d = static_cast<double>(group.d());
  if (forward) {
    float* losses = step.losses + group.begin;
    for (int64_t r = 0; r < group.count; ++r) losses[r] = static_cast<float>(sums[r] / d);
    if (!coefficients) return;
  }
  float factors[kLanes] = {};
  for (int64_t r = 0; r < group.count; ++r) {
    factors[r] = static_cast<float>(2 * coefficients[r] / d);
  }
  write_gradients(group, factors, nullptr, step.gradient);
}

template <bool kForward>
void visit(const Predictions& predictions, int64_t begin, int64_t count, const double* coefficients,
           const StepArrays& step, float* scratch) {
  const Group group{predictions, begin, count, scratch};
  if (predictions.classes) {
    cross_entropy(group, kForward, coefficients, step);
  } else {
    squared_error(group, kForward, coefficients, step);
  }
}

constexpr RowLosses make_row_losses() { return {visit<true>, visit<false>}; }
