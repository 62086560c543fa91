// Native tests of the core, for the sanitizers: every kernel this machine can run (AMX emulated)
// against plain loops, over shapes that leave tails everywhere. Exits with 1 on the first failure.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "../common/parallel.h"
#include "../common/philox.h"
#include "../common/poll.h"
#include "../common/scan/certified.h"
#include "../ops/assign/assign.h"
#include "../ops/centroid_update/centroid_update.h"
#include "../ops/cluster_sums/cluster_sums.h"
#include "../ops/d2_sample_outer/d2_sample_outer.h"
#include "../ops/dual_ascent/dual_ascent.h"
#include "../ops/dual_ascent/elementary.h"
#include "../ops/feature_grid/feature_grid.h"
#include "../ops/halve/halve.h"
#include "../ops/k_center_greedy/k_center_greedy.h"
#include "../ops/load_rows/load_rows.h"
#include "../ops/radius_filter/radius_filter.h"
#include "../ops/relocate/relocate.h"
#include "../ops/sample_rows/sample_rows.h"
#include "../ops/shortlist/shortlist.h"

using namespace ally_fast;

namespace {

int checks = 0;

void check(bool condition, const std::string& what) {
  ++checks;
  if (condition) return;
  std::printf("FAILED: %s\n", what.c_str());
  std::exit(1);
}

// Deterministic numbers for the tests.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  double uniform() {
    const Philox4 bits = draw(seed_, static_cast<Purpose>(99), count_++);
    return to_uniform(bits.v[0], bits.v[1]);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(uniform() * static_cast<double>(n)); }
  double normal() {
    return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  uint64_t seed_, count_ = 0;
};

uint16_t to_half(float value) {  // for small normal values, truncating
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const int exponent = static_cast<int>(bits >> 23 & 255) - 112;
  if (exponent <= 0) return static_cast<uint16_t>(bits >> 16 & 0x8000u);
  return static_cast<uint16_t>((bits >> 16 & 0x8000u) | static_cast<uint32_t>(exponent) << 10 |
                               (bits >> 13 & 0x3ffu));
}

float from_half(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double sign = half & 0x8000 ? -1 : 1, fraction = half & 0x3ff;
  return static_cast<float>(
      sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24)));
}

// Rows stored in some dtype and layout, and their values in float64.
struct Pool {
  std::vector<char> memory;
  std::vector<double> values;
  RowsView view;

  Pool(Random& random, int64_t n, int64_t d, DType dtype, double scale, double offset,
       bool reversed, int64_t gap) {
    const int64_t item = dtype == DType::kFloat64 ? 8 : dtype == DType::kFloat32 ? 4 : 2;
    const int64_t col = item * (1 + gap), row = col * d + item;
    memory.resize(static_cast<size_t>(std::max<int64_t>(1, n * row)));
    values.resize(static_cast<size_t>(n * d));
    char* first = memory.data() + (reversed ? (n - 1) * row : 0);
    view.data = first;
    view.n = view.visited = n;
    view.d = d;
    view.row_stride = reversed ? -row : row;
    view.col_stride = col;
    view.dtype = dtype;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < d; ++j) {
        // Every third row repeats one before it, and some features are on a coarse grid: ties.
        double value = offset + scale * std::round(random.normal() * 4) / 4;
        if (i % 3 == 2) value = values[(i - 1) * d + j];
        values[i * d + j] = put(first + i * view.row_stride + j * col, dtype, value);
      }
    }
  }

  static double put(char* to, DType dtype, double value) {
    const float single = static_cast<float>(value);
    switch (dtype) {
      case DType::kFloat64:
        std::memcpy(to, &value, 8);
        return value;
      case DType::kFloat32:
        std::memcpy(to, &single, 4);
        return single;
      case DType::kFloat16: {
        const uint16_t half = to_half(single);
        std::memcpy(to, &half, 2);
        return from_half(half);
      }
      case DType::kBFloat16:
        break;
    }
    uint32_t bits;
    std::memcpy(&bits, &single, 4);
    bits &= 0xffff0000u;
    const uint16_t high = static_cast<uint16_t>(bits >> 16);
    std::memcpy(to, &high, 2);
    float back;
    std::memcpy(&back, &bits, 4);
    return back;
  }

  std::vector<double> row(int64_t i) const {
    std::vector<double> x(values.begin() + i * view.d, values.begin() + (i + 1) * view.d);
    if (!view.normalize) return x;
    const double s = sum(x), root = std::sqrt(s);
    for (double& v : x) v = s == 0 ? 0 : static_cast<float>(v / root);
    return x;
  }

  static double sum(const std::vector<double>& t) {
    double a[8] = {0};
    for (size_t j = 0; j < t.size(); ++j) a[j % 8] += t[j] * t[j];
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
  }

  double distance(int64_t i, const double* centroid) const {
    std::vector<double> t = row(i);
    for (size_t j = 0; j < t.size(); ++j) t[j] -= centroid[j];
    return sum(t);
  }
};

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> found;
  for (const char* const* name = runnable_kernels(); *name; ++name) {
    found.push_back(find_kernel(*name));
  }
  return found;
}

struct Shape {
  int64_t n, d, k;
};

