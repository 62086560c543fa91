// The body of RowLosses. Included by one file for each instruction set, inside its own anonymous
// namespace: plain loops over kLanes numbers, which the compiler turns into its vectors. The order of
// operations is written out, so the answers do not depend on the instruction set.

constexpr int64_t kChunk = 256;  // features at a time; a multiple of kLanes
constexpr int kLanes = 16;

// Features [begin, begin + count) as float32; `padding` up to the next multiple of kLanes.
void read_chunk(const RowsView& rows, int64_t i, int64_t begin, int64_t count, float padding,
                float* out) {
  const char* row = rows.row(i);
  if (rows.dtype == DType::kFloat32) {
    __builtin_memcpy(out, row + begin * 4, static_cast<uint64_t>(count) * 4);
  } else {
    uint16_t bits[kChunk];
    __builtin_memcpy(bits, row + begin * 2, static_cast<uint64_t>(count) * 2);
    if (rows.dtype == DType::kFloat16) {
      for (int64_t j = 0; j < count; ++j) out[j] = half_to_float(bits[j]);
    } else {
      for (int64_t j = 0; j < count; ++j) out[j] = bfloat_to_float(bits[j]);
    }
  }
  for (int64_t j = count; j < round_up(count, kLanes); ++j) out[j] = padding;
}

void write_chunk(const float* values, DType dtype, int64_t begin, int64_t count, char* out) {
  if (dtype == DType::kFloat32) {
    __builtin_memcpy(out + begin * 4, values, static_cast<uint64_t>(count) * 4);
    return;
  }
  uint16_t bits[kChunk];
  if (dtype == DType::kFloat16) {
    for (int64_t j = 0; j < count; ++j) bits[j] = float_to_half(values[j]);
  } else {
    for (int64_t j = 0; j < count; ++j) bits[j] = float_to_bfloat(values[j]);
  }
  __builtin_memcpy(out + begin * 2, bits, static_cast<uint64_t>(count) * 2);
}

float read_one(const RowsView& rows, int64_t i, int64_t j) {
  float value[kLanes];
  read_chunk(rows, i, j, 1, 0.0f, value);
  return value[0];
}

// The largest of `count` numbers and `floor`, NaN passed over. In vectors by hand, of a size that every
// machine has: compilers leave a maximum scalar, as its answer could depend on the order.
float largest_of(const float* values, int64_t count, float floor) {
  typedef float Four __attribute__((vector_size(16)));
  Four largest[kLanes / 4];
  for (Four& four : largest) four = Four{floor, floor, floor, floor};
  for (int64_t j = 0; j < count; j += kLanes) {
    for (int v = 0; v < kLanes / 4; ++v) {
      Four four;
      __builtin_memcpy(&four, values + j + 4 * v, sizeof four);
      largest[v] = four > largest[v] ? four : largest[v];
    }
  }
  for (const Four& four : largest) {
    for (int l = 0; l < 4; ++l) floor = four[l] > floor ? four[l] : floor;
  }
  return floor;
}

