// D^2 sampling among outer products that are never formed: BADGE's gradient embeddings.
//
//   g_i = a_i (x) h_i,   a_i = left_i - e(targets_i),   h_i = right_i;   e(j): 1 at j, 0 elsewhere
//   G(i, j) = max(0, (((A_i - A_j)(H_i - H_j) + P (H_i + H_j)) + (Q (A_i + A_j) - P Q)) / 2)  = ||g_i - g_j||^2
//   A_i = D(a_i, 0), H_i = D(h_i, 0), P = D(a_i, a_j), Q = D(h_i, h_j);   D: the exact rule of scan/kernel.h
//
// Every term of G is small where the rows are near one another, and 0 where they are equal, so nothing
// is lost to cancellation. The draw is that of sampler.h with G for D.
// Source: Ash, Zhang, Krishnamurthy, Langford, Agarwal, "Deep batch active learning by diverse, uncertain
// gradient lower bounds", ICLR 2020.
//
// left     IN   (n, C) view, such as class probabilities; any float type
// right    IN   (n, d) view, such as embeddings; the same `positions`, ascending and distinct, if any
// targets  IN   (n,) int64 in [0, C); null: a_i = left_i
// b        IN   0 <= b <= left.visited; for b = 0 nothing is read
// seed     IN   Philox key; the answer depends on the factors, b and seed alone
// picks    OUT  (b,) int64, distinct rows in [0, n), in the order drawn. When every row visited lies on
//               a pick, the rest are the lowest rows not yet taken.
// Preconditions (checked by the binding): the above; 1 <= C, d <= kLargestD; `normalize` off. Rows with
// A_i or H_i not below kLargestFactor (NaN, infinite, too large) are counted; then nothing is picked.
#pragma once
#include "../../common/scan/certified.h"

namespace ally_fast {

// Sums of products of four such squared lengths stay far from overflow.
constexpr double kLargestFactor = 1e100;

struct UnusableRows {
  int64_t count = 0;
  int64_t first = -1;
};

UnusableRows d2_sample_outer_cpu(const RowsView& left, const RowsView& right,
                                 const int64_t* targets, int64_t b, uint64_t seed,
                                 const Kernel& kernel, int threads, int64_t* picks);

}  // namespace ally_fast
