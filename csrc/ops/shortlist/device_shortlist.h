// The shortlist of rows whose clusters and scores are in device memory; what it is: shortlist.h.
//
// What beats its cluster's threshold is appended to one buffer, in any order; when that might be
// full, all of it is sorted by (cluster, score descending, position ascending), and each cluster keeps
// its best. The host never asks how many there are: it knows how many there can be, and queues a
// pruning which the device leaves out if there are few. So nothing waits, apart from `fetch`.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../../common/cuda/stream.h"
#include "../../common/rows.h"
#include "../../common/tie_order.h"

namespace ally_fast {

class DeviceShortlist {
 public:
  struct Entries {
    std::vector<int32_t> clusters;
    std::vector<double> scores;
    std::vector<int64_t> indices, sizes;
  };

  // weights       IN  (k,) float64, on the host; finite, > 0, and so is (b + 1) / weight (checked by
  //                   the binding)
  // largest_push  IN  rows that are appended between two prunings, at least 1: 24 bytes of device
  //                   memory each
  DeviceShortlist(const CudaStream& stream, int64_t k, int64_t b, const double* weights,
                  const TieOrder& ties, int64_t largest_push);
  ~DeviceShortlist();
  DeviceShortlist(const DeviceShortlist&) = delete;
  DeviceShortlist& operator=(const DeviceShortlist&) = delete;

  // assignments  IN  (count,) int32 in [-1, k), -1: left out; device
  // scores       IN  (count,) of dtype, contiguous, finite; device
  // indices      IN  (count,) int64, device; null: first, first + 1, …
  void push(const int32_t* assignments, const void* scores, DType dtype, int64_t count,
            int64_t first, const int64_t* indices);

  // What Shortlist::prune leaves of the same rows: clusters ascending, best first. Waits.
  Entries fetch();

  int64_t k() const { return k_; }
  const CudaStream& stream() const { return stream_; }

 private:
  struct Memory;
  // Keeps what can be in the batch, if there are more than `limit` entries.
  void prune(int64_t limit);

  CudaStream stream_;
  int64_t k_, b_, limit_, largest_push_, next_push_;
  int64_t bound_ = 0;  // there are at most so many entries
  double lightest_;
  TieOrder ties_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace ally_fast
