#include "tensor_core.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/halves.h"

namespace emulator {
namespace {

// 2^exponent.
double power(int exponent) {
  const uint64_t bits = static_cast<uint64_t>(exponent + 1023) << 52;
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int float_exponent(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<int>(bits >> 23 & 0xFF);
}

// Four products at a time, each cut off below the 24th bit of the largest of them and the sum so far.
// Products are aligned by the sums of their halves' exponents, `exponents` biased as a float's; that of
// a half below 2^-14 is -14 (microsoft/MMA-Sim).
float add_products(float sum, const float (&products)[4], const int (&exponents)[4]) {
  int largest = float_exponent(sum);
  for (int i = 0; i < 4; ++i) {
    largest = std::max({largest, exponents[i], float_exponent(products[i])});
  }
  if (largest == 0xFF) return sum + products[0] + products[1] + products[2] + products[3];
  const int exponent = largest - 127 - 23;
  const double unit = power(exponent), inverse = power(-exponent);
  auto total = static_cast<int64_t>(static_cast<double>(sum) * inverse);
  for (const float product : products) {
    total += static_cast<int64_t>(static_cast<double>(product) * inverse);
  }
  const int64_t magnitude = total < 0 ? -total : total;
  int dropped = 0;
  while (magnitude >> dropped >= 1 << 24) ++dropped;
  const double kept = static_cast<double>(magnitude >> dropped << dropped) * unit;
  return static_cast<float>(total < 0 ? -kept : kept);
}

}  // namespace

void multiply_fragments(float (&c)[4], const uint32_t (&as)[32][4], const uint32_t (&bs)[32][2],
                        int lane) {
  static const std::vector<float>& halves = *[] {
    auto* const values = new std::vector<float>(1 << 16);
    for (unsigned bits = 0; bits < values->size(); ++bits) {
      (*values)[bits] = ally_fast::half_to_float(static_cast<uint16_t>(bits));
    }
    return values;
  }();
  const auto half = [](uint32_t word, int k) { return word >> (k % 2 * 16) & 0xFFFF; };
  const auto exponent = [](uint32_t bits) {
    return std::max(static_cast<int>(bits >> 10 & 31), 1);
  };
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int first = 0; first < 16; first += 4) {
      float products[4];
      int exponents[4];
      for (int k = first; k < first + 4; ++k) {
        const uint32_t left = half(as[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2], k);
        const uint32_t right = half(bs[column * 4 + k % 8 / 2][k / 8], k);
        products[k - first] = halves[left] * halves[right];
        exponents[k - first] = exponent(left) + exponent(right) - 30 + 127;
      }
      c[i] = add_products(c[i], products, exponents);
    }
  }
}

}  // namespace emulator
