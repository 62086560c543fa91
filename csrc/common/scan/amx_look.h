// The fine look with AMX tiles: rows and centroids as two bfloat16 values a feature, what rounding left of
// the first is the second. Products of the two seconds are left out. Rows of a group share tiles, sixteen
// at a time, as rows of the product. Included after amx_tiles.h, inside the anonymous namespace of the
// file that uses it.

// Sixteen rows of one group or fewer, and their products with its centroids: of the first values,
// and of a first with a second.
struct Members {
  int64_t first;
  int count = 0;
  alignas(64) int32_t rows[16];
  alignas(64) Tile dots[2];
};

// Leaves the products in tiles 0 and 1.
void multiply(const PackedCentroids& table, const Looks& looks, const Members& members) {
  const int64_t steps = steps_of<Amx>(table.d);
  const uint32_t* centroids = table.fine + members.first * 2 * steps;
  const auto fine = [&](int i) __attribute__((always_inline)) {
    return looks.fine + looks.slot[members.rows[i]] * 2 * steps;
  };
  alignas(64) uint32_t rows[2][16][16];
  AMX_ZERO(0);
  AMX_ZERO(1);
  for (int64_t step = 0; step < steps; step += 16, centroids += 512) {
    if (members.count == 1) {  // in all rows of the tile
      AMX_LOAD(2, fine(0) + step, 0);
      AMX_LOAD(3, fine(0) + step + steps, 0);
    } else {
      for (int i = 0; i < 16; ++i) {
        const uint32_t* const row = fine(i) + step;
        _mm512_store_si512(rows[0][i], _mm512_loadu_si512(row));
        _mm512_store_si512(rows[1][i], _mm512_loadu_si512(row + steps));
      }
      // GCC does not know that a tile reads the rows.
      __asm__ volatile("" ::: "memory");
      AMX_LOAD(2, &rows[0][0][0], 64);
      AMX_LOAD(3, &rows[1][0][0], 64);
      __asm__ volatile("" ::: "memory");
    }
    AMX_LOAD(4, centroids, 64);
    AMX_DOT(0, 2, 4);
    AMX_DOT(1, 3, 4);
    AMX_LOAD(5, centroids + 256, 64);
    AMX_DOT(1, 2, 5);
  }
}

void add_products(const PackedCentroids& table, const Members& members, const float* error,
                  const Lowest& lowest) {
  const auto active = static_cast<__mmask16>((1u << members.count) - 1);
  const __m512i rows = _mm512_load_si512(members.rows);
  const __m512 zero = _mm512_setzero_ps();
  alignas(64) Tile by_centroid;
  Amx::transpose(
      [&](int i) __attribute__((always_inline)) {
        return _mm512_add_ps(Amx::load(members.dots[0][i]), Amx::load(members.dots[1][i]));
      },
      &by_centroid[0][0]);
  const auto gather = [&](const float* from) __attribute__((always_inline)) {
    return _mm512_mask_i32gather_ps(zero, active, rows, from, 4);
  };
  const float* const half_norm = table.half_norm + members.first;
  LowestInLanes found = lowest_of_sixteen([&](int j) { return score(half_norm, by_centroid, j); });
  found.lower(gather(error), Amx::broadcast(table.norm[members.first / 16]));
  const __m512i first = _mm512_set1_epi32(static_cast<int32_t>(members.first));
  found.index = _mm512_add_epi32(found.index, first);
  LowestInLanes known = found;
  known.best = gather(lowest.best);
  known.second = gather(lowest.second);
  known.index = _mm512_mask_i32gather_epi32(first, active, rows, lowest.index, 4);
  known.add(found);
  _mm512_mask_i32scatter_ps(lowest.best, active, rows, known.best, 4);
  _mm512_mask_i32scatter_ps(lowest.second, active, rows, known.second, 4);
  _mm512_mask_i32scatter_epi32(lowest.index, active, rows, known.index, 4);
}

// The rows before are looked at while tiles are multiplied.
void look_in_tiles(const PackedCentroids& table, const Looks& looks, const float* error,
                   const Lowest& lowest) {
  static const TileConfig config;
  AMX_CONFIGURE(&config);
  Members members[2];
  int turn = 0;
  for (int64_t g = looks.begin; g < looks.end; ++g) {
    for (int32_t at = looks.start[g]; at < looks.start[g + 1]; at += 16, turn ^= 1) {
      Members& now = members[turn];
      now.first = g * 16;
      now.count = looks.start[g + 1] - at < 16 ? looks.start[g + 1] - at : 16;
      for (int i = 0; i < 16; ++i) now.rows[i] = looks.rows[at + (i < now.count ? i : 0)];
      multiply(table, looks, now);
      if (members[turn ^ 1].count > 0) add_products(table, members[turn ^ 1], error, lowest);
      AMX_STORE(0, now.dots[0], 64);
      AMX_STORE(1, now.dots[1], 64);
    }
  }
  if (members[turn ^ 1].count > 0) add_products(table, members[turn ^ 1], error, lowest);
  AMX_RELEASE();
}

void score_fine_group(const PackedCentroids& table, const uint32_t* fine_row, float error,
                      int64_t first, float* scores) {
  const int64_t steps = steps_of<Amx>(table.d);
  const uint32_t* centroids = table.fine + first * 2 * steps;
  const auto word = [](uint32_t value) __attribute__((always_inline)) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(value)));
  };
  const auto load = [](const uint32_t* from) __attribute__((always_inline)) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
  };
  __m512 sums[6];  // two of each kind of product
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t tile = 0; tile < steps; tile += 16, centroids += 512) {
#pragma GCC unroll 16
    for (int step = 0; step < 16; ++step) {
      __m512* const sum = sums + step % 2 * 3;
      const __m512bh centroid = load(centroids + step * 16), row = word(fine_row[tile + step]);
      sum[0] = _mm512_dpbf16_ps(sum[0], row, centroid);
      sum[1] = _mm512_dpbf16_ps(sum[1], word(fine_row[steps + tile + step]), centroid);
      sum[2] = _mm512_dpbf16_ps(sum[2], row, load(centroids + 256 + step * 16));
    }
  }
  const __m512 small =
      _mm512_add_ps(_mm512_add_ps(sums[1], sums[2]), _mm512_add_ps(sums[4], sums[5]));
  const __m512 sum = _mm512_add_ps(_mm512_add_ps(sums[0], sums[3]), small);
  const __m512 low =
      Amx::subtract_product(Amx::load(table.half_norm + first), Amx::broadcast(error),
                            Amx::broadcast(table.norm[first / 16]));
  Amx::store(scores, _mm512_add_ps(low, sum));
}
