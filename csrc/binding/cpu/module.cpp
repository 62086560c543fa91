// ally_fast._cpu: checks what Python passes, makes views of it, calls the core without the GIL.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>

#include "binding/arguments.h"
#include "binding/cpu/module.h"
#include "common/philox.h"
#include "common/scan/certified.h"
#include "ops/assign/assign.h"
#include "ops/load_rows/load_rows.h"
#include "ops/radius_filter/radius_filter.h"
#include "ops/sample_rows/sample_rows.h"
#include "ops/shortlist/shortlist.h"

using namespace ally_fast;

namespace {

CentroidTable make_table(const py::array& array, const std::string& isa, int threads) {
  // Float32 is widened here, which is exact if subnormals are kept.
  const DefaultFloats floats;
  const bool single = py::isinstance<Array<float>>(array);
  const auto centroids = single ? Array<double>(array) : typed<double>(array, "centroids", 2);
  REQUIRE(centroids.ndim() == 2, "centroids: got shape " + shape_of(array) + ", needs (k, d)");
  const int64_t k = centroids.shape(0), d = centroids.shape(1);
  REQUIRE(k >= 1 && k <= INT32_MAX, "centroids: got shape " + shape_of(array) + ", needs k >= 1");
  REQUIRE(d >= 1 && d <= kLargestD, "centroids: got shape " + shape_of(array) +
                                        ", needs d in [1, " + std::to_string(kLargestD) + "]");
  REQUIRE(all_right(centroids.data(), k * d, [](double x) { return std::isfinite(x); }),
          "centroids: needs finite values");
  const Kernel& kernel = kernel_named(isa);
  const double* data = centroids.data();
  checked_threads(threads);
  const Computing computing;
  return CentroidTable(data, k, d, kernel, threads);
}

AssignStats assign(const py::array& array, const CentroidTable& table, const py::array& out_array,
                   bool bf16, bool normalize, const std::optional<py::array>& positions,
                   int threads, bool certify) {
  const Rows rows = rows_of(array, bf16, normalize, positions, table.d());
  auto out = typed<int32_t>(out_array, "out", 1);
  REQUIRE(out.size() == rows.view.visited, "out: got " + std::to_string(out.size()) +
                                               " places, needs " +
                                               std::to_string(rows.view.visited));
  int32_t* places = out.mutable_data();
  checked_threads(threads);
  const Computing computing;
  return assign_cpu(rows.view, table, threads, certify, places);
}

py::array squared_distances(const py::array& array, const CentroidTable& table,
                            const py::array& assignments_array, bool bf16, bool normalize,
                            const std::optional<py::array>& positions, int threads) {
  const Rows rows = rows_of(array, bf16, normalize, positions, table.d());
  const int64_t count = rows.view.visited;
  const auto assignments = checked_assignments(assignments_array, count, table.k(), 0);
  Array<double> out(count);
  const int32_t* ids = assignments.data();
  double* distances = out.mutable_data();
  checked_threads(threads);
  {
    const Computing computing;
    squared_distances_cpu(rows.view, table, ids, threads, distances);
  }
  return out;
}

bool load_rows(const py::array& array, const py::array& out_array, const std::string& isa,
               const py::array& places_array, bool bf16, bool normalize,
               const std::optional<py::array>& shift_array, double scale, int threads) {
  auto out = typed<float>(out_array, "out", 2);
  const Rows rows = rows_of(array, bf16, normalize, std::nullopt, out.shape(1));
  const auto places = typed<int64_t>(places_array, "places", 1);
  REQUIRE(places.size() == rows.view.visited, "places: got " + std::to_string(places.size()) +
                                                  " of them, needs " +
                                                  std::to_string(rows.view.visited));
  const auto inside = [&](int64_t p) { return p >= 0 && p < out.shape(0); };
  REQUIRE(all_right(places.data(), places.size(), inside),
          "places: needs values in [0, " + std::to_string(out.shape(0)) + ")");
  const Kernel& kernel = kernel_named(isa);
  std::optional<Array<double>> shift;
  if (shift_array) {
    shift = typed<double>(*shift_array, "shift", 1);
    REQUIRE(shift->size() == rows.view.d, "shift: got " + std::to_string(shift->size()) +
                                              " values, needs " + std::to_string(rows.view.d));
  }
  const double* zero = shift ? shift->data() : nullptr;
  const int64_t* to = places.data();
  float* matrix = out.mutable_data();
  checked_threads(threads);
  const Computing computing;
  return load_rows_cpu(rows.view, kernel, to, zero, scale, threads, matrix);
}

py::array radius_filter(const py::array& array, const CentroidTable& table, double radius,
                        bool bf16, bool normalize, const std::optional<py::array>& positions,
                        int threads) {
  const Rows rows = rows_of(array, bf16, normalize, positions, table.d());
  REQUIRE(radius > 0 && std::isfinite(radius * radius),
          "radius: needs a value above 0 whose square is finite");
  Array<bool> out(rows.view.visited);
  uint8_t* within = reinterpret_cast<uint8_t*>(out.mutable_data());
  checked_threads(threads);
  {
    const Computing computing;
    radius_filter_cpu(rows.view, table, radius, threads, within);
  }
  return out;
}

py::array sample_rows(int64_t n, int64_t size, uint64_t seed,
                      const std::optional<py::array>& eligible_array, int threads) {
  std::optional<Array<bool>> eligible;
  int64_t count = n;
  if (eligible_array) {
    eligible = typed<bool>(*eligible_array, "eligible", 1);
    REQUIRE(eligible->size() == n, "eligible: got " + std::to_string(eligible->size()) +
                                       " of them, needs " + std::to_string(n));
    count = std::count(eligible->data(), eligible->data() + n, true);
  }
  REQUIRE(size >= 0 && size <= count, "size: got " + std::to_string(size) + ", needs 0 to " +
                                          std::to_string(count) + " (the eligible rows)");
  Array<int64_t> out(size);
  const uint8_t* flags = eligible ? reinterpret_cast<const uint8_t*>(eligible->data()) : nullptr;
  int64_t* indices = out.mutable_data();
  checked_threads(threads);
  {
    const Computing computing;
    sample_rows_cpu(n, flags, count, size, seed, threads, indices);
  }
  return out;
}

// A shortlist, and whether its last change came to its end.
struct CheckedShortlist : Shortlist {
  using Shortlist::Shortlist;
  bool whole = true;
};

void check_whole(const CheckedShortlist& list) {
  if (!list.whole) throw std::runtime_error("Shortlist: a change was interrupted; make a new one");
}

// With the GIL: it is quick, and two threads may share a shortlist.
template <class Change>
void change(CheckedShortlist& list, const Change& run) {
  check_whole(list);
  const Poll signals(handle_signals);
  list.whole = false;
  run();
  list.whole = true;
}

TieOrder ties_of(const std::optional<uint64_t>& seed) {
  return seed ? random_ties(*seed) : TieOrder{};
}

CheckedShortlist make_shortlist(int64_t k, int64_t b, const py::array& weights_array,
                                const std::optional<uint64_t>& tie_seed) {
  const auto weights = typed<double>(weights_array, "weights", 1);
  REQUIRE(k >= 1 && weights.size() == k, "weights: got " + std::to_string(weights.size()) +
                                             " of them, needs k = " + std::to_string(k));
  REQUIRE(b >= 0, "b: got " + std::to_string(b) + ", needs at least 0");
  REQUIRE(std::all_of(weights.data(), weights.data() + k,
                      [](double w) { return std::isfinite(w) && w > 0; }),
          "weights: needs finite values above 0");
  return CheckedShortlist(k, b, weights.data(), ties_of(tie_seed));
}

void push(CheckedShortlist& list, const py::array& assignments_array, const py::array& scores_array,
          int64_t first, const std::optional<py::array>& indices_array) {
  const auto scores = typed<double>(scores_array, "scores", 1);
  const int64_t count = scores.size(), k = static_cast<int64_t>(list.sizes().size());
  const auto assignments = checked_assignments(assignments_array, count, k, -1);
  std::optional<Array<int64_t>> indices;
  if (indices_array) {
    indices = typed<int64_t>(*indices_array, "indices", 1);
    REQUIRE(indices->size() == count, "indices: got " + std::to_string(indices->size()) +
                                          " of them, needs " + std::to_string(count));
  }
  const int32_t* ids = assignments.data();
  const double* values = scores.data();
  const int64_t* places = indices ? indices->data() : nullptr;
  change(list, [&] { list.push(ids, values, count, first, places); });
}

void merge(CheckedShortlist& list, const CheckedShortlist& other) {
  REQUIRE(&list != &other, "other: a shortlist cannot be merged with itself");
  const bool alike = list.b() == other.b() && list.weights() == other.weights() &&
                     list.ties().random == other.ties().random &&
                     std::equal(list.ties().keys, list.ties().keys + 4, other.ties().keys);
  REQUIRE(alike, "other: needs the same k, b, weights and tie_seed");
  check_whole(other);
  change(list, [&] { list.merge(other); });
}

void merge_entries(CheckedShortlist& list, const py::array& clusters_array,
                   const py::array& scores_array, const py::array& indices_array,
                   const py::array& sizes_array) {
  const auto scores = typed<double>(scores_array, "scores", 1);
  const int64_t count = scores.size(), k = static_cast<int64_t>(list.sizes().size());
  const auto clusters = typed<int32_t>(clusters_array, "clusters", 1);
  const auto indices = typed<int64_t>(indices_array, "indices", 1);
  const auto sizes = typed<int64_t>(sizes_array, "sizes", 1);
  REQUIRE(clusters.size() == count && indices.size() == count,
          "clusters, indices: got " + std::to_string(clusters.size()) + " and " +
              std::to_string(indices.size()) + " of them, needs " + std::to_string(count));
  REQUIRE(sizes.size() == k, "sizes: got " + std::to_string(sizes.size()) +
                                 " of them, needs k = " + std::to_string(k));
  std::vector<int64_t> left(sizes.data(), sizes.data() + k);
  for (int64_t e = 0; e < count; ++e) {
    const int32_t c = clusters.data()[e];
    REQUIRE(c >= 0 && c < k, "clusters: needs values in [0, " + std::to_string(k) + ")");
    REQUIRE(--left[c] >= 0, "sizes: cluster " + std::to_string(c) + " has more entries than rows");
  }
  REQUIRE(std::all_of(left.begin(), left.end(), [](int64_t rows) { return rows >= 0; }),
          "sizes: needs values of at least 0");
  change(list, [&] {
    list.merge_entries(clusters.data(), scores.data(), indices.data(), count, sizes.data());
  });
}

py::tuple entries(CheckedShortlist& list) {
  change(list, [&] { list.prune(); });
  Array<int32_t> clusters(list.kept());
  Array<double> scores(list.kept());
  Array<int64_t> indices(list.kept());
  int64_t at = 0;
  for (size_t c = 0; c < list.entries().size(); ++c) {
    for (const Shortlist::Entry& entry : list.entries()[c]) {
      clusters.mutable_at(at) = static_cast<int32_t>(c);
      scores.mutable_at(at) = entry.score;
      indices.mutable_at(at++) = list.ties().index(entry.place);
    }
  }
  return py::make_tuple(clusters, scores, indices);
}

Array<int64_t> tie_places(const py::array& indices_array, const std::optional<uint64_t>& seed) {
  const auto indices = typed<int64_t>(indices_array, "indices", 1);
  const TieOrder ties = ties_of(seed);
  Array<int64_t> places(indices.size());
  for (py::ssize_t i = 0; i < indices.size(); ++i) {
    REQUIRE(indices.at(i) >= 0 && indices.at(i) < int64_t{1} << 62, "indices: needs [0, 2**62)");
    places.mutable_at(i) = ties.place(indices.at(i));
  }
  return places;
}

std::vector<std::string> names(const char* const* list) {
  std::vector<std::string> result;
  for (; *list; ++list) result.emplace_back(*list);
  return result;
}

py::dict build_info() {
  py::dict info;
  info["version"] = ALLY_FAST_VERSION;
#ifdef __clang__
  info["compiler"] = "clang " __clang_version__;
#else
  info["compiler"] = "gcc " __VERSION__;
#endif
  info["flags"] = ALLY_FAST_FLAGS;
  info["isas"] = names(compiled_kernels());
  return info;
}

Array<uint32_t> philox(const py::array& counter_array, const py::array& key_array) {
  const auto counter = typed<uint32_t>(counter_array, "counter", 1);
  const auto key = typed<uint32_t>(key_array, "key", 1);
  REQUIRE(counter.size() == 4 && key.size() == 2, "philox: needs a counter of 4 and a key of 2");
  Philox4 words;
  std::memcpy(words.v, counter.data(), sizeof words.v);
  words = philox4x32_10(words, key.at(0), key.at(1));
  return Array<uint32_t>(4, words.v);
}

}  // namespace

