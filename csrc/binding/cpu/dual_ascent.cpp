// dual_ascent, dual_ascent_losses, dual_ascent_gradient.
#include "binding/dual_ascent.h"

#include <unordered_set>

#include "binding/cpu/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

Predictions checked_predictions(const py::array& outputs, const py::array& targets,
                                const std::string& loss, bool bf16) {
  const Predictions p = predictions_of(outputs, targets, loss, bf16);
  const int64_t m = p.classes ? p.outputs.n : 0, classes = p.outputs.d;
  for (int64_t i = 0; i < m; ++i) {
    REQUIRE(p.classes[i] >= 0 && p.classes[i] < classes, "targets",
            text(p.classes[i], " in row ", i), "values in [0, ", classes, ")");
  }
  return p;
}

// Names what the step found wrong, in the first row where anything is.
[[noreturn]] void throw_wrong_dual(const DualVariablesView& duals, int64_t m) {
  const Computing computing;
  constexpr int64_t kSearch = 64;  // about the work of one
  std::unordered_set<int64_t> seen;
  for (int64_t i = 0; i < m; ++i) {
    const int64_t id = duals.ids[i], n = duals.n;
    REQUIRE(id >= 0 && id < n, "ids", text(id, " in row ", i), "values in [0, ", n, ")");
    REQUIRE(seen.insert(id).second, "ids", text(id, " again in row ", i), "distinct ids");
    const float lambda = duals.multipliers[id],
                epsilon = duals.epsilon ? duals.epsilon[id] : duals.epsilon_of_all;
    REQUIRE(std::isfinite(lambda) && lambda >= 0, "multipliers", text(lambda, " for sample ", id),
            "finite values of at least 0");
    poll(kSearch);
    REQUIRE(std::isfinite(epsilon), "epsilon", text(epsilon, " for sample ", id), "finite values");
  }
  throw std::runtime_error("multipliers, ids or epsilon were changed while they were read");
}

DualVariablesView duals_of(const py::array& ids, const py::array& multipliers,
                           const py::array& epsilon, double lr, int64_t m) {
  const int64_t n = multipliers.size();
  const bool one = epsilon.ndim() == 0;
  const DualVariablesView duals{one_each<const int64_t>(ids, "ids", m),
                                n,
                                one ? nullptr : epsilons_of(epsilon, n),
                                one ? *typed<const float>(epsilon, "epsilon", 0) : 0.0f,
                                lr,
                                typed<float>(multipliers, "multipliers", 1)};
  check_lr(lr);
  return duals;
}

DualAscent right(const std::optional<DualAscent>& ascent, const DualVariablesView& duals,
                 int64_t m) {
  if (!ascent) throw_wrong_dual(duals, m);
  return *ascent;
}

// Contiguous, of the shape and dtype of outputs.
py::array like(const py::array& outputs) {
  return py::array(outputs.dtype(), std::vector<py::ssize_t>{outputs.shape(0), outputs.shape(1)});
}

// Arrays of m numbers as the rows of one, which lives as long as one of them: malloc keeps the memory of a
// large array that it gets back where it has seen one as large before, and gives that of several back
// to the system.
class RowsOfOne {
 public:
  RowsOfOne(int64_t count, int64_t m) : all_({count, m}), m_(m) {}
  float* data(int64_t i) { return all_.mutable_data() + i * m_; }
  py::object row(int64_t i) const { return all_[py::int_(i)]; }

 private:
  Array<float> all_;
  int64_t m_;
};

py::tuple dual_ascent(const py::array& outputs, const py::array& targets, const py::array& ids,
                      const py::array& multipliers, const py::array& epsilon, double lr,
                      const std::string& loss, const std::string& isa,
                      std::optional<double> gradient_scale, bool bf16, int threads) {
  const Predictions predictions = checked_predictions(outputs, targets, loss, bf16);
  const int64_t m = predictions.outputs.n;
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  const double scale = gradient_scale.value_or(0);
  check_scale(scale);
  RowsOfOne arrays(3, m);  // losses, slacks, multipliers before
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m);
  std::optional<py::array> gradient;
  if (gradient_scale) gradient = like(outputs);
  const StepArrays step{arrays.data(0), arrays.data(1), arrays.data(2), nullptr,
                        gradient ? static_cast<char*>(gradient->mutable_data()) : nullptr};
  const DualAscent result = right(
      computed([&] { return dual_ascent_cpu(predictions, duals, scale, kernel, threads, step); }),
      duals, m);
  return py::make_tuple(arrays.row(0), arrays.row(1), arrays.row(2), result.lagrangian,
                        result.nonfinite, result.first_nonfinite, gradient);
}

py::tuple dual_ascent_losses(const py::array& losses_array, const py::array& dual_losses_array,
                             const py::array& ids, const py::array& multipliers,
                             const py::array& epsilon, double lr, const std::string& isa,
                             int threads) {
  const float* losses = typed<const float>(losses_array, "losses", 1);
  const int64_t m = losses_array.size();
  const float* dual_losses = one_each<const float>(dual_losses_array, "dual_losses", m);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  RowsOfOne arrays(2, m);  // slacks, multipliers before
  float *out = arrays.data(0), *held = arrays.data(1);
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m);
  const auto ascended = computed([&] {
    return dual_ascent_losses_cpu(losses, dual_losses, m, duals, kernel, threads, held, out);
  });
  const DualAscent result = right(ascended, duals, m);
  return py::make_tuple(arrays.row(0), arrays.row(1), result.lagrangian, result.nonfinite,
                        result.first_nonfinite);
}

py::array dual_ascent_gradient(const py::array& outputs, const py::array& targets,
                               const py::array& before_array, double scale, const std::string& loss,
                               const std::string& isa, bool bf16, int threads) {
  const Predictions predictions = checked_predictions(outputs, targets, loss, bf16);
  const float* before = one_each<const float>(before_array, "before", predictions.outputs.n);
  check_scale(scale);
  const Kernel& kernel = kernel_named(isa);
  check_threads(threads);
  py::array gradient = like(outputs);
  char* out = static_cast<char*>(gradient.mutable_data());
  computed([&] { dual_ascent_gradient_cpu(predictions, before, scale, kernel, threads, out); });
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
