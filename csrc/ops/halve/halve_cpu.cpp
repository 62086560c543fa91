#include "halve.h"

#include <algorithm>
#include <vector>

#include "../../common/aligned.h"
#include "../../common/sums/cluster_order.h"
#include "../../common/sums/grid.h"
#include "../../common/sums/merge_cost.h"
#include "../../common/sums/row_sums.h"

namespace ally_fast {
namespace {

constexpr int64_t kTaskClusters = 8;
constexpr int64_t kAhead = 4;  // rows

// Rows of a cluster lie all over memory: no hardware guesses which one comes next.
void prefetch(const float* row, int64_t d) {
  constexpr int64_t kLine = 16;  // floats
  for (int64_t j = 0; j < d; j += kLine) __builtin_prefetch(row + j);
}

// Halves one cluster after the other.
class Halver {
 public:
  Halver(const ClusteredRows& all, const ClusterOrder& order, const RowSums& of_row,
         const Halves& out)
      : all_(all),
        order_(order),
        of_row_(of_row),
        out_(out),
        values_(all.grid, all.grid + 2 * all.d + 1),
        grid_(values_.data(), all.d),
        bits_(grid_bits(all.most)),
        direction_(static_cast<size_t>(all.d)),
        sums_(static_cast<size_t>(all.d)),
        near_(static_cast<size_t>(all.d)),
        far_(static_cast<size_t>(all.d)) {}

  void run(int64_t c) {
    const int32_t* const begin = order_.rows.data() + order_.begins[c];
    const int32_t* const end = order_.rows.data() + order_.begins[c + 1];
    const float* const mean = all_.centroids + c * all_.d;
    const float* const farthest = measure(c, begin, end, mean);
    int64_t count = 0;
    double gain = 0;
    if (farthest) {
      double limit = 0;
      for (int64_t j = 0; j < all_.d; ++j) {
        direction_[j] = static_cast<double>(farthest[j]) - static_cast<double>(mean[j]);
      }
      for (int round = 0; round < kHalvings; ++round) {
        count = take_sides(begin, end, mean, limit);
        if (count == 0 || count == end - begin) break;
        limit = aim(c, count, mean);
      }
    }
    if (count == 0 || count == end - begin) {
      count = 0;
      for (const int32_t* i = begin; i < end; ++i) out_.sides[*i] = 0;
    } else {
      std::copy(far_.begin(), far_.end(), out_.centroids + c * all_.d);
      std::copy(sums_.begin(), sums_.end(), out_.sums + c * all_.d);
      const double apart = of_row_.distance(near_.data(), far_.data(), all_.d);
      gain = merge_cost(apart, end - begin - count, count);
    }
    out_.counts[c] = count;
    out_.gains[c] = gain;
    out_.stale[c] = 0;
  }

 private:
  // The spread about the mean; returns the farthest row, null if all lie on the mean.
  const float* measure(int64_t c, const int32_t* begin, const int32_t* end, const float* mean) {
    DistanceSum spread{0, 0};
    double largest = 0;
    const float* farthest = nullptr;
    for (const int32_t* i = begin; i < end; ++i) {
      const float* row = all_.rows + *i * all_.d;
      prefetch(all_.rows + i[std::min<int64_t>(kAhead, end - 1 - i)] * all_.d, all_.d);
      const double distance = of_row_.distance(row, mean, all_.d);
      const DistanceSum term = grid_distance(distance, *grid_.distance_scale, bits_);
      spread.high += term.high;
      spread.low += term.low;
      if (distance > largest) largest = distance, farthest = row;
      poll(all_.d);
    }
    out_.spreads[2 * c] = spread.high;
    out_.spreads[2 * c + 1] = spread.low;
    return farthest;
  }

  // Sides by direction and limit, and the sums of side 1; returns its rows.
  int64_t take_sides(const int32_t* begin, const int32_t* end, const float* mean, double limit) {
    std::fill(sums_.begin(), sums_.end(), 0);
    int64_t count = 0;
    for (const int32_t* i = begin; i < end; ++i) {
      const float* row = all_.rows + *i * all_.d;
      const bool side = of_row_.lean(row, mean, direction_.data(), all_.d) > limit;
      out_.sides[*i] = side;
      count += side;
      if (side) of_row_.add(row, row, grid_.shift, grid_.scale, all_.d, sums_.data());
      poll(2 * all_.d);
    }
    return count;
  }

  // Means of both sides, the direction from one to the other, and the limit halfway.
  double aim(int64_t c, int64_t count, const float* mean) {
    const int64_t* const whole = all_.sums + c * all_.d;
    for (int64_t j = 0; j < all_.d; ++j) {
      const double shift = grid_.shift[j], scale = grid_.scale[j];
      far_[j] = mean_feature(shift, scale, sums_[j], count);
      near_[j] = mean_feature(shift, scale, whole[j] - sums_[j], all_.counts[c] - count);
      direction_[j] = static_cast<double>(far_[j]) - static_cast<double>(near_[j]);
    }
    const double far = of_row_.distance(far_.data(), mean, all_.d);
    return (far - of_row_.distance(near_.data(), mean, all_.d)) / 2;
  }

  const ClusteredRows& all_;
  const ClusterOrder& order_;
  const RowSums& of_row_;
  const Halves& out_;
  const AlignedVector<double> values_;
  const Grid grid_;
  const int bits_;
  AlignedVector<double> direction_;
  AlignedVector<int64_t> sums_;
  AlignedVector<float> near_, far_;
};

}  // namespace

void halve_cpu(const ClusteredRows& clustered, const Kernel& kernel, int threads,
               const Halves& halves) {
  const ClusterOrder order = order_by_cluster(clustered.assignments, clustered.t, clustered.k);
  const RowSums& of_row = row_sums(kernel);
  const int64_t tasks = (clustered.k + kTaskClusters - 1) / kTaskClusters;
  parallel_for_with(
      tasks, threads, [&] { return std::make_unique<Halver>(clustered, order, of_row, halves); },
      [&](int64_t task, Halver& halver) {
        const int64_t end = std::min(clustered.k, (task + 1) * kTaskClusters);
        for (int64_t c = task * kTaskClusters; c < end; ++c) {
          if (halves.stale[c]) halver.run(c);
        }
      });
}

}  // namespace ally_fast
