#include "late_scalar.h"

#include <mutex>
#include <vector>

namespace ally_fast {
namespace {

// Pinned memory is dear to allocate (it can halt the device), and a training needs a few numbers in
// each of many iterations: freed ones are used again. Never given back: a page at a time.
class PinnedNumbers {
 public:
  double* take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) {
      constexpr int kPage = 512;
      auto* page = static_cast<double*>(allocate_pinned(kPage * sizeof(double)));
      for (int i = 0; i < kPage; ++i) free_.push_back(page + i);
    }
    double* const number = free_.back();
    free_.pop_back();
    return number;
  }
  void give_back(double* number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(number);
  }

 private:
  std::mutex mutex_;
  std::vector<double*> free_;
};

PinnedNumbers& pinned_numbers() {
  static auto* const numbers = new PinnedNumbers;  // outlives the objects that Python holds
  return *numbers;
}

}  // namespace

LateScalar::LateScalar(const CudaStream& stream, const double* value)
    : pinned_(pinned_numbers().take()), copied_(stream) {
  copy_to_pinned(stream, pinned_, value, sizeof(double));
  copied_.record();
}

LateScalar::~LateScalar() {
  try {
    copied_.wait();  // the copy must not land in somebody else's number
  } catch (const CudaError&) {
    return;
  }
  pinned_numbers().give_back(pinned_);
}

double LateScalar::read() const {
  copied_.wait();
  return *pinned_;
}

}  // namespace ally_fast
