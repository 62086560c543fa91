// The rows that can still be in the batch: each cluster's best, and every cluster's size.
//
//   within a cluster rows are ordered by (score descending, position ascending): tie_order.h
//   row of rank r in cluster c has the quotient (r + 1/2) / w_c; the batch is the b lowest
//
// As rows stream by, sizes only grow, so the b-th lowest quotient computed from the sizes seen so far
// never rises: a row beyond it in its cluster can be forgotten for good. Memory O(b + k), and two
// shortlists of different rows merge into the shortlist of all of them, in any order.
// Scores must be finite (checked by the caller); weights finite and > 0.
#pragma once
#include <cstdint>
#include <vector>

#include "../../common/tie_order.h"

namespace ally_fast {

class Shortlist {
 public:
  struct Entry {
    double score;
    int64_t position;
  };

  Shortlist(int64_t k, int64_t b, const double* weights, const TieOrder& ties);

  // Rows with cluster (negative: left out), score and pool index (null: first, first + 1, …).
  void push(const int32_t* assignments, const double* scores, int64_t count, int64_t first,
            const int64_t* indices);
  // Adds the rows of another shortlist, made with the same k, b and weights, of other rows.
  void merge(const Shortlist& other);
  // The same from another's entries and sizes, wherever they were kept.
  void merge_entries(const int32_t* clusters, const double* scores, const int64_t* indices,
                     int64_t count, const int64_t* sizes);
  // Forgets all that cannot be in the batch. Entries are then best first within each cluster.
  void prune();

  const std::vector<int64_t>& sizes() const { return sizes_; }
  const std::vector<std::vector<Entry>>& entries() const { return entries_; }
  int64_t b() const { return b_; }
  const TieOrder& ties() const { return ties_; }
  const std::vector<double>& weights() const { return weights_; }
  int64_t kept() const { return kept_; }

 private:
  void add(int64_t c, Entry entry);
  // How many of each cluster's best rows can be in the batch, given the sizes so far.
  std::vector<int64_t> depths() const;

  int64_t b_, kept_ = 0, limit_;
  TieOrder ties_;
  std::vector<double> weights_;
  std::vector<int64_t> sizes_;
  std::vector<std::vector<Entry>> entries_;
  std::vector<Entry> worst_;  // a row must beat this to enter its cluster
};

}  // namespace ally_fast