void test_assign() {
  const Shape shapes[] = {{1, 1, 1},    {3, 2, 2},      {65, 7, 5},    {130, 16, 33},
                          {200, 17, 6}, {257, 31, 100}, {96, 33, 64},  {70, 64, 97},
                          {64, 100, 3}, {129, 3, 40},   {40, 130, 70}, {2100, 5, 12}};
  const DType dtypes[] = {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kFloat64};
  Random random(1);
  for (const Shape& shape : shapes) {
    for (int variant = 0; variant < 8; ++variant) {
      const DType dtype = dtypes[variant % 4];
      const bool wide = dtype == DType::kFloat32 || dtype == DType::kFloat64;
      const double scale = variant == 6 ? 1e18 : variant == 7 ? 1e-30 : 1;
      const double offset = variant == 2 ? 1e4 : variant == 3 ? 1e8 : 0;
      Pool pool(random, shape.n, shape.d, dtype, wide ? scale : 1, offset, variant % 2 == 1,
                variant / 4);
      pool.view.normalize = variant == 4 || variant == 5;
      std::vector<double> centroids(static_cast<size_t>(shape.k * shape.d));
      for (int64_t c = 0; c < shape.k; ++c) {
        const std::vector<double> x = pool.row(random.below(shape.n));
        for (int64_t j = 0; j < shape.d; ++j) {
          const double noise = c % 2 ? random.normal() * (wide ? scale : 1) / 8 : 0;
          centroids[c * shape.d + j] = static_cast<float>(x[j] + noise);
        }
      }
      std::vector<int32_t> expected(static_cast<size_t>(shape.n));
      std::vector<double> nearest(static_cast<size_t>(shape.n));
      for (int64_t i = 0; i < shape.n; ++i) {
        nearest[i] = std::numeric_limits<double>::infinity();
        for (int64_t c = 0; c < shape.k; ++c) {
          const double distance = pool.distance(i, centroids.data() + c * shape.d);
          if (distance < nearest[i]) {
            nearest[i] = distance;
            expected[i] = static_cast<int32_t>(c);
          }
        }
      }
      const double radius = std::sqrt(nearest[random.below(shape.n)]);
      for (const Kernel* kernel : kernels()) {
        const std::string where = std::string(kernel->name) + " n=" + std::to_string(shape.n) +
                                  " d=" + std::to_string(shape.d) +
                                  " k=" + std::to_string(shape.k) + " variant " +
                                  std::to_string(variant);
        const PackedPoints table(centroids.data(), shape.k, shape.d, *kernel);
        for (int threads : {1, 3}) {
          std::vector<int32_t> found(expected.size(), -7);
          const AssignStats stats = assign_cpu(pool.view, table, threads, true, found.data());
          check(found == expected && stats.nonfinite == 0, "assign " + where);
        }
        std::vector<double> distances(expected.size());
        squared_distances_cpu(pool.view, table, expected.data(), 2, distances.data());
        check(distances == nearest, "squared_distances " + where);
        if (radius > 0) {
          std::vector<uint8_t> within(expected.size());
          radius_filter_cpu(pool.view, table, radius, 2, within.data());
          for (int64_t i = 0; i < shape.n; ++i) {
            check(within[i] == (nearest[i] <= radius * radius), "radius_filter " + where);
          }
        }
        RowsView some = pool.view;
        const std::vector<int64_t> positions = {shape.n - 1, 0, shape.n / 2};
        some.positions = positions.data();
        some.visited = 3;
        std::vector<int32_t> found(3);
        assign_cpu(some, table, 1, true, found.data());
        for (int i = 0; i < 3; ++i) check(found[i] == expected[positions[i]], "positions " + where);
        std::vector<float> loaded(expected.size() * static_cast<size_t>(shape.d));
        check(load_rows_cpu(pool.view, *kernel, nullptr, nullptr, 1, 2, loaded.data()),
              "load_rows " + where);
        for (int64_t i = 0; i < shape.n; ++i) {
          const std::vector<double> x = pool.row(i);
          for (int64_t j = 0; j < shape.d; ++j) {
            check(loaded[i * shape.d + j] == static_cast<float>(x[j]), "load_rows " + where);
          }
        }
      }
    }
  }
}

