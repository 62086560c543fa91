// The bodies of RowSums. Included by one file for each instruction set, inside its own anonymous
// namespace. Eight features at a time, in the compilers' own vectors, which become registers of any width.
using Floats = float __attribute__((vector_size(32), aligned(4), may_alias));
using Doubles = double __attribute__((vector_size(64), aligned(8), may_alias));
using Integers = int64_t __attribute__((vector_size(64), aligned(8), may_alias));
constexpr int64_t kEight = 8, kLine = 16;  // floats of a cache line

template <class Vector, class T>
__attribute__((always_inline)) inline Vector load(const T* values) {
  return *reinterpret_cast<const Vector*>(values);
}

__attribute__((always_inline)) inline Doubles widened(const float* values) {
  return __builtin_convertvector(load<Floats>(values), Doubles);
}

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
constexpr double kMagic = 0x1.8p52;
constexpr int64_t kMagicBits = 0x4338000000000000;

void add(const float* row, const float* next, const double* shift, const double* scale, int64_t d,
         int64_t* sums) {
  const auto eight = [&](int64_t j) __attribute__((always_inline)) {
    const Doubles moved =
        (widened(row + j) - load<Doubles>(shift + j)) * load<Doubles>(scale + j) + kMagic;
    Integers bits;
    __builtin_memcpy(&bits, &moved, sizeof bits);
    *reinterpret_cast<Integers*>(sums + j) += bits - kMagicBits;
  };
  int64_t j = 0;
  for (; j + kLine <= d; j += kLine) {
    __builtin_prefetch(next + j);
    eight(j);
    eight(j + kEight);
  }
  for (; j < d; ++j) {
    const double moved = (static_cast<double>(row[j]) - shift[j]) * scale[j] + kMagic;
    int64_t bits;
    __builtin_memcpy(&bits, &moved, sizeof bits);
    sums[j] += bits - kMagicBits;
  }
}

// Sum of eight(j), a vector, or one(j) at the end, in the order of the exact rule.
template <class Eight, class One>
__attribute__((always_inline)) inline double sum_in_order(int64_t d, const Eight& eight,
                                                          const One& one) {
  Doubles a = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t j = 0;
  for (; j + kEight <= d; j += kEight) a += eight(j);
  for (int lane = 0; j < d; ++j, ++lane) a[lane] += one(j);
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

double distance(const float* row, const float* point, int64_t d) {
  return sum_in_order(
      d,
      [=](int64_t j) __attribute__((always_inline)) {
        const Doubles t = widened(row + j) - widened(point + j);
        return t * t;
      },
      [=](int64_t j) __attribute__((always_inline)) {
        const double t = static_cast<double>(row[j]) - static_cast<double>(point[j]);
        return t * t;
      });
}

double lean(const float* row, const float* point, const double* direction, int64_t d) {
  return sum_in_order(
      d,
      [=](int64_t j) __attribute__((always_inline)) {
        return (widened(row + j) - widened(point + j)) * load<Doubles>(direction + j);
      },
      [=](int64_t j) __attribute__((always_inline)) {
        return (static_cast<double>(row[j]) - static_cast<double>(point[j])) * direction[j];
      });
}
