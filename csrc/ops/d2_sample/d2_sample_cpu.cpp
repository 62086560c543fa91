#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "../../common/scan/near.h"
#include "d2_sample.h"
#include "sampler.h"

namespace ally_fast {
namespace {

class RowMetric {
 public:
  RowMetric(const float* rows, int64_t t, int64_t d, const Kernel& kernel, int threads)
      : rows_(rows),
        t_(t),
        d_(d),
        kernel_(kernel),
        threads_(threads),
        view_(view_float32(rows, t, d)),
        padded_(round_up(d, 8)),
        wide_(static_cast<size_t>(padded_)) {}

  void forget() {
    held_.clear();
    centres_.clear();
  }

  void hold(int64_t j) {
    held_.push_back(j);
    centres_.insert(centres_.end(), rows_ + j * d_, rows_ + (j + 1) * d_);
    centres_.resize(held_.size() * static_cast<size_t>(padded_), 0.0);
  }

  double to_held(int64_t j) {
    double nearest = std::numeric_limits<double>::infinity();
    kernel_.load_row(view_, j, wide_.data());
    for (size_t c = 0; c < held_.size(); ++c) {
      const double* centre = centres_.data() + c * static_cast<size_t>(padded_);
      nearest = std::min(nearest, kernel_.squared_distance(wide_.data(), centre, padded_));
    }
    poll(static_cast<int64_t>(held_.size() + 1) * padded_);
    return nearest;
  }

  template <class Done>
  void lower(double* weights, const Done& done) const {
    std::vector<double> centres;
    for (int64_t j : held_) centres.insert(centres.end(), rows_ + j * d_, rows_ + (j + 1) * d_);
    const CentroidTable table(centres.data(), static_cast<int64_t>(held_.size()), d_, kernel_);
    const int64_t tasks = (t_ + kWeightBlock - 1) / kWeightBlock;
    const auto make = [&] { return std::make_unique<BlockScanner>(table, view_); };
    parallel_for_with(tasks, threads_, make, [&](int64_t task, BlockScanner& scanner) {
      const int64_t begin = task * kWeightBlock, end = std::min(t_, begin + kWeightBlock);
      lower_to_nearest(scanner, begin, end, weights + begin);
      done(task);
    });
  }

 private:
  const float* rows_;
  const int64_t t_, d_;
  const Kernel& kernel_;
  const int threads_;
  const RowsView view_;
  const int64_t padded_;
  std::vector<double> wide_, centres_;  // padded
  std::vector<int64_t> held_;
};

}  // namespace

void d2_sample_cpu(const float* rows, int64_t t, int64_t d, int64_t k, uint64_t seed,
                   const Kernel& kernel, int threads, int64_t* positions) {
  RowMetric metric(rows, t, d, kernel, threads);
  D2Sampler(metric, t, seed).run(k, positions);
}

}  // namespace ally_fast