PYBIND11_MODULE(_cpu, module) {
  module.doc() = "Native CPU core of ally_fast. Use the functions of ally_fast instead.";

  py::class_<CentroidTable>(module, "CentroidTable")
      .def(py::init(&make_table), py::arg("centroids"), py::arg("isa"), py::arg("threads") = 1)
      .def_property_readonly("k", &CentroidTable::k)
      .def_property_readonly("d", &CentroidTable::d)
      .def_property_readonly("isa", [](const CentroidTable& t) { return t.kernel().name; });

  py::class_<AssignStats>(module, "AssignStats")
      .def_readonly("uncertain", &AssignStats::uncertain)
      .def_readonly("candidates", &AssignStats::candidates)
      .def_readonly("nonfinite", &AssignStats::nonfinite)
      .def_readonly("first_nonfinite", &AssignStats::first_nonfinite);

  py::class_<CheckedShortlist>(module, "Shortlist")
      .def(py::init(&make_shortlist), py::arg("k"), py::arg("b"), py::arg("weights"),
           py::arg("tie_seed") = py::none())
      .def("push", &push, py::arg("assignments"), py::arg("scores"), py::arg("first") = 0,
           py::arg("indices") = py::none())
      .def("merge", &merge, py::arg("other"))
      .def("merge_entries", &merge_entries, py::arg("clusters"), py::arg("scores"),
           py::arg("indices"), py::arg("sizes"))
      .def_property_readonly("sizes",
                             [](const CheckedShortlist& list) {
                               check_whole(list);
                               return Array<int64_t>(static_cast<py::ssize_t>(list.sizes().size()),
                                                     list.sizes().data());
                             })
      .def("entries", &entries);

  module.attr("LARGEST_D") = kLargestD;
  module.def("isas", [] { return names(runnable_kernels()); });
  module.def("build_info", &build_info);
  module.def("tie_places", &tie_places, py::arg("indices"), py::arg("tie_seed"));
  module.def("philox", &philox, py::arg("counter"), py::arg("key"));
  module.def("assign", &assign, py::arg("rows"), py::arg("table"), py::arg("out"), py::kw_only(),
             py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1, py::arg("certify") = true);
  module.def("squared_distances", &squared_distances, py::arg("rows"), py::arg("table"),
             py::arg("assignments"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("positions") = py::none(),
             py::arg("threads") = 1);
  register_d2_sample_outer(module);
  register_feature_grid(module);
  register_cluster_sums(module);
  register_centroid_update(module);
  register_halve(module);
  register_relocate(module);
  register_k_center_greedy(module);
  module.def("load_rows", &load_rows, py::arg("rows"), py::arg("out"), py::arg("isa"),
             py::arg("places"), py::kw_only(), py::arg("bf16") = false,
             py::arg("normalize") = false, py::arg("shift") = py::none(), py::arg("scale") = 1.0,
             py::arg("threads") = 1);
  module.def("radius_filter", &radius_filter, py::arg("rows"), py::arg("table"), py::arg("radius"),
             py::kw_only(), py::arg("bf16") = false, py::arg("normalize") = false,
             py::arg("positions") = py::none(), py::arg("threads") = 1);
  module.def("sample_rows", &sample_rows, py::arg("n"), py::arg("size"), py::arg("seed"),
             py::arg("eligible") = py::none(), py::arg("threads") = 1);
  register_dual_ascent(module);
}