// Every centroid twice, or two of them many times: no row is decided without the exact rule, at shapes
// whose tables are scanned in slices, whose rows do not fit together, and whose looks take several pieces.
void test_twins() {
  const std::pair<Shape, int64_t> shapes[] = {{{2048, 9, 40}, 20},
                                              {{2048, 64, 40}, 20},
                                              {{2048, 150, 40}, 20},
                                              {{300, 700, 600}, 300},
                                              {{2048, 64, 400}, 2}};
  Random random(11);
  for (const auto& [shape, distinct] : shapes) {
    Pool pool(random, shape.n, shape.d, DType::kFloat32, 1, 0, false, 0);
    std::vector<double> centroids;
    for (int64_t c = 0; c < shape.k; ++c) {
      const std::vector<double> x = pool.row(c % distinct);
      centroids.insert(centroids.end(), x.begin(), x.end());
    }
    std::vector<int32_t> expected(static_cast<size_t>(shape.n));
    std::vector<double> nearest(expected.size(), std::numeric_limits<double>::infinity());
    for (int64_t i = 0; i < shape.n; ++i) {
      for (int64_t c = 0; c < distinct; ++c) {
        const double distance = pool.distance(i, centroids.data() + c * shape.d);
        if (distance >= nearest[i]) continue;
        nearest[i] = distance;
        expected[i] = static_cast<int32_t>(c);
      }
    }
    std::vector<double> sorted = nearest;
    std::sort(sorted.begin(), sorted.end());
    const double radius = std::sqrt(sorted[sorted.size() / 2]);
    for (const Kernel* kernel : kernels()) {
      const std::string where = std::string(kernel->name) + " d=" + std::to_string(shape.d);
      const PackedPoints table(centroids.data(), shape.k, shape.d, *kernel);
      std::vector<int32_t> found(expected.size(), -7);
      const AssignStats stats = assign_cpu(pool.view, table, 2, true, found.data());
      check(found == expected, "twins " + where);
      check(stats.uncertain == shape.n && stats.candidates >= shape.k / distinct * shape.n,
            "twins measured " + where);
      std::vector<uint8_t> within(expected.size());
      radius_filter_cpu(pool.view, table, radius, 2, within.data());
      for (int64_t i = 0; i < shape.n; ++i) {
        check(within[i] == (nearest[i] <= radius * radius), "twins within " + where);
      }
    }
  }
}

void test_k_center_greedy() {
  Random random(4);
  const int64_t n = 400, d = 11, b = 60;
  for (DType dtype : {DType::kFloat16, DType::kFloat32, DType::kFloat64}) {
    Pool pool(random, n, d, dtype, 1, 0, true, 1);
    std::vector<double> nearest(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) nearest[i] = pool.distance(i, pool.row(7).data());
    std::vector<int64_t> expected;
    for (int64_t t = 0; t < b; ++t) {
      const int64_t far = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
      expected.push_back(far);
      for (int64_t i = 0; i < n; ++i) {
        nearest[i] = std::min(nearest[i], pool.distance(i, pool.row(far).data()));
      }
      for (int64_t pick : expected) nearest[pick] = -1;
    }
    std::vector<int64_t> after_row_7 = {7};
    after_row_7.insert(after_row_7.end(), expected.begin(), expected.end() - 1);
    for (const Kernel* kernel : kernels()) {
      const PackedPoints start(pool.row(7).data(), 1, d, *kernel);
      std::vector<int64_t> picks(static_cast<size_t>(b));
      std::vector<double> distances(picks.size());
      k_center_greedy_cpu(pool.view, &start, -1, b, *kernel, 3, picks.data(), distances.data());
      check(picks == expected, std::string("k_center_greedy ") + kernel->name);
      k_center_greedy_cpu(pool.view, nullptr, 7, b, *kernel, 1, picks.data(), distances.data());
      check(picks == after_row_7, std::string("k_center_greedy from a row, ") + kernel->name);
    }
  }
}

void test_nonfinite() {
  Random random(2);
  for (const Kernel* kernel : kernels()) {
    Pool pool(random, 200, 9, DType::kFloat32, 1, 0, false, 0);
    const float bad[] = {std::nanf(""), std::numeric_limits<float>::infinity()};
    std::memcpy(pool.memory.data() + 131 * pool.view.row_stride, bad, 4);
    std::memcpy(pool.memory.data() + 77 * pool.view.row_stride + 8, bad + 1, 4);
    const std::vector<double> origin(9, 0.0);
    std::vector<int32_t> found(200);
    const AssignStats stats =
        assign_cpu(pool.view, PackedPoints(origin.data(), 1, 9, *kernel), 2, true, found.data());
    check(stats.nonfinite == 2 && stats.first_nonfinite == 77, "nonfinite rows are counted");
    check(found[77] == -1 && found[131] == -1 && found[0] == 0, "nonfinite rows get -1");
  }
}

std::vector<float> gaussian(Random& random, int64_t n, int64_t d) {
  std::vector<float> rows(static_cast<size_t>(n * d));
  for (float& x : rows) x = static_cast<float>(random.normal());
  return rows;
}

void test_d2_sample_outer() {
  Random random(5);
  const int64_t n = 2500, c = 5, d = 19, b = 200;
  std::vector<float> left = gaussian(random, n, c), right = gaussian(random, n, d);
  std::vector<int64_t> targets(n), positions, expected;
  for (int64_t i = 0; i < n; ++i) targets[i] = i % c;
  for (int64_t i = 1; i < n; i += 2) positions.push_back(i);
  RowsView visited = view_float32(left.data(), n, c), others = view_float32(right.data(), n, d);
  visited.positions = others.positions = positions.data();
  visited.visited = others.visited = static_cast<int64_t>(positions.size());
  for (const Kernel* kernel : kernels()) {
    for (int threads : {1, 3}) {
      std::vector<int64_t> picks(static_cast<size_t>(b));
      d2_sample_outer_cpu(visited, others, targets.data(), b, 8, *kernel, threads, picks.data());
      if (expected.empty()) expected = picks;
      check(picks == expected, "d2_sample_outer is the same everywhere");
    }
  }
  check(std::set<int64_t>(expected.begin(), expected.end()).size() == expected.size(),
        "and distinct");
  check(std::all_of(expected.begin(), expected.end(), [](int64_t i) { return i % 2 == 1; }),
        "and of the rows visited");
  right[7 * d] = std::numeric_limits<float>::infinity();
  const UnusableRows bad =
      d2_sample_outer_cpu(visited, others, nullptr, b, 8, *kernels()[0], 2, expected.data());
  check(bad.count == 1 && bad.first == 7, "unusable rows are counted");
}

