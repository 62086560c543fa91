#include <algorithm>
#include <cmath>
#include <mutex>

#include "arguments.h"
#include "ops.h"
#include "ops/shortlist/device_shortlist.h"

namespace ally_fast {
namespace {

// The shortlist with what keeps its stream alive; two Python threads may share it.
struct Held {
  Held(StreamPtr on, int64_t k, int64_t b, const double* weights, const TieOrder& ties,
       int64_t largest_push)
      : stream(std::move(on)), list(stream->get(), k, b, weights, ties, largest_push) {}
  StreamPtr stream;
  std::mutex mutex;
  DeviceShortlist list;
};

std::unique_ptr<Held> make_shortlist(const StreamPtr& stream, int64_t k, int64_t b,
                                     const py::array_t<double, py::array::c_style>& weights,
                                     const std::optional<uint64_t>& tie_seed,
                                     int64_t largest_push) {
  require(k >= 1 && k <= INT32_MAX && weights.ndim() == 1 && weights.size() == k,
          "weights: got " + std::to_string(weights.size()) +
              " of them, needs k = " + std::to_string(k));
  require(b >= 0, "b: got " + std::to_string(b) + ", needs at least 0");
  require(largest_push >= 1,
          "largest_push: got " + std::to_string(largest_push) + ", needs at least 1");
  const double *data = weights.data(), most = static_cast<double>(b) + 1;
  require(
      std::all_of(data, data + k,
                  [&](double w) { return std::isfinite(w) && w > 0 && std::isfinite(most / w); }),
      "weights: needs finite values above 0, and not below (b + 1) / 1.8e308");
  const py::gil_scoped_release released;
  const TieOrder ties = tie_seed ? random_ties(*tie_seed) : TieOrder{};
  return std::make_unique<Held>(stream, k, b, data, ties, largest_push);
}

void push(Held& held, const DeviceArray& assignments, const DeviceArray& scores_array,
          int64_t first, const std::optional<DeviceArray>& indices, bool bf16) {
  const CudaStream& stream = held.list.stream();
  const Values scores = values_of(scores_array, "scores", bf16, stream);
  const int32_t* clusters = typed<int32_t>(assignments, "assignments", 1, stream);
  require(assignments.size() == scores.count,
          "assignments: got " + std::to_string(assignments.size()) + " of them, needs " +
              std::to_string(scores.count));
  const int64_t* places = indices ? typed<int64_t>(*indices, "indices", 1, stream) : nullptr;
  require(!indices || indices->size() == scores.count,
          "indices: needs one for each of " + std::to_string(scores.count) + " rows");
  const py::gil_scoped_release released;
  const std::lock_guard<std::mutex> alone(held.mutex);
  held.list.push(clusters, scores.data, scores.dtype, scores.count, first, places);
}

template <class T>
py::array_t<T> array_of(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::tuple fetch(Held& held) {
  DeviceShortlist::Entries entries;
  {
    const py::gil_scoped_release released;
    const std::lock_guard<std::mutex> alone(held.mutex);
    entries = held.list.fetch();
  }
  return py::make_tuple(array_of(entries.clusters), array_of(entries.scores),
                        array_of(entries.indices), array_of(entries.sizes));
}

}  // namespace

void register_shortlist(py::module_& module) {
  py::class_<Held>(module, "DeviceShortlist")
      .def(py::init(&make_shortlist), py::arg("stream"), py::arg("k"), py::arg("b"),
           py::arg("weights"), py::arg("tie_seed") = py::none(),
           py::arg("largest_push") = int64_t{1} << 20)
      .def("push", &push, py::arg("assignments"), py::arg("scores"), py::arg("first") = 0,
           py::arg("indices") = py::none(), py::kw_only(), py::arg("bf16") = false)
      .def("fetch", &fetch);
}

}  // namespace ally_fast
