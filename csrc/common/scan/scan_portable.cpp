// Any machine: four-lane vectors by compiler extension, products and sums rounded separately.
#include "kernel.h"

namespace ally_fast {
namespace {

#include "kernel_impl.h"

struct Portable {
  static constexpr int kWidth = 4, kVectors = 2, kCentroids = 4;
  static constexpr int kLaneFeatures = 1, kStepMultiple = 1;
  typedef float Float __attribute__((vector_size(16)));
  typedef int32_t Int __attribute__((vector_size(16)));
  using Word = Float;

  static Float broadcast(float value) { return Float{value, value, value, value}; }
  static Float load(const float* from) {
    Float value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  static void store(float* to, Float value) { __builtin_memcpy(to, &value, sizeof value); }
  static Int load_int(const int32_t* from) {
    Int value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  static void store_int(int32_t* to, Int value) { __builtin_memcpy(to, &value, sizeof value); }
  static Word load_words(const uint32_t* from) {
    Word value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  static Word broadcast_word(const uint32_t* from) { return broadcast(bits_float(*from)); }
  static Float add(Float a, Float b) { return a + b; }
  static Float subtract_product(Float a, Float b, Float c) { return a - b * c; }
  static Float multiply_add(Float a, Word b, Word c) { return a + b * c; }
  static Int less(Float a, Float b) { return a < b; }
  static Float min(Float a, Float b) { return a < b ? a : b; }
  static Float max(Float a, Float b) { return a > b ? a : b; }
  static Int select(Int mask, int32_t yes, Int no) {
    return (mask & Int{yes, yes, yes, yes}) | (~mask & no);
  }
  static uint32_t not_greater_bits(Float scores, Float limit) {
    const Int greater = scores > limit;
    return (greater[0] ? 0u : 1u) | (greater[1] ? 0u : 2u) | (greater[2] ? 0u : 4u) |
           (greater[3] ? 0u : 8u);
  }
  static void transpose16(const float* from, int64_t stride, float* tile) {
    for (int r = 0; r < 16; ++r) {
      for (int j = 0; j < 16; ++j) tile[j * 16 + r] = from[r * stride + j];
    }
  }
  static double squared_distance(const double* row, const double* centroid, int64_t padded) {
    double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int64_t j = 0; j < padded; j += 8) {
      for (int lane = 0; lane < 8; ++lane) {
        const double t = row[j + lane] - centroid[j + lane];
        a[lane] += t * t;
      }
    }
    return combine(a);
  }
};

}  // namespace

extern const Kernel kPortableKernel;
constexpr Kernel kPortableKernel = make_kernel<Portable>("portable");

}  // namespace ally_fast
