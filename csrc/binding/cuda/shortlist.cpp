#include <mutex>

#include "binding/cuda/arguments.h"
#include "binding/ops.h"
#include "binding/shortlist.h"
#include "ops/shortlist/device_shortlist.h"

namespace ally_fast {
namespace {

// The shortlist with what keeps its stream alive; two Python threads may share it.
struct SharedShortlist {
  SharedShortlist(StreamPtr on, int64_t k, int64_t b, const double* weights, const TieOrder& ties,
                  int64_t largest_push)
      : stream(std::move(on)), list(stream->get(), k, b, weights, ties, largest_push) {}
  StreamPtr stream;
  std::mutex mutex;
  DeviceShortlist list;
};

std::unique_ptr<SharedShortlist> make_shortlist(const StreamPtr& stream, int64_t k, int64_t b,
                                                const py::array& weights_array,
                                                const std::optional<uint64_t>& tie_seed,
                                                int64_t largest_push) {
  const double *weights = weights_of(weights_array, k, b), most = static_cast<double>(b) + 1;
  REQUIRE(largest_push >= 1, "largest_push", largest_push, "at least 1");
  REQUIRE(std::all_of(weights, weights + k, [&](double w) { return std::isfinite(most / w); }),
          "weights", "", "values not below (b + 1) / 1.8e308");
  const py::gil_scoped_release released;
  return std::make_unique<SharedShortlist>(stream, k, b, weights, ties_of(tie_seed), largest_push);
}

void push(SharedShortlist& shared, const DeviceArray& assignments_array,
          const DeviceArray& scores_array, int64_t first,
          const std::optional<DeviceArray>& indices_array, bool bf16) {
  const CudaStream& stream = shared.list.stream();
  const Values scores = values_of(scores_array, "scores", bf16, stream);
  const auto* assignments =
      one_each<const int32_t>(assignments_array, "assignments", scores.count, stream);
  const auto* indices = one_each<const int64_t>(indices_array, "indices", scores.count, stream);
  const py::gil_scoped_release released;
  const std::lock_guard<std::mutex> alone(shared.mutex);
  shared.list.push(assignments, scores.data, scores.dtype, scores.count, first, indices);
}

template <class T>
py::array_t<T> array_of(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::tuple fetch(SharedShortlist& shared) {
  DeviceShortlist::Entries entries;
  {
    const py::gil_scoped_release released;
    const std::lock_guard<std::mutex> alone(shared.mutex);
    entries = shared.list.fetch();
  }
  return py::make_tuple(array_of(entries.clusters), array_of(entries.scores),
                        array_of(entries.indices), array_of(entries.sizes));
}

}  // namespace

void register_shortlist(py::module_& module) {
  py::class_<SharedShortlist>(module, "DeviceShortlist")
      .def(py::init(&make_shortlist), py::arg("stream"), py::arg("k"), py::arg("b"),
           py::arg("weights"), py::arg("tie_seed") = py::none(),
           py::arg("largest_push") = int64_t{1} << 20)
      .def("push", &push, py::arg("assignments"), py::arg("scores"), py::arg("first") = 0,
           py::arg("indices") = py::none(), py::kw_only(), py::arg("bf16") = false)
      .def("fetch", &fetch);
}

}  // namespace ally_fast
