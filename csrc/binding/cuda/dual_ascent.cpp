#include "binding/dual_ascent.h"

#include "binding/cuda/arguments.h"
#include "binding/ops.h"

namespace ally_fast {
namespace {

Predictions checked_predictions(const DeviceArray& outputs, const DeviceArray& targets,
                                const std::string& loss, bool bf16) {
  const Predictions p = predictions_of(outputs, targets, loss, bf16, outputs.cuda());
  REQUIRE(p.outputs.d < int64_t{1} << 30, "outputs", shape_of(outputs), "fewer than 2**30 columns");
  return p;
}

DualVariablesView duals_of(const DeviceArray& ids, const DeviceArray& multipliers,
                           const py::object& epsilon, double lr, int64_t m,
                           const CudaStream& stream) {
  DualVariablesView view{};
  view.ids = one_each<const int64_t>(ids, "ids", m, stream);
  view.multipliers = typed<float>(multipliers, "multipliers", 1, stream);
  view.n = multipliers.size();
  if (py::isinstance<DeviceArray>(epsilon)) {
    view.epsilon = epsilons_of(epsilon.cast<const DeviceArray&>(), view.n, stream);
  } else {
    view.epsilon_of_all = static_cast<float>(epsilon.cast<double>());
    REQUIRE(std::isfinite(view.epsilon_of_all), "epsilon", "", "finite values");
  }
  view.lr = lr;
  check_lr(lr);
  return view;
}

StepReport report_of(const DeviceArray& lagrangian, const DeviceArray& report,
                     const CudaStream& stream) {
  return {one_each<double>(lagrangian, "lagrangian", 1, stream),
          one_each<int64_t>(report, "report", 5, stream)};
}

double* log_sum_exp_of(const std::optional<DeviceArray>& array, const Predictions& predictions,
                       const CudaStream& stream) {
  if (!predictions.classes) return nullptr;
  REQUIRE(array.has_value(), "log_sum_exp", "None", "an array where the loss is cross-entropy");
  return one_each<double>(array, "log_sum_exp", predictions.outputs.n, stream);
}

char* gradient_of(const DeviceArray& gradient, const DeviceArray& outputs) {
  check_memory(gradient, "gradient", true, outputs.cuda());
  REQUIRE(gradient.contiguous() && gradient.shape() == outputs.shape() &&
              gradient.dtype().equal(outputs.dtype()),
          "gradient", described(gradient), "a contiguous ", described(outputs));
  return gradient.data();
}

void dual_ascent(const DeviceArray& outputs, const DeviceArray& targets, const DeviceArray& ids,
                 const DeviceArray& multipliers, const py::object& epsilon, double lr,
                 const DeviceArray& losses, const DeviceArray& slacks, const DeviceArray& before,
                 const std::optional<DeviceArray>& log_sum_exp,
                 const std::optional<DeviceArray>& gradient, const DeviceArray& lagrangian,
                 const DeviceArray& report, const std::string& loss, double gradient_scale,
                 bool bf16) {
  const CudaStream stream = outputs.cuda();
  const Predictions predictions = checked_predictions(outputs, targets, loss, bf16);
  const int64_t m = predictions.outputs.n;
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m, stream);
  StepArrays step{one_each<float>(losses, "losses", m, stream),
                  one_each<float>(slacks, "slacks", m, stream),
                  one_each<float>(before, "before", m, stream),
                  log_sum_exp_of(log_sum_exp, predictions, stream), nullptr};
  if (gradient) step.gradient = gradient_of(*gradient, outputs);
  const StepReport place = report_of(lagrangian, report, stream);
  check_scale(gradient_scale);
  const py::gil_scoped_release released;
  dual_ascent_cuda(stream, predictions, duals, gradient_scale, step, place);
}

void dual_ascent_losses(const DeviceArray& losses_array, const DeviceArray& dual_losses_array,
                        const DeviceArray& ids, const DeviceArray& multipliers,
                        const py::object& epsilon, double lr, const DeviceArray& slacks_array,
                        const DeviceArray& before_array, const DeviceArray& lagrangian,
                        const DeviceArray& report) {
  const CudaStream stream = losses_array.cuda();
  const float* losses = typed<const float>(losses_array, "losses", 1, stream);
  const int64_t m = losses_array.size();
  const float* dual_losses = one_each<const float>(dual_losses_array, "dual_losses", m, stream);
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m, stream);
  float* slacks = one_each<float>(slacks_array, "slacks", m, stream);
  float* before = one_each<float>(before_array, "before", m, stream);
  const StepReport place = report_of(lagrangian, report, stream);
  const py::gil_scoped_release released;
  dual_ascent_losses_cuda(stream, losses, dual_losses, m, duals, slacks, before, place);
}

void dual_ascent_gradient(const DeviceArray& outputs, const DeviceArray& targets,
                          const DeviceArray& losses, const std::optional<DeviceArray>& log_sum_exp,
                          const DeviceArray& before, const DeviceArray& gradient, double scale,
                          const std::string& loss, bool bf16) {
  const CudaStream stream = outputs.cuda();
  const Predictions predictions = checked_predictions(outputs, targets, loss, bf16);
  const int64_t m = predictions.outputs.n;
  const StepArrays step{one_each<float>(losses, "losses", m, stream), nullptr,
                        one_each<float>(before, "before", m, stream),
                        log_sum_exp_of(log_sum_exp, predictions, stream),
                        gradient_of(gradient, outputs)};
  check_scale(scale);
  const py::gil_scoped_release released;
  dual_ascent_gradient_cuda(stream, predictions, scale, step);
}

}  // namespace

void register_dual_ascent(py::module_& module) {
  module.def("dual_ascent", &dual_ascent, py::arg("outputs"), py::arg("targets"), py::arg("ids"),
             py::arg("multipliers"), py::arg("epsilon"), py::arg("lr"), py::arg("losses"),
             py::arg("slacks"), py::arg("before"), py::arg("log_sum_exp"), py::arg("gradient"),
             py::arg("lagrangian"), py::arg("report"), py::kw_only(), py::arg("loss"),
             py::arg("gradient_scale") = 1.0, py::arg("bf16") = false);
  module.def("dual_ascent_losses", &dual_ascent_losses, py::arg("losses"), py::arg("dual_losses"),
             py::arg("ids"), py::arg("multipliers"), py::arg("epsilon"), py::arg("lr"),
             py::arg("slacks"), py::arg("before"), py::arg("lagrangian"), py::arg("report"));
  module.def("dual_ascent_gradient", &dual_ascent_gradient, py::arg("outputs"), py::arg("targets"),
             py::arg("losses"), py::arg("log_sum_exp"), py::arg("before"), py::arg("gradient"),
             py::arg("scale"), py::kw_only(), py::arg("loss"), py::arg("bf16") = false);
}

}  // namespace ally_fast
