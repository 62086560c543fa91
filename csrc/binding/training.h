// Arguments that the operations of training share, on either device.
#pragma once
#include <cmath>
#include <utility>

#include "binding/arguments.h"
#include "ops/halve/halve.h"
#include "ops/relocate/relocate.h"

namespace ally_fast {

template <class Array, class... On>
const float* training_rows(const Array& array, const On&... on) {
  const float* rows = typed<const float>(array, "rows", 2, on...);
  REQUIRE(array.shape(0) >= 1 && array.shape(0) < int64_t{1} << 31 && array.shape(1) >= 1, "rows",
          shape_of(array), "(t, d) of at least one row and feature, t < 2**31");
  return rows;
}

template <class Array>
int64_t clusters_of(const Array& array, const char* name, int64_t least) {
  const int64_t k = array.shape(0);
  REQUIRE(k >= least && k <= INT32_MAX, name, shape_of(array), "at least ", least,
          " and fewer than 2**31 clusters");
  return k;
}

template <class Array, class... On>
const double* grid_of(const Array& array, int64_t d, const On&... on) {
  return shaped<const double>(array, "grid", {2 * d + 1}, on...);
}

inline void check_most(int64_t most, int64_t t) {
  REQUIRE(most >= t, "most", most, "at least the ", t, " rows");
}

inline void check_factor(double factor, const char* name) {
  REQUIRE(factor >= 0 && std::isfinite(factor), name, "", "a finite value of at least 0");
}

// Centroids, and where their rows' distances to them are added up; both null where neither is given.
template <class Array, class... On>
std::pair<const float*, int64_t*> spread_of(const std::optional<Array>& centroids,
                                            const std::optional<Array>& spread, int64_t k,
                                            int64_t d, const On&... on) {
  REQUIRE(centroids.has_value() == spread.has_value(), "centroids, spread", "", "both or neither");
  if (!centroids) return {};
  return {shaped<const float>(*centroids, "centroids", {k, d}, on...),
          shaped<int64_t>(*spread, "spread", {2}, on...)};
}

template <class Array>
struct ClusteringArrays {
  const Array &assignments, &centroids, &sums, &counts, &grid;
};

template <class Array, class... On>
ClusteredRows clustered_rows(const Array& rows, const ClusteringArrays<Array>& arrays, int64_t most,
                             const On&... on) {
  const float* data = training_rows(rows, on...);
  const int64_t t = rows.shape(0), d = rows.shape(1);
  const float* centroids = typed<const float>(arrays.centroids, "centroids", 2, on...);
  const int64_t k = clusters_of(arrays.centroids, "centroids", 1);
  REQUIRE(arrays.centroids.shape(1) == d, "centroids", shape_of(arrays.centroids), "d = ", d);
  check_most(most, t);
  return {data,
          t,
          d,
          one_each<const int32_t>(arrays.assignments, "assignments", t, on...),
          centroids,
          shaped<const int64_t>(arrays.sums, "sums", {k, d}, on...),
          shaped<const int64_t>(arrays.counts, "counts", {k}, on...),
          k,
          grid_of(arrays.grid, d, on...),
          most};
}

template <class Array, class... On>
Clustering clustering_of(const ClusteringArrays<Array>& arrays, const On&... on) {
  float* centroids = typed<float>(arrays.centroids, "centroids", 2, on...);
  const int64_t k = clusters_of(arrays.centroids, "centroids", 2), d = arrays.centroids.shape(1);
  return {arrays.assignments.size(),
          d,
          k,
          grid_of(arrays.grid, d, on...),
          typed<int32_t>(arrays.assignments, "assignments", 1, on...),
          centroids,
          shaped<int64_t>(arrays.sums, "sums", {k, d}, on...),
          shaped<int64_t>(arrays.counts, "counts", {k}, on...)};
}

// How many of k clusters have bit `bit` of their number set.
inline int64_t count_ones(int64_t k, int bit) {
  REQUIRE(bit >= 0 && bit < 32 && (int64_t{1} << bit) < k, "bit", bit, "2**bit < k = ", k);
  int64_t ones = 0;
  for (int64_t c = 0; c < k; ++c) ones += c >> bit & 1;
  return ones;
}

template <class Array, class... On>
Parts parts_of(const Array& nearest_of_zeros, const Array& nearest_of_ones, int bit, int64_t k,
               const On&... on) {
  const int64_t ones = count_ones(k, bit);
  return {shaped<const int32_t>(nearest_of_zeros, "nearest_of_zeros", {k - ones}, on...),
          shaped<const int32_t>(nearest_of_ones, "nearest_of_ones", {ones}, on...), bit};
}

template <class Array>
struct HalvesArrays {
  const Array &stale, &halves, &sums, &counts, &gains, &sides;
  const Array* spreads;  // null where they are not looked at
};

template <class Array, class... On>
Halves halves_of(const HalvesArrays<Array>& arrays, int64_t k, int64_t d, int64_t t,
                 const On&... on) {
  return {shaped<uint8_t>(arrays.stale, "stale", {k}, on...),
          shaped<float>(arrays.halves, "halves", {k, d}, on...),
          shaped<int64_t>(arrays.sums, "half_sums", {k, d}, on...),
          shaped<int64_t>(arrays.counts, "half_counts", {k}, on...),
          shaped<double>(arrays.gains, "gains", {k}, on...),
          arrays.spreads ? shaped<int64_t>(*arrays.spreads, "spreads", {k, 2}, on...) : nullptr,
          shaped<uint8_t>(arrays.sides, "sides", {t}, on...)};
}

}  // namespace ally_fast
