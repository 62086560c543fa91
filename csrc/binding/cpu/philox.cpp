#include "common/philox.h"

#include <cstring>

#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

Array<uint32_t> philox(const py::array& counter, const py::array& key_array) {
  Philox4 words;
  std::memcpy(words.v, one_each<const uint32_t>(counter, "counter", 4), sizeof words.v);
  const uint32_t* key = one_each<const uint32_t>(key_array, "key", 2);
  words = philox4x32_10(words, key[0], key[1]);
  return Array<uint32_t>(4, words.v);
}

}  // namespace

void register_philox(py::module_& module) {
  module.def("philox", &philox, py::arg("counter"), py::arg("key"));
}

}  // namespace ally_fast
