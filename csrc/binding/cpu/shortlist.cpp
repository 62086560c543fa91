#include "ops/shortlist/shortlist.h"

#include "binding/cpu/arguments.h"
#include "binding/ops.h"
#include "binding/shortlist.h"

namespace ally_fast {
namespace {

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

CheckedShortlist make_shortlist(int64_t k, int64_t b, const py::array& weights,
                                const std::optional<uint64_t>& tie_seed) {
  return CheckedShortlist(k, b, weights_of(weights, k, b), ties_of(tie_seed));
}

int64_t clusters_of(const CheckedShortlist& list) {
  return static_cast<int64_t>(list.sizes().size());
}

void push(CheckedShortlist& list, const py::array& assignments_array, const py::array& scores_array,
          int64_t first, const std::optional<py::array>& indices_array) {
  const double* scores = typed<const double>(scores_array, "scores", 1);
  const int64_t count = scores_array.size();
  const int32_t* assignments = assignments_of(assignments_array, count, clusters_of(list), -1);
  const auto* indices = one_each<const int64_t>(indices_array, "indices", count);
  change(list, [&] { list.push(assignments, scores, count, first, indices); });
}

void merge(CheckedShortlist& list, const CheckedShortlist& other) {
  REQUIRE(&list != &other, "other", "the shortlist itself", "another one");
  const bool alike = list.b() == other.b() && list.weights() == other.weights() &&
                     list.ties().random == other.ties().random &&
                     std::equal(list.ties().keys, list.ties().keys + 4, other.ties().keys);
  REQUIRE(alike, "other", "", "the same k, b, weights and tie_seed");
  check_whole(other);
  change(list, [&] { list.merge(other); });
}

void merge_entries(CheckedShortlist& list, const py::array& clusters_array,
                   const py::array& scores_array, const py::array& indices_array,
                   const py::array& sizes_array) {
  const double* scores = typed<const double>(scores_array, "scores", 1);
  const int64_t count = scores_array.size(), k = clusters_of(list);
  const auto* clusters = typed<const int32_t>(clusters_array, "clusters", 1);
  const auto* indices = typed<const int64_t>(indices_array, "indices", 1);
  const auto* sizes = typed<const int64_t>(sizes_array, "sizes", 1);
  REQUIRE(clusters_array.size() == count && indices_array.size() == count, "clusters, indices",
          text(clusters_array.size(), " and ", indices_array.size(), " of them"), count);
  REQUIRE(sizes_array.size() == k, "sizes", text(sizes_array.size(), " of them"), "k = ", k);
  std::vector<int64_t> left(sizes, sizes + k);
  for (int64_t e = 0; e < count; ++e) {
    const int32_t c = clusters[e];
    REQUIRE(c >= 0 && c < k, "clusters", "", "values in [0, ", k, ")");
    REQUIRE(--left[c] >= 0, "sizes", text(sizes[c], " rows of cluster ", c),
            "one for each of its entries");
  }
  REQUIRE(std::all_of(left.begin(), left.end(), [](int64_t rows) { return rows >= 0; }), "sizes",
          "", "values of at least 0");
  change(list, [&] { list.merge_entries(clusters, scores, indices, count, sizes); });
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
      indices.mutable_at(at++) = list.ties().index(entry.position);
    }
  }
  return py::make_tuple(clusters, scores, indices);
}

Array<int64_t> tie_positions(const py::array& array, const std::optional<uint64_t>& seed) {
  const int64_t* indices = typed<const int64_t>(array, "indices", 1);
  check_inside(indices, "indices", array.size(), 0, int64_t{1} << 62);
  const TieOrder ties = ties_of(seed);
  Array<int64_t> positions(array.size());
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    positions.mutable_at(i) = ties.position(indices[i]);
  }
  return positions;
}

}  // namespace

void register_shortlist(py::module_& module) {
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
  module.def("tie_positions", &tie_positions, py::arg("indices"), py::arg("tie_seed"));
}

}  // namespace ally_fast
