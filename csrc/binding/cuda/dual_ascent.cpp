#include "ops/dual_ascent/dual_ascent.h"

#include <cmath>

#include "arguments.h"
#include "ops.h"

namespace ally_fast {
namespace {

std::string dtype_name(const DeviceArray& array) {
  return py::str(array.dtype()).cast<std::string>();
}

std::string shape_of(const DeviceArray& array) {
  return py::str(py::tuple(py::cast(array.shape()))).cast<std::string>();
}

// A (rows, d) matrix whose rows may lie apart; float32, float16, or uint16 bits of bfloat16.
RowsView matrix_of(const DeviceArray& array, const char* name, bool bf16,
                   const CudaStream& stream) {
  require(array.shape().size() == 2,
          std::string(name) + ": got shape " + shape_of(array) + ", needs 2-D");
  const std::string dtype = dtype_name(array);
  if (bf16 ? dtype != "uint16" : dtype != "float32" && dtype != "float16") {
    throw py::type_error(std::string(name) + ": got " + dtype + ", needs " +
                         (bf16 ? "uint16 bits of bfloat16" : "float32 or float16"));
  }
  check_device(array, name, stream);
  const RowsView view = rows_of(array, bf16, false, std::nullopt, array.shape()[1]);
  require(view.d <= 1 || view.n == 0 || view.col_stride == array.dtype().itemsize(),
          std::string(name) + ": got columns " + std::to_string(view.col_stride) +
              " bytes apart, needs rows without gaps");
  return view;
}

template <class T>
T* one_a_row(const DeviceArray& array, const char* name, int64_t m, const CudaStream& stream) {
  T* data = typed<T>(array, name, 1, stream);
  require(array.size() == m, std::string(name) + ": got " + std::to_string(array.size()) +
                                 " of them, needs " + std::to_string(m) + ", one a row");
  return data;
}

Predictions predictions_of(const DeviceArray& outputs, const DeviceArray& targets,
                           const std::string& loss, bool bf16) {
  const CudaStream stream = outputs.cuda();
  require(loss == "cross_entropy" || loss == "squared_error",
          "loss: got '" + loss + "', needs 'cross_entropy' or 'squared_error'");
  Predictions p;
  p.outputs = matrix_of(outputs, "outputs", bf16, stream);
  const int64_t m = p.outputs.n, c = p.outputs.d;
  require(c >= 1 && c < int64_t{1} << 30,
          "outputs: got shape " + shape_of(outputs) + ", needs 1 to 2^30 - 1 columns");
  if (loss == "cross_entropy") {
    p.classes = one_a_row<int64_t>(targets, "targets", m, stream);
    return p;
  }
  p.values = matrix_of(targets, "targets", bf16 && dtype_name(targets) != "float32", stream);
  const bool fits = p.values.dtype == p.outputs.dtype || p.values.dtype == DType::kFloat32;
  if (!fits) throw py::type_error("targets: needs float32 or the dtype of outputs");
  require(p.values.n == m && p.values.d == c, "targets: got shape " + shape_of(targets) +
                                                  ", needs that of outputs, " + shape_of(outputs));
  return p;
}

DualVariablesView duals_of(const DeviceArray& ids, const DeviceArray& multipliers,
                           const py::object& epsilon, double lr, int64_t m,
                           const CudaStream& stream) {
  DualVariablesView view{};
  view.ids = one_a_row<int64_t>(ids, "ids", m, stream);
  view.multipliers = typed<float>(multipliers, "multipliers", 1, stream);
  view.n = multipliers.size();
  if (py::isinstance<DeviceArray>(epsilon)) {
    const auto& array = epsilon.cast<const DeviceArray&>();
    view.epsilon = typed<float>(array, "epsilon", 1, stream);
    require(array.size() == view.n,
            "epsilon: got " + std::to_string(array.size()) +
                " of them, needs one number or n = " + std::to_string(view.n));
  } else {
    view.epsilon_of_all = static_cast<float>(epsilon.cast<double>());
    require(std::isfinite(view.epsilon_of_all), "epsilon: needs finite values");
  }
  view.lr = lr;
  require(std::isfinite(lr) && lr >= 0,
          "lr: got " + std::to_string(lr) + ", needs a finite value of at least 0");
  return view;
}

StepReport report_of(const DeviceArray& lagrangian, const DeviceArray& report,
                     const CudaStream& stream) {
  const StepReport view{typed<double>(lagrangian, "lagrangian", 1, stream),
                        typed<int64_t>(report, "report", 1, stream)};
  require(lagrangian.size() == 1, "lagrangian: needs one place");
  require(report.size() == 5, "report: needs five places");
  return view;
}

char* gradient_of(const DeviceArray& gradient, const DeviceArray& outputs) {
  check_device(gradient, "gradient", outputs.cuda());
  require(gradient.contiguous() && gradient.shape() == outputs.shape() &&
              gradient.dtype().equal(outputs.dtype()),
          "gradient: got " + describe(gradient) + ", needs a contiguous " + describe(outputs));
  return gradient.data();
}

double checked_scale(double scale) {
  require(std::isfinite(scale), "scale: needs a finite value");
  return scale;
}

void dual_ascent(const DeviceArray& outputs, const DeviceArray& targets, const DeviceArray& ids,
                 const DeviceArray& multipliers, const py::object& epsilon, double lr,
                 const DeviceArray& losses, const DeviceArray& slacks, const DeviceArray& before,
                 const std::optional<DeviceArray>& log_sum_exp,
                 const std::optional<DeviceArray>& gradient, const DeviceArray& lagrangian,
                 const DeviceArray& report, const std::string& loss, double gradient_scale,
                 bool bf16) {
  const CudaStream stream = outputs.cuda();
  const Predictions predictions = predictions_of(outputs, targets, loss, bf16);
  const int64_t m = predictions.outputs.n;
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m, stream);
  StepArrays step{one_a_row<float>(losses, "losses", m, stream),
                  one_a_row<float>(slacks, "slacks", m, stream),
                  one_a_row<float>(before, "before", m, stream), nullptr, nullptr};
  if (predictions.classes) {
    require(log_sum_exp.has_value(), "log_sum_exp: needs a place for it");
    step.log_sum_exp = one_a_row<double>(*log_sum_exp, "log_sum_exp", m, stream);
  }
  if (gradient) step.gradient = gradient_of(*gradient, outputs);
  const StepReport place = report_of(lagrangian, report, stream);
  checked_scale(gradient_scale);
  const py::gil_scoped_release released;
  dual_ascent_cuda(stream, predictions, duals, gradient_scale, step, place);
}

void dual_ascent_losses(const DeviceArray& losses_array, const DeviceArray& dual_losses_array,
                        const DeviceArray& ids, const DeviceArray& multipliers,
                        const py::object& epsilon, double lr, const DeviceArray& slacks_array,
                        const DeviceArray& before_array, const DeviceArray& lagrangian,
                        const DeviceArray& report) {
  const CudaStream stream = losses_array.cuda();
  const float* losses = typed<float>(losses_array, "losses", 1, stream);
  const int64_t m = losses_array.size();
  const float* dual_losses = one_a_row<float>(dual_losses_array, "dual_losses", m, stream);
  const DualVariablesView duals = duals_of(ids, multipliers, epsilon, lr, m, stream);
  float* slacks = one_a_row<float>(slacks_array, "slacks", m, stream);
  float* before = one_a_row<float>(before_array, "before", m, stream);
  const StepReport place = report_of(lagrangian, report, stream);
  const py::gil_scoped_release released;
  dual_ascent_losses_cuda(stream, losses, dual_losses, m, duals, slacks, before, place);
}

void dual_ascent_gradient(const DeviceArray& outputs, const DeviceArray& targets,
                          const DeviceArray& losses, const std::optional<DeviceArray>& log_sum_exp,
                          const DeviceArray& before, const DeviceArray& gradient, double scale,
                          const std::string& loss, bool bf16) {
  const CudaStream stream = outputs.cuda();
  const Predictions predictions = predictions_of(outputs, targets, loss, bf16);
  const int64_t m = predictions.outputs.n;
  StepArrays step{one_a_row<float>(losses, "losses", m, stream), nullptr,
                  one_a_row<float>(before, "before", m, stream), nullptr,
                  gradient_of(gradient, outputs)};
  if (predictions.classes) {
    require(log_sum_exp.has_value(), "log_sum_exp: needs that of the forward pass");
    step.log_sum_exp = one_a_row<double>(*log_sum_exp, "log_sum_exp", m, stream);
  }
  checked_scale(scale);
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