// Rows in clusters, as the ops of training change them.
struct Trained {
  int64_t t, d, k;
  std::vector<float> rows, centroids, halves;
  std::vector<int32_t> assignments;
  std::vector<double> grid, sizes, averages, gains;
  std::vector<int64_t> sums, counts, spread, half_sums, half_counts, spreads;
  std::vector<uint8_t> stale, sides;
  double gained = 0;

  Trained(const std::vector<float>& values, int64_t features, int64_t clusters)
      : t(static_cast<int64_t>(values.size()) / features),
        d(features),
        k(clusters),
        rows(values),
        centroids(values.begin(), values.begin() + k * d),
        halves(centroids.size()),
        assignments(static_cast<size_t>(t)),
        grid(static_cast<size_t>(2 * d + 1)),
        sizes(static_cast<size_t>(k)),
        averages(centroids.size()),
        gains(sizes.size()),
        sums(centroids.size()),
        counts(sizes.size()),
        spread(2),
        half_sums(sums.size()),
        half_counts(counts.size()),
        spreads(2 * counts.size()),
        stale(counts.size(), 1),
        sides(assignments.size()) {
    // The last two clusters are left empty.
    for (int64_t i = 0; i < t; ++i) {
      assignments[i] = static_cast<int32_t>(i * i % std::max<int64_t>(1, k - 2));
    }
  }

  Halves outputs() {
    return {stale.data(), halves.data(),  half_sums.data(), half_counts.data(),
            gains.data(), spreads.data(), sides.data()};
  }

  void sum(const Kernel& kernel, int threads) {
    std::fill(sums.begin(), sums.end(), 0);
    std::fill(counts.begin(), counts.end(), 0);
    spread = {0, 0};
    feature_grid_cpu(rows.data(), t, d, kernel, threads, grid.data());
    cluster_sums_cpu(rows.data(), t, d, assignments.data(), centroids.data(), k, grid.data(), t,
                     kernel, threads, sums.data(), counts.data(), spread.data());
  }

  void halve(const Kernel& kernel, int threads) {
    const ClusteredRows clustered{
        rows.data(), t, d, assignments.data(), centroids.data(), sums.data(), counts.data(), k,
        grid.data(), t};
    halve_cpu(clustered, kernel, threads, outputs());
  }

  // Any centroid of the other part will do, as long as it is the same one each time.
  void relocate(int bit, int threads) {
    int64_t ones = 0;
    for (int64_t c = 0; c < k; ++c) ones += c >> bit & 1;
    std::vector<int32_t> of_zeros(static_cast<size_t>(k - ones)), of_ones(ones);
    for (size_t at = 0; at < of_zeros.size(); ++at) of_zeros[at] = static_cast<int32_t>(at % ones);
    for (size_t at = 0; at < of_ones.size(); ++at) {
      of_ones[at] = static_cast<int32_t>(at * 7 % of_zeros.size());
    }
    const Clustering clustering{
        t, d, k, grid.data(), assignments.data(), centroids.data(), sums.data(), counts.data()};
    double fallen = 0;
    relocate_cpu(clustering, {of_zeros.data(), of_ones.data(), bit}, outputs(), threads, &fallen);
    gained += fallen;
  }

  auto answer() const {
    return std::tie(grid, sums, counts, spread, sizes, averages, centroids, assignments, halves,
                    half_sums, half_counts, gains, spreads, sides, stale, gained);
  }
};

void train(Trained& training, const Kernel& kernel, int threads, bool normalize) {
  const int64_t k = training.k, d = training.d;
  training.sum(kernel, threads);
  for (const Blend& blend : {Blend{0, 1, normalize}, Blend{0.75, 0.5, normalize}, Blend{0, 1, 0}}) {
    centroid_update_cpu(training.sums.data(), training.counts.data(), k, d, training.grid.data(),
                        blend, threads, {training.sizes.data(), training.averages.data()},
                        training.centroids.data());
  }
  for (int bit = 0; int64_t{1} << bit < k; ++bit) {
    training.halve(kernel, threads);
    training.relocate(bit, threads);
  }
}

