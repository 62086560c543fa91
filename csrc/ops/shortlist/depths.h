// How many of each cluster's best rows can be in the batch, given the sizes so far: a search for a
// quotient that covers b rows; see shortlist.h. Written once, for host and device.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../../common/host_device.h"

namespace ally_fast {

// Rows of a cluster with a quotient of at most q: floor(q w + 1/2).
ALLY_FAST_HOST_DEVICE inline int64_t rows_within(double quotient, double weight, int64_t size) {
  const double rows = std::floor(quotient * weight + 0.5);
  return rows >= static_cast<double>(size) ? size : static_cast<int64_t>(rows);
}

// The cluster's depth at the quotient found: one row more than that says makes up for its rounding.
ALLY_FAST_HOST_DEVICE inline int64_t depth_at(double quotient, double weight, int64_t size) {
  const int64_t rows = rows_within(quotient, weight, size) + 1;
  return rows < size ? rows : size;
}

// Bisection for the lowest quotient within which there are b rows, if there are more than b in all:
//
//   while (search.open()) search.narrow(rows within search.middle() of all clusters >= b);
//
// Doubles above zero are ordered as their bits are: bisecting those reaches any scale.
class QuotientSearch {
 public:
  ALLY_FAST_HOST_DEVICE QuotientSearch(int64_t b, double lightest)
      : high_(bits_of((static_cast<double>(b) + 1) / lightest)) {}

  ALLY_FAST_HOST_DEVICE bool open() const { return high_ - low_ > 1; }
  ALLY_FAST_HOST_DEVICE double middle() const { return double_of(low_ + (high_ - low_) / 2); }
  ALLY_FAST_HOST_DEVICE void narrow(bool covered) {
    (covered ? high_ : low_) = low_ + (high_ - low_) / 2;
  }
  ALLY_FAST_HOST_DEVICE double quotient() const { return double_of(high_); }

 private:
  static ALLY_FAST_HOST_DEVICE uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
  }
  static ALLY_FAST_HOST_DEVICE double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }

  uint64_t low_ = 0, high_;
};

}  // namespace ally_fast
