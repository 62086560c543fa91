// The bodies of RowSums. Included by one file for each instruction set, inside its own anonymous
// namespace: plain loops, of which the compiler makes vectors.
void extremes(const float* rows, int64_t count, int64_t d, float* low, float* high) {
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows + i * d;
    for (int64_t j = 0; j < d; ++j) {
      low[j] = row[j] < low[j] ? row[j] : low[j];
      high[j] = row[j] > high[j] ? row[j] : high[j];
    }
  }
}

// rint of |v| <= 2^51, to even: adding 1.5 * 2^52 leaves the integer in the lowest bits.
void add(const float* row, const double* shift, const double* scale, int64_t d, int64_t* sums) {
  const double magic = 0x1.8p52;
  int64_t offset;
  __builtin_memcpy(&offset, &magic, sizeof offset);
  for (int64_t j = 0; j < d; ++j) {
    const double moved = (static_cast<double>(row[j]) - shift[j]) * scale[j] + magic;
    int64_t bits;
    __builtin_memcpy(&bits, &moved, sizeof bits);
    sums[j] += bits - offset;
  }
}

// Sum of term(j) in the order of the exact rule.
template <class Term>
__attribute__((always_inline)) inline double sum_in_order(int64_t d, const Term& term) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t j = 0;
  for (; j + 8 <= d; j += 8) {
    for (int lane = 0; lane < 8; ++lane) a[lane] += term(j + lane);
  }
  for (int lane = 0; j < d; ++j, ++lane) a[lane] += term(j);
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

double distance(const float* row, const float* point, int64_t d) {
  return sum_in_order(d, [=](int64_t j) __attribute__((always_inline)) {
    const double t = static_cast<double>(row[j]) - static_cast<double>(point[j]);
    return t * t;
  });
}

double lean(const float* row, const float* point, const double* direction, int64_t d) {
  return sum_in_order(d, [=](int64_t j) __attribute__((always_inline)) {
    return (static_cast<double>(row[j]) - static_cast<double>(point[j])) * direction[j];
  });
}