void test_training_ops() {
  Random random(3);
  const Shape shapes[] = {{3000, 21, 150}, {1, 1, 1}, {7, 3, 7}, {500, 1, 9}, {64, 130, 2}};
  for (const Shape& shape : shapes) {
    std::vector<float> rows = gaussian(random, shape.n, shape.d);
    for (int64_t i = 0; i + 1 < shape.n; i += 5) {  // some rows twice
      std::copy_n(&rows[i * shape.d], shape.d, &rows[(i + 1) * shape.d]);
    }
    std::vector<Trained> expected;
    for (const Kernel* kernel : kernels()) {
      for (int threads : {1, 2, 7}) {
        for (bool normalize : {false, true}) {
          Trained training(rows, shape.d, shape.k);
          train(training, *kernel, threads, normalize);
          if (expected.empty()) expected.push_back(training);
          check(training.answer() == expected[0].answer(),
                std::string("training is the same everywhere ") + kernel->name);
        }
      }
    }
    const Trained& found = expected[0];
    check(std::accumulate(found.counts.begin(), found.counts.end(), int64_t{0}) == shape.n,
          "all rows are counted");
    check((found.gained > 0) == (shape.k > 1), "clusters move where it pays");
    Trained again = found;  // the sums that were moved are those of the rows
    again.sum(*kernels()[0], 2);
    check(again.sums == found.sums && again.counts == found.counts, "sums follow the rows");
    for (int64_t c = 0; c < shape.k; ++c) {
      for (int64_t j = 0; j < shape.d; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < shape.n; ++i) {
          if (found.assignments[i] == c) sum += rows[i * shape.d + j];
        }
        const double n = static_cast<double>(found.counts[c]), mean = n > 0 ? sum / n : 0;
        const double ours = found.centroids[c * shape.d + j];
        check(n == 0 || std::abs(ours - mean) <= 1e-6, "centroids are means");
      }
    }
  }
}

// The grid at its ends: many equal rows of the largest magnitude, and a distance out of range.
void test_sums_at_their_ends() {
  const int64_t t = 1 << 22;
  const float largest = std::numeric_limits<float>::max();
  std::vector<float> rows(static_cast<size_t>(t), largest);
  rows[5] = -largest;
  const std::vector<int32_t> assignments(rows.size());
  const float origin = -largest;
  for (const Kernel* kernel : kernels()) {
    double grid[3];
    feature_grid_cpu(rows.data(), t, 1, *kernel, 2, grid);
    int64_t sum = 0, count = 0, spread[2] = {0, 0};
    cluster_sums_cpu(rows.data(), t, 1, assignments.data(), &origin, 1, grid, t, *kernel, 2, &sum,
                     &count, spread);
    const auto step = static_cast<int64_t>(std::rint(static_cast<double>(largest) * grid[1]));
    check(sum == (t - 2) * step && count == t, "sums of the largest rows do not overflow");
    const double exact = 4.0 * largest * largest * static_cast<double>(t - 1);
    const double high = static_cast<double>(spread[0]) * 0x1p40;
    const double found = (high + static_cast<double>(spread[1])) / grid[2];
    check(std::abs(found - exact) <= 1e-15 * exact, "nor do their distances");
  }
}

void test_sample_rows() {
  std::vector<uint8_t> eligible(1000);
  int64_t count = 0;
  for (size_t i = 0; i < eligible.size(); ++i) count += eligible[i] = i % 3 == 0;
  for (int64_t size : {int64_t{0}, int64_t{1}, int64_t{50}, count}) {
    std::vector<int64_t> one(static_cast<size_t>(size)), two(one.size());
    sample_rows_cpu(1000, eligible.data(), count, size, 9, 1, one.data());
    sample_rows_cpu(1000, eligible.data(), count, size, 9, 5, two.data());
    check(one == two, "sample_rows is the same for any threads");
    check(std::set<int64_t>(one.begin(), one.end()).size() == one.size(), "without replacement");
    for (int64_t i : one) check(eligible[i], "only eligible rows");
  }
}

void test_shortlist() {
  Random random(4);
  const int64_t n = 40000, k = 17;
  std::vector<int32_t> assignments(static_cast<size_t>(n));
  std::vector<double> scores(assignments.size()), weights(static_cast<size_t>(k));
  for (int64_t i = 0; i < n; ++i) {
    assignments[i] = static_cast<int32_t>(random.below(k) * random.below(2) - (i % 50 == 0));
    scores[i] = static_cast<double>(random.below(100));
  }
  for (double& weight : weights) weight = 0.1 + random.uniform();
  for (int64_t b : {int64_t{1}, int64_t{40}, int64_t{3000}, int64_t{39000}}) {
    struct Row {
      double quotient, score;
      int64_t index;
    };
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t x, int64_t y) { return scores[x] > scores[y]; });
    std::vector<Row> all;
    std::vector<double> rank(static_cast<size_t>(k), 0);
    for (int64_t i : order) {
      const int32_t c = assignments[i];
      if (c >= 0) all.push_back({(rank[c]++ + 0.5) / weights[c], scores[i], i});
    }
    std::sort(all.begin(), all.end(), [](const Row& x, const Row& y) {
      if (x.quotient != y.quotient) return x.quotient < y.quotient;
      return x.score != y.score ? x.score > y.score : x.index < y.index;
    });
    const TieOrder by_index;
    Shortlist list(k, b, weights.data(), by_index), rest(k, b, weights.data(), by_index);
    for (int64_t lo = 0; lo < n; lo += 999) {
      const int64_t count = std::min<int64_t>(999, n - lo);
      (lo % 2 ? rest : list).push(&assignments[lo], &scores[lo], count, lo, nullptr);
    }
    list.merge(rest);
    list.prune();
    check(list.kept() <= b + 2 * k, "a shortlist holds what the batch can need");
    std::set<int64_t> kept;
    for (const auto& entries : list.entries()) {
      for (const auto& entry : entries) kept.insert(entry.position);
    }
    for (int64_t at = 0; at < std::min<int64_t>(b, static_cast<int64_t>(all.size())); ++at) {
      check(kept.count(all[at].index) == 1, "the batch is in the shortlist");
    }
  }
}

