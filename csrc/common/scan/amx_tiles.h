// AMX tiles of 16 x 64 bytes: products of sixteen centroids with sixteen rows. Included after
// simd_avx512.h, inside the anonymous namespace of the file that uses it.

struct Amx : Avx512 {
  static constexpr int kCentroids = 32;  // two tiles of sixteen
  static constexpr int kLaneFeatures = 2, kStepMultiple = 16;

  // Tiles of sixteen rows, one after the other along the features.
  static int64_t place(int64_t steps, int64_t step, int group) { return group * steps + step * 16; }
};

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {0};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

using Tile = float[16][16];  // products of sixteen centroids with sixteen rows

// Calls finish(c, r, dots) for sixteen centroids from c on and sixteen rows from r on.
//
// Up to 32 * kSteps features: the tiles of 32 rows stay in their registers.
// Products are looked at one turn late, so that the tile unit works on while the vector units compare.
template <int kSteps, class Finish>
void for_each_tile_held(const PackedCentroids& table, const uint32_t* rows, int64_t begin,
                        int64_t end, Ahead& ahead, const Finish& finish) {
  alignas(64) Tile dots[2][2];
  ahead.spread((end - begin) / 8);
  for (int r = 0; r < kBlock; r += 32) {
    const uint32_t* block = rows + r * 16 * kSteps;
    AMX_LOAD(4, block, 64);
    AMX_LOAD(5, block + 256 * kSteps, 64);
    if (kSteps == 2) {
      AMX_LOAD(6, block + 256, 64);
      AMX_LOAD(7, block + 256 * 3, 64);
    }
    const auto finish_both = [&](int64_t c, const Tile* tiles) __attribute__((always_inline)) {
      finish(c, r, tiles[0]);
      finish(c, r + 16, tiles[1]);
    };
    const uint32_t* words = table.packed + begin * 16 * kSteps;
    int turn = 0;
    for (int64_t c = begin; c < end; c += 16, words += 256 * kSteps, turn ^= 1) {
      ahead.turn();
      AMX_ZERO(0);
      AMX_ZERO(1);
      AMX_LOAD(2, words, 64);
      AMX_DOT(0, 2, 4);
      AMX_DOT(1, 2, 5);
      if (kSteps == 2) {
        AMX_LOAD(3, words + 256, 64);
        AMX_DOT(0, 3, 6);
        AMX_DOT(1, 3, 7);
      }
      if (c > begin) finish_both(c - 16, dots[turn ^ 1]);
      AMX_STORE(0, dots[turn][0], 64);
      AMX_STORE(1, dots[turn][1], 64);
    }
    finish_both(end - 16, dots[turn ^ 1]);
  }
}

// The same for any number of features: 32 centroids and 32 rows at a time. The tiles before are looked
// at between the products: one of the four after each quarter of the features.
template <class Finish>
void for_each_tile(const PackedCentroids& table, const uint32_t* rows, int64_t begin, int64_t end,
                   Ahead& ahead, const Finish& finish) {
  const int64_t steps = steps_of<Amx>(table.d), tiles = steps / 16;
  alignas(64) Tile dots[2][4];
  ahead.spread((end - begin) / 16 * tiles);
  int64_t c_before = -1;
  int r_before = 0, turn = 0;
  const auto finish_one = [&](int i) __attribute__((always_inline)) {
    finish(c_before + i / 2 * 16, r_before + i % 2 * 16, dots[turn ^ 1][i]);
  };
  for (int r = 0; r < kBlock; r += 32) {
    const uint32_t* left = rows + r * steps;
    const uint32_t* right = left + 16 * steps;
    for (int64_t c = begin; c < end; c += 32, turn ^= 1) {
      const uint32_t* upper = table.packed + c * steps;
      const uint32_t* lower = upper + 16 * steps;
      AMX_ZERO(0);
      AMX_ZERO(1);
      AMX_ZERO(2);
      AMX_ZERO(3);
      int64_t tile = 0;
      for (int i = 0; i < 4; ++i) {
        for (; tile < (i + 1) * tiles / 4; ++tile) {
          ahead.turn();
          AMX_STREAM(4, upper + tile * 256, 64);
          AMX_LOAD(6, left + tile * 256, 64);
          AMX_DOT(0, 4, 6);
          AMX_LOAD(7, right + tile * 256, 64);
          AMX_DOT(1, 4, 7);
          AMX_STREAM(5, lower + tile * 256, 64);
          AMX_DOT(2, 5, 6);
          AMX_DOT(3, 5, 7);
        }
        if (c_before >= 0) finish_one(i);
      }
      AMX_STORE(0, dots[turn][0], 64);
      AMX_STORE(1, dots[turn][1], 64);
      AMX_STORE(2, dots[turn][2], 64);
      AMX_STORE(3, dots[turn][3], 64);
      c_before = c;
      r_before = r;
    }
  }
  for (int i = 0; i < 4; ++i) finish_one(i);
}
