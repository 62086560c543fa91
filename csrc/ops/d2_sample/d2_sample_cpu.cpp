#include "d2_sample.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "../../common/philox.h"
#include "../../common/scan/near.h"
#include "round.h"

namespace ally_fast {
namespace {

class D2Sampler {
 public:
  D2Sampler(const float* rows, int64_t t, int64_t d, uint64_t seed, const Kernel& kernel,
            int threads)
      : rows_(rows),
        t_(t),
        d_(d),
        seed_(seed),
        kernel_(kernel),
        threads_(threads),
        view_(view_float32(rows, t, d)),
        padded_(round_up(d, 8)),
        weights_(static_cast<size_t>(t), std::numeric_limits<double>::infinity()),
        block_sums_(static_cast<size_t>((t + kWeightBlock - 1) / kWeightBlock)),
        wide_(static_cast<size_t>(padded_)) {}

  void run(int64_t k, int64_t* positions) {
    const Philox4 bits = next_draw();
    int64_t taken = 0;
    positions[taken++] = std::min<int64_t>(
        static_cast<int64_t>(to_uniform(bits.v[0], bits.v[1]) * static_cast<double>(t_)), t_ - 1);
    lower_weights(positions, 1);
    while (taken < k && total_ > 0) {
      const int64_t accepted = run_round(wanted_in_round(k, taken), positions + taken);
      lower_weights(positions + taken, accepted);
      taken += accepted;
    }
    fill_up(k, taken, positions);
  }

 private:
  Philox4 next_draw() { return draw(seed_, Purpose::kD2Sample, draws_++); }

  // Draws centres against the weights of the round's start.
  int64_t run_round(int64_t wanted, int64_t* accepted) {
    int64_t count = 0, rejected = 0;
    centres_.clear();
    while (round_goes_on(wanted, count, rejected)) {
      const Philox4 bits = next_draw();
      const int64_t j = locate(to_uniform(bits.v[0], bits.v[1]) * total_);
      double weight = weights_[j];
      kernel_.load_row(view_, j, wide_.data());
      for (int64_t c = 0; c < count; ++c) {
        weight = std::min(
            weight, kernel_.squared_distance(wide_.data(), centres_.data() + c * padded_, padded_));
      }
      if (!(to_uniform(bits.v[2], bits.v[3]) * weights_[j] < weight)) {
        ++rejected;
        continue;
      }
      accepted[count++] = j;
      centres_.insert(centres_.end(), rows_ + j * d_, rows_ + (j + 1) * d_);
      centres_.resize(static_cast<size_t>(count * padded_), 0.0);
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

  void lower_weights(const int64_t* chosen, int64_t count) {
    std::vector<double> centres(static_cast<size_t>(count * d_));
    for (int64_t c = 0; c < count; ++c) {
      std::copy_n(rows_ + chosen[c] * d_, d_, centres.data() + c * d_);
    }
    const CentroidTable table(centres.data(), count, d_, kernel_);
    const int64_t tasks = static_cast<int64_t>(block_sums_.size());
    const auto make = [&] { return std::make_unique<BlockScanner>(table, view_); };
    parallel_for_with(tasks, threads_, make, [&](int64_t task, BlockScanner& scanner) {
      const int64_t begin = task * kWeightBlock, end = std::min(t_, begin + kWeightBlock);
      lower_to_nearest(scanner, begin, end, weights_.data() + begin);
      double sum = 0;
      for (int64_t j = begin; j < end; ++j) sum += weights_[j];
      block_sums_[task] = sum;
    });
    total_ = 0;
    for (double sum : block_sums_) total_ += sum;
  }

  void fill_up(int64_t k, int64_t taken, int64_t* positions) const {
    if (taken == k) return;
    std::vector<bool> used(static_cast<size_t>(t_), false);
    for (int64_t c = 0; c < taken; ++c) used[positions[c]] = true;
    for (int64_t j = 0; taken < k; ++j) {
      if (!used[j]) positions[taken++] = j;
    }
  }

  const float* rows_;
  const int64_t t_, d_;
  const uint64_t seed_;
  const Kernel& kernel_;
  const int threads_;
  const RowsView view_;
  const int64_t padded_;
  std::vector<double> weights_, block_sums_, wide_;
  std::vector<double> centres_;
  double total_ = 0;
  uint64_t draws_ = 0;
};

}  // namespace

void d2_sample_cpu(const float* rows, int64_t t, int64_t d, int64_t k, uint64_t seed,
                   const Kernel& kernel, int threads, int64_t* positions) {
  D2Sampler(rows, t, d, seed, kernel, threads).run(k, positions);
}

}  // namespace ally_fast