void test_tie_order() {
  const int64_t last = (int64_t{1} << 62) - 1;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{7}, ~uint64_t{0}}) {
    const TieOrder ties = random_ties(seed);
    std::set<int64_t> positions;
    for (int64_t i = 0; i < 2000; ++i) {
      for (const int64_t index : {i, last - i, (int64_t{1} << 31) - 1000 + i}) {
        const int64_t position = ties.position(index);
        check(position >= 0 && position <= last, "a position is in range");
        check(ties.index(position) == index, "the row comes back from its position");
        positions.insert(position);
      }
    }
    check(positions.size() == 6000, "no two rows share a position");
  }
  check(TieOrder{}.position(5) == 5 && TieOrder{}.index(5) == 5, "by index, positions are indices");
}

void test_exp() {
  double worst = 0;
  for (uint32_t bits = 0; bits < 0x42d00000u; bits += 97) {  // 0 to 104
    for (const float x : {-bits_float(bits), std::min(bits_float(bits), 40.0f)}) {
      const double exact = std::exp(static_cast<double>(x));
      const float nearest = static_cast<float>(exact);
      const double unit = static_cast<double>(std::nextafter(nearest, 3e38f)) - nearest;
      worst = std::max(worst, std::fabs(static_cast<double>(exp_float(x)) - exact) / unit);
    }
  }
  check(worst < 1, "exp is within one unit in the last place");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  check(exp_float(0) == 1 && exp_float(-kInfinity) == 0 && exp_float(-1e30f) == 0,
        "exp at its ends");
  check(std::isnan(exp_float(std::numeric_limits<float>::quiet_NaN())), "exp of NaN");
}

void test_elementary() {
  double worst = 0;
  const auto compare = [&](double found, double exact) {
    worst = std::max(worst, std::fabs(found - exact) / std::fabs(exact));
  };
  for (double x = 1e-40; x < 700; x *= 1.001) compare(exp_double(-x), std::exp(-x));
  for (double x = 1e-300; x < 1e300; x *= 1.001) compare(log1p_double(x), std::log1p(x));
  check(worst < 1e-12, "elementary functions");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  check(exp_double(0) == 1 && log1p_double(0) == 0, "exact ones");
  check(exp_double(-kInfinity) == 0, "at minus infinity");
  check(std::isnan(exp_double(kNaN)) && std::isnan(log1p_double(kNaN)), "of NaN");
}

void test_halves() {
  for (uint32_t bits = 0; bits < 1u << 16; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float a = half_to_float(half), b = bfloat_to_float(half);
    check(std::isnan(a) ? std::isnan(half_to_float(float_to_half(a))) : float_to_half(a) == half,
          "float16 there and back");
    check(std::isnan(b) ? std::isnan(bfloat_to_float(float_to_bfloat(b)))
                        : float_to_bfloat(b) == half,
          "bfloat16 there and back");
    const float next = half_to_float(static_cast<uint16_t>(half + 1));
    if (!std::isfinite(a) || !std::isfinite(next)) continue;
    const uint16_t even = static_cast<uint16_t>(half + (half & 1));
    check(float_to_half((a + next) / 2) == even || (half & 0x7fff) == 0, "ties go to even");
  }
  check(float_to_half(65519.0f) == 0x7bff && float_to_half(65520.0f) == 0x7c00,
        "float16 overflows");
}

void test_parallel_for() {
  for (const Tasks order : {Tasks::kQueue, Tasks::kShares}) {
    for (const int64_t tasks : {0, 1, 2, 5, 1000}) {
      for (const int threads : {1, 2, 7}) {
        std::vector<std::atomic<int>> taken(static_cast<size_t>(tasks));
        const auto take = [&](int64_t task, int worker) {
          taken[task] += worker >= 0 && worker < std::min<int64_t>(tasks, threads);
        };
        parallel_for(tasks, threads, take, order);
        for (const std::atomic<int>& times : taken)
          check(times == 1, "each task is taken once, by a worker");
        bool caught = false;
        const auto fail = [&](int64_t task, int) {
          if (task == tasks / 2) throw std::runtime_error("here");
        };
        try {
          parallel_for(tasks, threads, fail, order);
        } catch (const std::runtime_error&) {
          caught = true;
        }
        check(caught == (tasks > 0), "an exception comes back");
      }
    }
  }
}

