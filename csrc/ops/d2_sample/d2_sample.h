// D^2 sampling (the k-means++ start), exact in distribution, in few passes over the rows.
//
//   first centre uniform; each next one row j with probability D_j / sum D,
//   D_j = min over the centres so far of D(x_j, centre);  D: the exact rule of scan/kernel.h
//
// How: proposals are drawn from the D of a round's start and accepted with probability
// D_now / D_start, which leaves exactly the law above; at the end of the round one pass lowers D for
// all rows. Source: Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
//
// rows       IN   (t, d) float32, contiguous, finite; 1 <= k <= t
// seed       IN   Philox key; the answer depends on rows, k and seed alone
// positions  OUT  (k,) int64, distinct, in the order drawn. When every row lies on a centre (fewer
//                 distinct rows than k), the rest are the lowest rows not yet taken.
#pragma once
#include "../../common/cuda/stream.h"
#include "../../common/scan/certified.h"

namespace ally_fast {

void d2_sample_cpu(const float* rows, int64_t t, int64_t d, int64_t k, uint64_t seed,
                   const Kernel& kernel, int threads, int64_t* positions);

// Device pointers. Waits for each round but the last, while the one after it runs.
void d2_sample_cuda(const CudaStream& stream, const float* rows, int64_t t, int64_t d, int64_t k,
                    uint64_t seed, int64_t* positions);

}  // namespace ally_fast
