// AMX tiles in plain C++, so that the tile kernel's packing, addressing and epilogue are tested on
// machines without AMX. Only full 16 x 64-byte tiles, which is all the kernel uses.
#pragma once
#include <cstdint>
#include <cstring>

namespace amx_emulation {

struct Tile {
  uint32_t word[16][16];
};

inline Tile& tile(int index) {
  static thread_local Tile tiles[8];
  return tiles[index];
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline void load(int index, const void* from, int64_t stride) {
  for (int row = 0; row < 16; ++row) {
    std::memcpy(tile(index).word[row], static_cast<const char*>(from) + row * stride, 64);
  }
}

inline void store(int index, void* to, int64_t stride) {
  for (int row = 0; row < 16; ++row) {
    std::memcpy(static_cast<char*>(to) + row * stride, tile(index).word[row], 64);
  }
}

inline void dot(int sum, int a, int b) {
  for (int m = 0; m < 16; ++m) {
    for (int k = 0; k < 16; ++k) {
      const uint32_t left = tile(a).word[m][k];
      for (int n = 0; n < 16; ++n) {
        const uint32_t right = tile(b).word[k][n];
        float value = float_of(tile(sum).word[m][n]);
        value += float_of(left << 16) * float_of(right << 16);
        value += float_of(left & 0xffff0000u) * float_of(right & 0xffff0000u);
        std::memcpy(&tile(sum).word[m][n], &value, 4);
      }
    }
  }
}

}  // namespace amx_emulation

#define AMX_CONFIGURE(config) static_cast<void>(config)
#define AMX_RELEASE() static_cast<void>(0)
#define AMX_ZERO(index) std::memset(&amx_emulation::tile(index), 0, sizeof(amx_emulation::Tile))
#define AMX_LOAD(index, from, stride) amx_emulation::load(index, from, stride)
#define AMX_STREAM(index, from, stride) amx_emulation::load(index, from, stride)
#define AMX_DOT(sum, a, b) amx_emulation::dot(sum, a, b)
#define AMX_STORE(index, to, stride) amx_emulation::store(index, to, stride)