// A thousand tasks, one of which throws; what is asked of the calling thread throws too if `asked`.
// Returns whose exception came back.
struct NotWanted {};
std::string outcome(int threads, Tasks order, int64_t failing, bool asked, int64_t* taken) {
  std::atomic<int64_t> count{0};
  std::string what = "nothing";
  const Poll caller(asked ? [] { throw NotWanted(); } : Poll::Ask{nullptr});
  std::this_thread::sleep_for(Poll::kInterval);
  try {
    parallel_for(
        1000, threads,
        [&](int64_t task, int) {
          ++count;
          if (task == failing) throw std::runtime_error("here");
          for (int i = 0; asked && i < 20; ++i) {  // a helper's task ends in the middle
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            poll();
          }
        },
        order);
  } catch (const NotWanted&) {
    what = "the caller's";
  } catch (const std::runtime_error&) {
    what = "the task's";
  } catch (const Stopped&) {
    what = "a helper's";
  }
  *taken = count;
  return what;
}

void test_poll() {
  int64_t taken = 0;
  for (const Tasks order : {Tasks::kQueue, Tasks::kShares}) {
    for (const int threads : {1, 2, 7}) {
      check(outcome(threads, order, -1, true, &taken) == "the caller's" && taken < 1000,
            "a question that throws stops all workers");
      const std::string both = outcome(threads, order, threads > 1 ? 999 : 1, true, &taken);
      check(both == "the caller's" || (both == "the task's" && order == Tasks::kShares),
            "of two exceptions one comes back, and never that of a stopped helper");
      check(outcome(threads, order, 500, false, &taken) == "the task's", "a task's comes back");
      check(outcome(threads, order, -1, false, &taken) == "nothing" && taken == 1000,
            "nothing stops what nobody asks to stop");
    }
  }
  // Worker 0 has nothing to do and waits for the other, which stops at a poll().
  std::atomic<bool> finished{false};
  std::atomic<bool> begun{false};
  const auto endless = [&](int64_t, int worker) {
    if (worker == 1) begun = true;
    while (worker == 1 || !begun) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (worker == 1) poll();
    }
  };
  bool caught = false;
  try {
    const Poll caller([] { throw NotWanted(); });
    parallel_for(2, 2, endless, Tasks::kShares);
    finished = true;
  } catch (const NotWanted&) {
    caught = true;
  }
  check(caught && !finished, "a waiting thread asks too");
  {
    const Poll caller([] { throw NotWanted(); });
    const Uninterrupted whole;
    std::this_thread::sleep_for(2 * Poll::kInterval);
    for (int i = 0; i < 3; ++i) poll();
    check(outcome(3, Tasks::kQueue, -1, false, &taken) == "nothing", "what is begun is finished");
  }
  poll();  // nobody is there to be asked
}

// An exception at any poll() leaves no leak behind, and a second call is as good as the first.
void test_interrupted_ops() {
  Random random(5);
  const Pool pool(random, 700, 24, DType::kFloat32, 1, 0, false, 0);
  for (const Kernel* kernel : kernels()) {
    const PackedPoints table(pool.values.data(), 100, 24, *kernel);
    std::vector<int32_t> whole(700), again(700);
    assign_cpu(pool.view, table, 3, true, whole.data());
    bool caught = false;
    try {
      const Poll caller([] { throw NotWanted(); });
      std::this_thread::sleep_for(Poll::kInterval);
      for (;;) assign_cpu(pool.view, table, 3, true, again.data());
    } catch (const NotWanted&) {
      caught = true;
    }
    assign_cpu(pool.view, table, 3, true, again.data());
    check(caught && whole == again, "an op can be called again after it was stopped");
  }
}

const volatile float* watched = nullptr;

