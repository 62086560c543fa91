// Of each row the two largest scores and the largest one's column, by maxima alone; for hopper_scan.h.
//
// A thread's scores of a row are told apart by three coordinates: the tile, the band (eight of the
// thread's columns in a tile) and the spot in the band. Kept are the largest score of every tile, of
// every band over all tiles and of every spot over all tiles. The largest score of all has the
// coordinates of the largest tile, band and spot; any other differs from it in one of them at
// least, so the largest of the three runners-up is the second largest score. That costs two maxima a
// score and a quarter; a comparison and two selections a score, for the column, are spared. Where two
// scores are both the largest, the second says so and the column may be nobody's.
#pragma once
#include "../hopper/wgmma.h"

namespace ally_fast {
namespace {

constexpr int kThreadColumns = kWgmmaColumns / 4;  // in a tile
constexpr int kSpots = 8, kBands = kThreadColumns / kSpots;
constexpr float kLargestFloat = 3.40282347e+38f;

// Where column i of a thread's lies in the tile.
__device__ __forceinline__ int tile_column(int i, int lane) {
  return i / 2 * 8 + lane % 4 * 2 + i % 2;
}

// The largest, the second largest and the largest one's column.
struct Leader {
  float best, second;
  int column;
};

__device__ __forceinline__ Leader better_of(const Leader& a, const Leader& b) {
  const bool other = b.best > a.best || (b.best == a.best && b.column < a.column);
  return {fmaxf(a.best, b.best), fmaxf(fmaxf(a.second, b.second), fminf(a.best, b.best)),
          other ? b.column : a.column};
}

// Takes the best of some scores, the first on a tie, for the leader.
__device__ __forceinline__ void lead(Leader& leader, float score, int column) {
  leader.second = fmaxf(leader.second, fminf(leader.best, score));
  if (score > leader.best) leader.column = column;
  leader.best = fmaxf(leader.best, score);
}

// Of the rows that a thread has in kHalves products of 64 rows each.
template <int kHalves>
class HopperTrack {
 public:
  static constexpr int kThreadRows = 2 * kHalves;
  __device__ __forceinline__ HopperTrack() {
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      tile_[r] = {-kLargestFloat, -kLargestFloat, 0};
#pragma unroll
      for (float& largest : band_[r]) largest = -kLargestFloat;
#pragma unroll
      for (float& largest : spot_[r]) largest = -kLargestFloat;
    }
  }

  __device__ __forceinline__ void update(const Accumulators (&scores)[kHalves], int tile) {
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      float in_tile = -kLargestFloat;
#pragma unroll
      for (int band = 0; band < kBands; ++band) {
        float in_band = -kLargestFloat;
#pragma unroll
        for (int spot = 0; spot < kSpots; ++spot) {
          const int c = band * kSpots + spot;
          const float score = scores[r / 2][c / 2 * 4 + r % 2 * 2 + c % 2];
          spot_[r][spot] = fmaxf(spot_[r][spot], score);
          in_band = spot == 0 ? score : fmaxf(in_band, score);
        }
        band_[r][band] = fmaxf(band_[r][band], in_band);
        in_tile = band == 0 ? in_band : fmaxf(in_tile, in_band);
      }
      lead(tile_[r], in_tile, tile);
    }
  }

  // Of row r, of the thread's columns.
  __device__ __forceinline__ Leader leader(int r) const {
    Leader band{band_[r][0], -kLargestFloat, 0}, spot{spot_[r][0], -kLargestFloat, 0};
#pragma unroll
    for (int i = 1; i < kBands; ++i) lead(band, band_[r][i], i);
#pragma unroll
    for (int i = 1; i < kSpots; ++i) lead(spot, spot_[r][i], i);
    const int c = band.column * kSpots + spot.column;
    return {tile_[r].best, fmaxf(tile_[r].second, fmaxf(band.second, spot.second)),
            tile_[r].column * kWgmmaColumns + tile_column(c, static_cast<int>(threadIdx.x))};
  }

 private:
  Leader tile_[kThreadRows];
  float band_[kThreadRows][kBands], spot_[kThreadRows][kSpots];
};

}  // namespace
}  // namespace ally_fast
