// Products of AMX tiles and nothing else, by the number: what bench_occupancy.py compares with.
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

struct alignas(64) Config {
  uint8_t palette = 1, start_row = 0, reserved[14] = {0};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Operands change with each product and have random bits: a unit that multiplies zeros draws less
// power, and runs at a higher clock.
void multiply(int64_t products) {
  constexpr int kTiles = 4, kWords = 256;
  alignas(64) uint32_t left[kTiles][kWords], right[kTiles][kWords];
  uint64_t state = 1;
  const auto random = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const float value = static_cast<float>(state >> 40) * 0x1p-24f - 0.5f;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return bits >> 16;
  };
  for (auto* tiles : {&left, &right}) {
    for (auto& tile : *tiles) {
      for (uint32_t& word : tile) word = random() << 16 | random();
    }
  }
  static const Config config;
  _tile_loadconfig(&config);
  __asm__ volatile("" ::: "memory");  // the compiler does not know that tiles read memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t i = 0; i < products; i += 4) {
    const int at = static_cast<int>(i / 4 % kTiles), next = (at + 1) % kTiles;
    _tile_loadd(4, left[at], 64);
    _tile_loadd(6, right[at], 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right[next], 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left[next], 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

}  // namespace

// Does `products` products of 16 x 16 x 32 features on each of some threads; 1 where Linux refuses tiles.
extern "C" int tile_products(int64_t products, int threads) {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return 1;
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(multiply, products);
  multiply(products);
  for (std::thread& other : others) other.join();
  return 0;
}
