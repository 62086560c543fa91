// D^2 sampling (the k-means++ start) for any squared distance, exact in distribution, in few passes over
// the rows.
//
//   first centre uniform; each next one row j with probability D_j / sum D,
//   D_j = min over the centres so far of D(x_j, centre)
//
// How: proposals are drawn from the D of a round's start and accepted with probability
// D_now / D_start, which leaves exactly the law above; at the end of the round one pass lowers D for
// all rows. Source: Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
//
// A Metric measures rows, and holds the centres of the round:
//   void forget();                     // the rows held
//   void hold(int64_t j);              // row j too
//   double to_held(int64_t j);         // from row j to the nearest row held; infinity if there is none
//   void lower(double* weights, done); // weights[j] = min(weights[j], to_held(j)) for every row j, and
//                                      // done(block) after each block of kWeightBlock rows, in any order
#pragma once
#include <algorithm>
#include <limits>
#include <vector>

#include "../../common/philox.h"
#include "../../common/poll.h"

namespace ally_fast {

constexpr int64_t kWeightBlock = 1024;  // rows whose weights are added up in order
constexpr int64_t kLargestRound = 256;

// Centres that a round tries to find: as many as are known already keep most proposals.
inline int64_t wanted_in_round(int64_t k, int64_t taken) {
  const int64_t left = k - taken, most = taken < kLargestRound ? taken : kLargestRound;
  return left < most ? left : most;
}

// Whether a round goes on. Once too many proposals have failed, the old weights are not worth
// keeping.
inline bool round_goes_on(int64_t wanted, int64_t accepted, int64_t rejected) {
  return accepted < wanted && rejected <= 8 + accepted / 2;
}

template <class Metric>
class D2Sampler {
 public:
  D2Sampler(Metric& metric, int64_t t, uint64_t seed)
      : metric_(metric),
        t_(t),
        seed_(seed),
        weights_(static_cast<size_t>(t), std::numeric_limits<double>::infinity()),
        block_sums_(static_cast<size_t>((t + kWeightBlock - 1) / kWeightBlock)) {}

  void run(int64_t k, int64_t* positions) {
    const Philox4 bits = next_draw();
    int64_t taken = 0;
    positions[taken++] = std::min<int64_t>(
        static_cast<int64_t>(to_uniform(bits.v[0], bits.v[1]) * static_cast<double>(t_)), t_ - 1);
    metric_.hold(positions[0]);
    lower_weights();
    while (taken < k && total_ > 0) {
      taken += run_round(wanted_in_round(k, taken), positions + taken);
      lower_weights();
    }
    fill_up(k, taken, positions);
  }

 private:
  Philox4 next_draw() { return draw(seed_, Purpose::kD2Sample, draws_++); }

  // Draws centres against the weights of the round's start.
  int64_t run_round(int64_t wanted, int64_t* accepted) {
    int64_t count = 0, rejected = 0;
    metric_.forget();
    while (round_goes_on(wanted, count, rejected)) {
      const Philox4 bits = next_draw();
      poll(static_cast<int64_t>(block_sums_.size()) + kWeightBlock);
      const int64_t j = locate(to_uniform(bits.v[0], bits.v[1]) * total_);
      const double weight = std::min(weights_[j], metric_.to_held(j));
      if (!(to_uniform(bits.v[2], bits.v[3]) * weights_[j] < weight)) {
        ++rejected;
        continue;
      }
      accepted[count++] = j;
      metric_.hold(j);
    }
    return count;
  }

  // The row on which `target` in [0, total) falls, weights laid end to end.
  int64_t locate(double target) const {
    size_t block = 0;
    while (block + 1 < block_sums_.size() && target >= block_sums_[block]) {
      target -= block_sums_[block++];
    }
    const int64_t begin = static_cast<int64_t>(block) * kWeightBlock;
    const int64_t end = std::min(t_, begin + kWeightBlock);
    int64_t last = begin;
    for (int64_t j = begin; j < end; ++j) {
      if (weights_[j] <= 0) continue;
      last = j;  // rounding can leave a remainder past the end: the last row of weight takes it
      if (target < weights_[j]) return j;
      target -= weights_[j];
    }
    return last;
  }

  void lower_weights() {
    metric_.lower(weights_.data(), [&](int64_t block) {
      const int64_t begin = block * kWeightBlock, end = std::min(t_, begin + kWeightBlock);
      double sum = 0;
      for (int64_t j = begin; j < end; ++j) sum += weights_[j];
      block_sums_[block] = sum;
    });
    total_ = 0;
    for (double sum : block_sums_) total_ += sum;
  }

  void fill_up(int64_t k, int64_t taken, int64_t* positions) const {
    if (taken == k) return;
    std::vector<bool> used(static_cast<size_t>(t_), false);
    for (int64_t c = 0; c < taken; ++c) used[positions[c]] = true;
    polled_for(t_, [&](int64_t j) {
      if (taken < k && !used[j]) positions[taken++] = j;
    });
  }

  Metric& metric_;
  const int64_t t_;
  const uint64_t seed_;
  std::vector<double> weights_, block_sums_;
  double total_ = 0;
  uint64_t draws_ = 0;
};

}  // namespace ally_fast