// With y the target and L the log-sum-exp of the other classes, the loss is log(1 + exp(L - o_y)):
// nothing cancels, however sure the model is.
double cross_entropy(const RowsView& outputs, int64_t i, int64_t target, double* log_sum_exp) {
  constexpr float kInfinity = __builtin_huge_valf();
  float chunk[kChunk];
  float largest = -kInfinity;  // of the others, so far
  double sum = 0;              // of exp(o_j - largest)
  for (int64_t begin = 0; begin < outputs.d; begin += kChunk) {
    const int64_t left = outputs.d - begin, count = left < kChunk ? left : kChunk;
    read_chunk(outputs, i, begin, count, -kInfinity, chunk);
    if (target >= begin && target - begin < count) chunk[target - begin] = -kInfinity;
    const int64_t padded = round_up(count, kLanes);
    const float now = largest_of(chunk, padded, largest);
    if (now > largest)
      sum *= __builtin_exp(static_cast<double>(largest) - static_cast<double>(now));
    largest = now;
    // Classes at minus infinity only: their terms are 0, and a NaN stays one.
    const float shift = largest == -kInfinity ? 0.0f : largest;
    for (int64_t j = 0; j < padded; ++j) chunk[j] = exp_float(chunk[j] - shift);
    float lanes[kLanes];
    for (int l = 0; l < kLanes; ++l) lanes[l] = chunk[l];
    for (int64_t j = kLanes; j < count; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) lanes[l] += chunk[j + l];
    }
    for (int l = 0; l < kLanes; ++l) sum += static_cast<double>(lanes[l]);
  }
  const double own = static_cast<double>(read_one(outputs, i, target));
  const double others = static_cast<double>(largest) + __builtin_log(sum);
  const double margin = (static_cast<double>(largest) - own) + __builtin_log(sum);
  const double tail = __builtin_log1p(__builtin_exp(-__builtin_fabs(margin)));
  *log_sum_exp = margin > 0 ? others + tail : own + tail;
  return margin > 0 ? margin + tail : tail;
}

void cross_entropy_gradient(const RowsView& outputs, int64_t i, int64_t target, double loss,
                            double log_sum_exp, double coefficient, char* out) {
  // In two parts, for outputs so large that float32 has no digits left for the logarithm.
  const float high = static_cast<float>(log_sum_exp);
  const float low = static_cast<float>(log_sum_exp - static_cast<double>(high));
  const float factor = static_cast<float>(coefficient);
  const float at_target = static_cast<float>(coefficient * __builtin_expm1(-loss));
  float chunk[kChunk];
  for (int64_t begin = 0; begin < outputs.d; begin += kChunk) {
    const int64_t left = outputs.d - begin, count = left < kChunk ? left : kChunk;
    read_chunk(outputs, i, begin, count, 0.0f, chunk);
    const int64_t padded = round_up(count, kLanes);
    for (int64_t j = 0; j < padded; ++j) {
      chunk[j] = factor * exp_float((chunk[j] - high) - low);
    }
    if (target >= begin && target - begin < count) chunk[target - begin] = at_target;
    write_chunk(chunk, outputs.dtype, begin, count, out);
  }
}

double squared_error(const RowsView& outputs, const RowsView& values, int64_t i) {
  float chunk[kChunk], wanted[kChunk];
  double lanes[kLanes] = {};
  for (int64_t begin = 0; begin < outputs.d; begin += kChunk) {
    const int64_t left = outputs.d - begin, count = left < kChunk ? left : kChunk;
    read_chunk(outputs, i, begin, count, 0.0f, chunk);
    read_chunk(values, i, begin, count, 0.0f, wanted);
    for (int64_t j = 0; j < count; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) {
        const double t = static_cast<double>(chunk[j + l]) - static_cast<double>(wanted[j + l]);
        lanes[l] += t * t;
      }
    }
  }
  double sum = 0;
  for (int l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum / static_cast<double>(outputs.d);
}

void squared_error_gradient(const RowsView& outputs, const RowsView& values, int64_t i,
                            double coefficient, char* out) {
  const float factor = static_cast<float>(2 * coefficient / static_cast<double>(outputs.d));
  float chunk[kChunk], wanted[kChunk];
  for (int64_t begin = 0; begin < outputs.d; begin += kChunk) {
    const int64_t left = outputs.d - begin, count = left < kChunk ? left : kChunk;
    read_chunk(outputs, i, begin, count, 0.0f, chunk);
    read_chunk(values, i, begin, count, 0.0f, wanted);
    const int64_t padded = round_up(count, kLanes);
    for (int64_t j = 0; j < padded; ++j) {
      chunk[j] = factor * (chunk[j] - wanted[j]);
    }
    write_chunk(chunk, outputs.dtype, begin, count, out);
  }
}

constexpr RowLosses make_row_losses() {
  return {cross_entropy, squared_error, cross_entropy_gradient, squared_error_gradient};
}
