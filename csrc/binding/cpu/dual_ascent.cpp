// dual_ascent, dual_ascent_losses, dual_ascent_gradient.
#include "ops/dual_ascent/dual_ascent.h"

#include <pybind11/stl.h>

#include <cmath>
#include <stdexcept>
#include <unordered_set>
#include <vector>

#include "binding/arguments.h"
#include "binding/cpu/module.h"
#include "ops/dual_ascent/fetch_multipliers.h"

namespace ally_fast {
namespace {

// A (rows, d) matrix whose rows may lie apart; float32, float16, or uint16 bits of bfloat16.
RowsView matrix_of(const py::array& array, const char* name, bool bf16) {
  REQUIRE(array.ndim() == 2, std::string(name) + ": got shape " + shape_of(array) + ", needs 2-D");
  RowsView view;
  if (bf16 && holds(array, 'u', 2)) {
    view.dtype = DType::kBFloat16;
  } else if (!bf16 && holds(array, 'f', 2)) {
    view.dtype = DType::kFloat16;
  } else if (!bf16 && holds(array, 'f', 4)) {
    view.dtype = DType::kFloat32;
  } else {
    throw py::type_error(std::string(name) + ": got " + dtype_of(array) + ", needs " +
                         (bf16 ? "uint16 bits of bfloat16" : "float32 or float16"));
  }
  view.data = static_cast<const char*>(array.data());
  view.n = view.visited = array.shape(0);
  view.d = array.shape(1);
  view.row_stride = array.strides(0);
  view.col_stride = array.itemsize();
  REQUIRE(view.d <= 1 || view.n == 0 || array.strides(1) == array.itemsize(),
          std::string(name) + ": got columns " + std::to_string(array.strides(1)) +
              " bytes apart, needs rows without gaps");
  return view;
}

// Keeps the arrays behind the predictions alive while a call runs.
struct Checked {
  py::array outputs, values;
  std::optional<Array<int64_t>> classes;
  Predictions predictions;
};

Checked checked_predictions(const py::array& outputs, const py::array& targets,
                            const std::string& loss, bool bf16) {
  REQUIRE(loss == "cross_entropy" || loss == "squared_error",
          "loss: got '" + loss + "', needs 'cross_entropy' or 'squared_error'");
  Checked checked{outputs, targets, std::nullopt, {}};
  Predictions& p = checked.predictions;
  p.outputs = matrix_of(outputs, "outputs", bf16);
  const int64_t m = p.outputs.n, classes = p.outputs.d;
  REQUIRE(classes >= 1, "outputs: got shape " + shape_of(outputs) + ", needs at least one column");
  if (loss == "squared_error") {
    p.values = matrix_of(targets, "targets", bf16 && !holds(targets, 'f', 4));
    const bool fits = p.values.dtype == p.outputs.dtype || p.values.dtype == DType::kFloat32;
    if (!fits) throw py::type_error("targets: needs float32 or the dtype of outputs");
    REQUIRE(p.values.n == m && p.values.d == classes, "targets: got shape " + shape_of(targets) +
                                                          ", needs that of outputs, " +
                                                          shape_of(outputs));
    return checked;
  }
  checked.classes = typed<int64_t>(targets, "targets", 1);
  REQUIRE(checked.classes->size() == m, "targets: got " + std::to_string(targets.size()) +
                                            " of them, needs " + std::to_string(m));
  p.classes = checked.classes->data();
  for (int64_t i = 0; i < m; ++i) {
    REQUIRE(p.classes[i] >= 0 && p.classes[i] < classes,
            "targets: got " + std::to_string(p.classes[i]) + " in row " + std::to_string(i) +
                ", needs values in [0, " + std::to_string(classes) + ")");
  }
  return checked;
}

// Names what fetch_multipliers found wrong, in the first row where anything is.
[[noreturn]] void throw_wrong_dual(const DualVariablesView& duals, int64_t m) {
  constexpr int64_t kSearch = 64;  // about the work of one
  std::unordered_set<int64_t> seen;
  for (int64_t i = 0; i < m; ++i) {
    const int64_t id = duals.ids[i], n = duals.n;
    REQUIRE(id >= 0 && id < n, "ids: got " + std::to_string(id) + " in row " + std::to_string(i) +
                                   ", needs values in [0, " + std::to_string(n) + ")");
    REQUIRE(seen.insert(id).second, "ids: got " + std::to_string(id) + " again in row " +
                                        std::to_string(i) + ", needs distinct ids");
    const float lambda = duals.multipliers[id],
                epsilon = duals.epsilon ? duals.epsilon[id] : duals.epsilon_of_all;
    REQUIRE(std::isfinite(lambda) && lambda >= 0, "multipliers: got " + std::to_string(lambda) +
                                                      " for sample " + std::to_string(id) +
                                                      ", needs finite values of at least 0");
    poll(kSearch);
    REQUIRE(std::isfinite(epsilon), "epsilon: got " + std::to_string(epsilon) + " for sample " +
                                        std::to_string(id) + ", needs finite values");
  }
  throw std::runtime_error("multipliers, ids or epsilon were changed while they were read");
}

struct CheckedDuals {
  Array<int64_t> ids;
  Array<float> multipliers, epsilon;
  Array<float> before;  // multipliers[ids]
  DualVariablesView view;
};

CheckedDuals checked_duals(const py::array& ids_array, const py::array& multipliers_array,
                           const py::array& epsilon_array, double lr, int64_t m, int threads) {
  CheckedDuals duals{typed<int64_t>(ids_array, "ids", 1),
                     typed<float>(multipliers_array, "multipliers", 1),
                     typed<float>(epsilon_array, "epsilon", epsilon_array.ndim() == 0 ? 0 : 1),
                     Array<float>(m),
                     {}};
  const int64_t n = duals.multipliers.size();
  REQUIRE(duals.ids.size() == m, "ids: got " + std::to_string(duals.ids.size()) +
                                     " of them, needs " + std::to_string(m) + ", one a row");
  REQUIRE(duals.epsilon.ndim() == 0 || duals.epsilon.size() == n,
          "epsilon: got " + std::to_string(duals.epsilon.size()) +
              " of them, needs one number or n = " + std::to_string(n));
  REQUIRE(std::isfinite(lr) && lr >= 0,
          "lr: got " + std::to_string(lr) + ", needs a finite value of at least 0");
  REQUIRE(duals.multipliers.writeable(), "multipliers: needs an array that can be written to");
  DualVariablesView& view = duals.view;
  const bool one = duals.epsilon.ndim() == 0;
  view = {duals.ids.data(),
          n,
          one ? nullptr : duals.epsilon.data(),
          one ? *duals.epsilon.data() : 0.0f,
          lr,
          duals.multipliers.mutable_data()};
  float* before = duals.before.mutable_data();
  {
    const Computing computing;
    if (!fetch_multipliers(view, m, threads, before)) throw_wrong_dual(view, m);
  }
  return duals;
}

double checked_scale(double scale) {
  REQUIRE(std::isfinite(scale), "scale: needs a finite value");
  return scale;
}

// Contiguous, of the shape and dtype of outputs.
py::array like(const py::array& outputs) {
  return py::array(outputs.dtype(), std::vector<py::ssize_t>{outputs.shape(0), outputs.shape(1)});
}

py::tuple dual_ascent(const py::array& outputs, const py::array& targets, const py::array& ids,
                      const py::array& multipliers, const py::array& epsilon, double lr,
                      const std::string& loss, const std::string& isa,
                      std::optional<double> gradient_scale, bool bf16, int threads) {
  const Checked checked = checked_predictions(outputs, targets, loss, bf16);
  const Predictions& predictions = checked.predictions;
  const int64_t m = predictions.outputs.n;
  const Kernel& kernel = kernel_named(isa);
  checked_threads(threads);
  CheckedDuals duals = checked_duals(ids, multipliers, epsilon, lr, m, threads);
  const double scale = checked_scale(gradient_scale.value_or(0));
  Array<float> losses(m), slacks(m);
  std::optional<py::array> gradient;
  if (gradient_scale) gradient = like(outputs);
  const StepArrays step{losses.mutable_data(), slacks.mutable_data(), duals.before.mutable_data(),
                        nullptr, gradient ? static_cast<char*>(gradient->mutable_data()) : nullptr};
  DualAscent result;
  {
    const Computing computing;
    result = dual_ascent_cpu(predictions, duals.view, scale, kernel, threads, step);
  }
  return py::make_tuple(losses, slacks, duals.before, result.lagrangian, result.nonfinite,
                        result.first_nonfinite, gradient);
}

py::tuple dual_ascent_losses(const py::array& losses_array, const py::array& dual_losses_array,
                             const py::array& ids, const py::array& multipliers,
                             const py::array& epsilon, double lr, const std::string& isa,
                             int threads) {
  const auto losses = typed<float>(losses_array, "losses", 1);
  const auto dual_losses = typed<float>(dual_losses_array, "dual_losses", 1);
  const int64_t m = losses.size();
  REQUIRE(dual_losses.size() == m, "dual_losses: got " + std::to_string(dual_losses.size()) +
                                       " of them, needs " + std::to_string(m));
  const Kernel& kernel = kernel_named(isa);
  checked_threads(threads);
  const CheckedDuals duals = checked_duals(ids, multipliers, epsilon, lr, m, threads);
  Array<float> slacks(m);
  const float *l = losses.data(), *d = dual_losses.data(), *b = duals.before.data();
  float* s = slacks.mutable_data();
  DualAscent result;
  {
    const Computing computing;
    result = dual_ascent_losses_cpu(l, d, m, duals.view, kernel, threads, b, s);
  }
  return py::make_tuple(slacks, duals.before, result.lagrangian, result.nonfinite,
                        result.first_nonfinite);
}

py::array dual_ascent_gradient(const py::array& outputs, const py::array& targets,
                               const py::array& before_array, double scale, const std::string& loss,
                               const std::string& isa, bool bf16, int threads) {
  const Checked checked = checked_predictions(outputs, targets, loss, bf16);
  const Predictions& predictions = checked.predictions;
  const auto before = typed<float>(before_array, "before", 1);
  REQUIRE(before.size() == predictions.outputs.n,
          "before: got " + std::to_string(before.size()) + " of them, needs " +
              std::to_string(predictions.outputs.n) + ", one a row");
  checked_scale(scale);
  const Kernel& kernel = kernel_named(isa);
  checked_threads(threads);
  py::array gradient = like(outputs);
  const float* multipliers = before.data();
  char* out = static_cast<char*>(gradient.mutable_data());
  {
    const Computing computing;
    dual_ascent_gradient_cpu(predictions, multipliers, scale, kernel, threads, out);
  }
  return gradient;
}

}  // namespace

void register_dual_ascent(py::module_& module) {
  module.def("dual_ascent", &dual_ascent, py::arg("outputs"), py::arg("targets"), py::arg("ids"),
             py::arg("multipliers"), py::arg("epsilon"), py::arg("lr"), py::kw_only(),
             py::arg("loss"), py::arg("isa"), py::arg("gradient_scale") = py::none(),
             py::arg("bf16") = false, py::arg("threads") = 1);
  module.def("dual_ascent_losses", &dual_ascent_losses, py::arg("losses"), py::arg("dual_losses"),
             py::arg("ids"), py::arg("multipliers"), py::arg("epsilon"), py::arg("lr"),
             py::kw_only(), py::arg("isa"), py::arg("threads") = 1);
  module.def("dual_ascent_gradient", &dual_ascent_gradient, py::arg("outputs"), py::arg("targets"),
             py::arg("before"), py::arg("scale"), py::kw_only(), py::arg("loss"), py::arg("isa"),
             py::arg("bf16") = false, py::arg("threads") = 1);
}

}  // namespace ally_fast
