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

// Calls finish(c, r, dots) for sixteen centroids from c on and sixteen rows from r on. Earlier tiles are
// looked at between products, so that the tile unit works on while the vector units compare. A tile is
// stored just before it is used again: a store that waits for products holds up what follows.
//
// Up to kShortD features sixteen centroids at a time, with the rows from 0, 16, 32 and 48 on in turn; the
// first cache holds these.
constexpr int64_t kShortD = 256;

template <class Finish>
inline __attribute__((always_inline)) void for_each_short_tile(const PackedCentroids& table,
                                                               const uint32_t* rows, int64_t begin,
                                                               int64_t end, Ahead& ahead,
                                                               const Finish& finish) {
  const int64_t tiles = steps_of<Amx>(table.d) / 16, next = tiles * 256;
  alignas(64) Tile dots[4];
  ahead.spread((end - begin) / 16 * tiles);
  const uint32_t* words = table.packed + begin / 16 * next;
  for (int64_t c = begin; c < end; c += 16) {
    const bool later = c > begin;
    const auto finish_one = [&](int i) __attribute__((always_inline)) {
      if (later) finish(c - 16, 16 * i, dots[i]);
    };
    ahead.turn();
    AMX_LOAD(4, words, 64);
    if (later) AMX_STORE(0, dots[0], 64);
    AMX_ZERO(0);
    AMX_LOAD(6, rows, 64);
    AMX_DOT(0, 4, 6);
    if (later) AMX_STORE(1, dots[1], 64);
    AMX_ZERO(1);
    AMX_LOAD(7, rows + next, 64);
    AMX_DOT(1, 4, 7);
    if (later) AMX_STORE(2, dots[2], 64);
    AMX_ZERO(2);
    AMX_LOAD(6, rows + 2 * next, 64);
    AMX_DOT(2, 4, 6);
    if (later) AMX_STORE(3, dots[3], 64);
    AMX_ZERO(3);
    AMX_LOAD(7, rows + 3 * next, 64);
    AMX_DOT(3, 4, 7);
    words += 256;
    const auto products = [&](int64_t tile, auto&& between) __attribute__((always_inline)) {
      AMX_LOAD(5, words, 64);
      AMX_LOAD(6, rows + tile * 256, 64);
      AMX_DOT(0, 5, 6);
      between(0);
      AMX_LOAD(7, rows + tile * 256 + next, 64);
      AMX_DOT(1, 5, 7);
      between(1);
      AMX_LOAD(6, rows + tile * 256 + 2 * next, 64);
      AMX_DOT(2, 5, 6);
      between(2);
      AMX_LOAD(7, rows + tile * 256 + 3 * next, 64);
      AMX_DOT(3, 5, 7);
      between(3);
      words += 256;
    };
    if (tiles == 1) {
      for (int i = 0; i < 4; ++i) finish_one(i);
      continue;
    }
    ahead.turn();
    products(1, finish_one);
    for (int64_t tile = 2; tile < tiles; ++tile) {
      ahead.turn();
      products(tile, [](int) {});
    }
  }
  AMX_STORE(0, dots[0], 64);
  AMX_STORE(1, dots[1], 64);
  AMX_STORE(2, dots[2], 64);
  AMX_STORE(3, dots[3], 64);
  for (int i = 0; i < 4; ++i) finish(end - 16, 16 * i, dots[i]);
}

// The same for any number of features: 32 centroids and 32 rows at a time, an earlier tile looked at after
// each quarter of the features. The rows stay in the first cache, and centroids stream past them.
template <class Finish>
inline __attribute__((always_inline)) void for_each_long_tile(const PackedCentroids& table,
                                                              const uint32_t* rows, int64_t begin,
                                                              int64_t end, Ahead& ahead,
                                                              const Finish& finish) {
  const int64_t tiles = steps_of<Amx>(table.d) / 16, next = tiles * 256;
  alignas(64) Tile dots[4];
  ahead.spread((end - begin) / 16 * tiles);
  int64_t c_before = -1;
  int r_before = 0;
  const auto finish_one = [&](int i) __attribute__((always_inline)) {
    if (c_before >= 0) finish(c_before + i / 2 * 16, r_before + i % 2 * 16, dots[i]);
  };
  for (int r = 0; r < kBlock; r += 32) {
    const uint32_t* left = rows + r / 16 * next;
    const uint32_t* right = left + next;
    for (int64_t c = begin; c < end; c += 32) {
      const uint32_t* upper = table.packed + c / 16 * next;
      const uint32_t* lower = upper + next;
      const bool later = c_before >= 0;
      ahead.turn();
      AMX_STREAM(4, upper, 64);
      AMX_LOAD(6, left, 64);
      if (later) AMX_STORE(0, dots[0], 64);
      AMX_ZERO(0);
      AMX_DOT(0, 4, 6);
      AMX_LOAD(7, right, 64);
      if (later) AMX_STORE(1, dots[1], 64);
      AMX_ZERO(1);
      AMX_DOT(1, 4, 7);
      AMX_STREAM(5, lower, 64);
      if (later) AMX_STORE(2, dots[2], 64);
      AMX_ZERO(2);
      AMX_DOT(2, 5, 6);
      if (later) AMX_STORE(3, dots[3], 64);
      AMX_ZERO(3);
      AMX_DOT(3, 5, 7);
      int64_t tile = 1;
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
        finish_one(i);
      }
      c_before = c;
      r_before = r;
    }
  }
  AMX_STORE(0, dots[0], 64);
  AMX_STORE(1, dots[1], 64);
  AMX_STORE(2, dots[2], 64);
  AMX_STORE(3, dots[3], 64);
  for (int i = 0; i < 4; ++i) finish_one(i);
}