void test_wrong_duals() {
  const Kernel& kernel = *kernels()[0];
  // Rows for two tasks; a few rows of a set so large that their ids are sorted.
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{300000, 300007}, {40, 300007}}) {
    std::vector<int64_t> ids(static_cast<size_t>(m));
    for (int64_t i = 0; i < m; ++i) ids[i] = i * 7919 % n;
    std::vector<float> multipliers(static_cast<size_t>(n)), epsilon(multipliers),
        before(ids.size()), slacks(ids.size());
    const std::vector<float> losses(ids.size(), 1.0f);
    for (int64_t s = 0; s < n; ++s) multipliers[s] = static_cast<float>(s);
    // Whether it is right; if so, multipliers are put back, and if not, they must not have changed.
    const auto ascend = [&, n = n](int64_t rows, const float* bounds, float bound) {
      const std::vector<float> at_start = multipliers;
      const DualVariablesView duals{ids.data(), n, bounds, bound, 0.1, multipliers.data()};
      const bool right = dual_ascent_losses_cpu(losses.data(), losses.data(), rows, duals, kernel,
                                                3, before.data(), slacks.data())
                             .has_value();
      const size_t bytes = at_start.size() * sizeof(float);
      const bool same = std::memcmp(at_start.data(), multipliers.data(), bytes) == 0;
      check(same == (!right || rows == 0), "multipliers change all or not at all");
      multipliers = at_start;
      return right;
    };
    const auto ascend_all = [&, m = m] { return ascend(m, epsilon.data(), 0); };
    check(ascend_all() && ascend(m, nullptr, 0.5f), "what is right is done");
    for (int64_t i = 0; i < m; ++i) check(before[i] == static_cast<float>(ids[i]), "each its own");
    check(ascend(0, nullptr, 0.5f), "no rows are right");
    const float infinity = std::numeric_limits<float>::infinity();
    check(!ascend(m, nullptr, infinity), "one epsilon for all is checked");
    for (const int64_t row : {int64_t{0}, m / 2, m - 1}) {
      const int64_t id = ids[row];
      for (const int64_t wrong : {ids[(row + m / 2 + 1) % m], int64_t{-1}, n, INT64_MIN}) {
        ids[row] = wrong;
        check(!ascend_all(), "ids are distinct and of the set");
        ids[row] = id;
      }
      for (const float wrong : {-1.0f, infinity, std::nanf("")}) {
        multipliers[id] = wrong;
        check(!ascend_all(), "multipliers are finite and not negative");
        multipliers[id] = 1;
        epsilon[id] = wrong;
        check(ascend_all() == (wrong == -1), "bounds are finite");
        epsilon[id] = 0;
      }
    }
    check(ascend_all(), "all is right again");
  }
  // Stopped when a multiplier has changed, a step changes it back.
  const int64_t m = 4 << 20;
  std::vector<int64_t> all(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) all[i] = i;
  std::vector<float> ones(all.size(), 1.0f), at_start(ones), held(ones), slacks(ones);
  const DualVariablesView duals{all.data(), m, nullptr, 0.5f, 0.1, ones.data()};
  watched = ones.data();
  bool caught = false;
  while (!caught) {
    ones = at_start;
    try {
      const Poll caller([] {
        if (*watched != 1) throw NotWanted();
      });
      std::this_thread::sleep_for(Poll::kInterval);
      dual_ascent_losses_cpu(at_start.data(), at_start.data(), m, duals, kernel, 2, held.data(),
                             slacks.data());
    } catch (const NotWanted&) {
      caught = true;
    }
  }
  check(ones == at_start, "a step that is stopped changes nothing");

  const int64_t id = 0;
  const float loss = 1;
  float multiplier = 1, before = 0, slack = 0;
  const DualVariablesView none{&id, 0, nullptr, 0.5f, 0.1, &multiplier};
  const auto ascend = [&](int64_t m) {
    return dual_ascent_losses_cpu(&loss, &loss, m, none, kernel, 3, &before, &slack).has_value();
  };
  check(ascend(0), "no rows of no samples are right");
  check(!ascend(1), "no id is of an empty set");
}

void test_dual_ascent() {
  Random random(5);
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    for (const int64_t c : {1, 15, 16, 17, 32, 33, 255, 257, 600, 8200}) {
      const int64_t m = c > 1000 ? 20 : 300, item = dtype == DType::kFloat32 ? 4 : 2;
      const Pool pool(random, m, c, dtype, 3, 0, c % 2 == 1, 0);
      std::vector<int64_t> classes(static_cast<size_t>(m)), ids(classes.size());
      for (int64_t i = 0; i < m; ++i) classes[i] = random.below(c), ids[i] = (i * 7) % m;
      for (const bool squared : {false, true}) {
        Predictions predictions;
        predictions.outputs = pool.view;
        if (squared) predictions.values = pool.view;
        if (!squared) predictions.classes = classes.data();
        std::vector<std::vector<char>> gradients;
        for (const Kernel* kernel : kernels()) {
          std::vector<float> multipliers(static_cast<size_t>(m), 1.0f);
          const DualVariablesView duals{ids.data(), m, nullptr, 0.5f, 0.1, multipliers.data()};
          std::vector<float> losses(static_cast<size_t>(m)), slacks(losses), before(multipliers);
          std::vector<char> now(static_cast<size_t>(m * c * item)), later(now);
          const StepArrays step{losses.data(), slacks.data(), before.data(), nullptr, now.data()};
          const auto ascent = dual_ascent_cpu(predictions, duals, 1, *kernel, 3, step);
          dual_ascent_gradient_cpu(predictions, before.data(), 1, *kernel, 2, later.data());
          check(ascent && ascent->nonfinite == 0, "all losses are finite");
          check(now == later, "both gradients are the same");
          gradients.push_back(now);
          for (int64_t i = 0; i < m; ++i) {
            double sum = 0;
            const double* row = &pool.values[i * c];
            for (int64_t j = 0; j < c; ++j) sum += std::exp(row[j]);
            const double loss = squared ? 0 : std::log(sum) - row[classes[i]];
            check(std::fabs(losses[i] - loss) <= 2e-6 * (1 + loss), "the loss is the formula's");
            const float slack = losses[i] - 0.5f;
            check(std::fabs(multipliers[ids[i]] - std::max(0.0, 1 + 0.1 * slack)) < 1e-6, "ascent");
          }
        }
        check(gradients.front() == gradients.back(), "dual_ascent is the same everywhere");
      }
    }
  }
}

}  // namespace

int main() {
  for (const Kernel* kernel : kernels()) std::printf("%s ", kernel->name);
  std::printf("\n");
  test_assign();
  test_twins();
  test_nonfinite();
  test_k_center_greedy();
  test_d2_sample_outer();
  test_training_ops();
  test_sums_at_their_ends();
  test_sample_rows();
  test_shortlist();
  test_tie_order();
  test_exp();
  test_elementary();
  test_halves();
  test_parallel_for();
  test_poll();
  test_interrupted_ops();
  test_wrong_duals();
  test_dual_ascent();
  std::printf("%d checks passed\n", checks);
}
