// The body of RowKernel::losses. Included by one file for each instruction set, inside its own anonymous
// namespace: plain loops over kLanes numbers, which the compiler turns into its vectors. The order of
// operations is written out, so the answers do not depend on the instruction set. What a row needs but
// once (logarithms, the factor of its gradient) is computed for all rows of a group together.
#include "row_group_impl.h"

float shift_of(float largest) { return largest == -kInfinity ? 0.0f : largest; }

// Replaces values by exp(value - shift of the lane), and adds these up in each lane: those of a part in
// float32, the parts in float64.
template <int64_t kPart>
__attribute__((noinline))  // inlined, its constants leave the registers
void exponentials(float* values, int64_t count, const float* shift, double* sums) {
  for (int l = 0; l < kLanes; ++l) sums[l] = 0;
  for (int64_t begin = 0; begin < count; begin += kPart) {
    const int64_t left = count - begin, now = left < kPart ? left : kPart;
    float* chunk = values + begin;
    for (int64_t j = 0; j < now; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) chunk[j + l] = exp_float(chunk[j + l] - shift[l]);
    }
    float lanes[kLanes];
    for (int l = 0; l < kLanes; ++l) lanes[l] = chunk[l];
    for (int64_t j = kLanes; j < now; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) lanes[l] += chunk[j + l];
    }
    for (int l = 0; l < kLanes; ++l) sums[l] += static_cast<double>(lanes[l]);
  }
}

// What the cross-entropy of a row is made of: its own output, and those of the other classes.
struct Sums {
  float own[kLanes] = {};
  float largest[kLanes] = {};  // of the others
  double sum[kLanes] = {};     // of exp(o_j - largest)
};

// Leaves exp(o_j - largest) of the other classes in the group's values, 0 for the own one. With classes
// at minus infinity only, all of them are 0, and a NaN stays one.
void exponentials_transposed(const Group& group, Sums* sums) {
  float* values = group.values;
  read_transposed(group.predictions.outputs, group.begin, group.count, values);
  for (int64_t r = 0; r < group.count; ++r) {
    float& own = values[group.target(r) * kLanes + r];
    sums->own[r] = own;
    own = -kInfinity;
  }
  float shift[kLanes];
  largest_in_lanes(values, group.d() * kLanes, sums->largest);
  for (int r = 0; r < kLanes; ++r) shift[r] = shift_of(sums->largest[r]);
  // Short sums: a lane is all a row has, and its errors do not cancel among sixteen.
  exponentials<4 * kLanes>(values, group.d() * kLanes, shift, sums->sum);
}

// The same for long rows. One thing after the other for all rows: a vector that is loaded soon after
// one of its numbers was stored waits.
void exponentials_in_place(const Group& group, Sums* sums) {
  const RowsView& outputs = group.predictions.outputs;
  const int64_t d = group.d(), padded = group.padded(), count = group.count;
  for (int64_t r = 0; r < count; ++r) {
    float* row = group.row(r);
    read_values(outputs.row(group.begin + r), outputs.dtype, d, row);
    for (int64_t j = d; j < padded; ++j) row[j] = -kInfinity;
    sums->own[r] = row[group.target(r)];
    row[group.target(r)] = -kInfinity;
  }
  float largest[kLanes][kLanes], shift[kLanes];
  double sum[kLanes][kLanes];
  for (int64_t r = 0; r < count; ++r) largest_in_lanes(group.row(r), padded, largest[r]);
  for (int64_t r = 0; r < count; ++r) sums->largest[r] = largest_of(largest[r]);
  for (int64_t r = 0; r < count; ++r) {
    for (float& of_lane : shift) of_lane = shift_of(sums->largest[r]);
    exponentials<kChunk>(group.row(r), padded, shift, sum[r]);
  }
  for (int64_t r = 0; r < count; ++r) sums->sum[r] = sum_of(sum[r]);
}

// What the outputs of a row come to: its loss, and what its gradient is made of.
struct Terms {
  double loss[kLanes];
  double share[kLanes];   // the probability of a class is its exponential times this
  double others[kLanes];  // the probability of all but the own one
};

// With y the target and R the log-sum-exp of the other classes, the loss is log(1 + exp(R - o_y)):
// nothing cancels, however sure the model is. With the larger of o_y and the largest other output as
// the unit, the exponentials of all outputs are 1 + rest.
void terms_of(const Sums& sums, Terms* terms) {
  for (int r = 0; r < kLanes; ++r) {
    const double gap = static_cast<double>(sums.largest[r]) - static_cast<double>(sums.own[r]);
    const double sum = sums.sum[r], smaller = exp_double(-__builtin_fabs(gap));
    const bool behind = gap >= 0;
    const double rest = behind ? (sum - 1) + smaller : sum * smaller;
    terms->loss[r] = (behind ? gap : 0.0) + log1p_double(rest);
    terms->share[r] = (behind ? 1.0 : smaller) / (1 + rest);
    terms->others[r] = sum * terms->share[r];
  }
}

void cross_entropy(const Group& group, const double* coefficients, float* losses, char* gradient) {
  Sums sums;
  if (group.narrow()) {
    exponentials_transposed(group, &sums);
  } else {
    exponentials_in_place(group, &sums);
  }
  Terms terms;
  terms_of(sums, &terms);
  if (losses) {
    losses += group.begin;
    for (int64_t r = 0; r < group.count; ++r) losses[r] = static_cast<float>(terms.loss[r]);
  }
  if (!gradient) return;
  float factors[kLanes], at_target[kLanes];
  for (int r = 0; r < kLanes; ++r) {
    factors[r] = static_cast<float>(coefficients[r] * terms.share[r]);
    at_target[r] = static_cast<float>(-coefficients[r] * terms.others[r]);
  }
  write_gradients(group, factors, at_target, gradient);
}

// Leaves differences in the group's values, and the sums of their squares.
void differences_transposed(const Group& group, double* sums) {
  const Predictions& p = group.predictions;
  float values[kNarrow * kLanes];
  read_transposed(p.outputs, group.begin, group.count, group.values);
  read_transposed(p.values, group.begin, group.count, values);
  double sum[kLanes] = {};
  for (int64_t j = 0; j < group.d(); ++j) {
    float* of = group.values + j * kLanes;
    const float* wanted = values + j * kLanes;
    for (int r = 0; r < kLanes; ++r) {
      const double t = static_cast<double>(of[r]) - static_cast<double>(wanted[r]);
      sum[r] += t * t;
      of[r] -= wanted[r];
    }
  }
  for (int r = 0; r < kLanes; ++r) sums[r] = sum[r];
}

void differences_of_row(const Group& group, int64_t r, double* sums) {
  const RowsView &outputs = group.predictions.outputs, &values = group.predictions.values;
  const int64_t d = group.d(), padded = group.padded(), i = group.begin + r;
  float *row = group.row(r), wanted[kChunk];
  read_values(outputs.row(i), outputs.dtype, d, row);
  for (int64_t j = d; j < padded; ++j) row[j] = 0;
  double lanes[kLanes] = {};
  for (int64_t begin = 0; begin < d; begin += kChunk) {
    const int64_t left = d - begin, count = left < kChunk ? left : kChunk;
    read_values(values.row(i) + begin * size_of(values.dtype), values.dtype, count, wanted);
    for (int64_t j = count; j < round_up(count, kLanes); ++j) wanted[j] = 0;
    float* chunk = row + begin;
    for (int64_t j = 0; j < count; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) {
        const double t = static_cast<double>(chunk[j + l]) - static_cast<double>(wanted[j + l]);
        lanes[l] += t * t;
        chunk[j + l] -= wanted[j + l];
      }
    }
  }
  sums[r] = sum_of(lanes);
}

// Of one output a row: rows beside each other, as they lie.
void squared_error_of_one(const Group& group, const double* coefficients, float* losses,
                          char* gradient) {
  float values[kBlockRows], wanted[kBlockRows];
  read_column(group.predictions.outputs, group.begin, group.count, values);
  read_column(group.predictions.values, group.begin, group.count, wanted);
  for (int64_t r = 0; losses && r < group.count; ++r) {
    const double t = static_cast<double>(values[r]) - static_cast<double>(wanted[r]);
    losses[group.begin + r] = static_cast<float>(t * t);
  }
  if (!gradient) return;
  for (int64_t r = 0; r < group.count; ++r) {
    values[r] = (values[r] - wanted[r]) * static_cast<float>(2 * coefficients[r]);
  }
  const DType dtype = group.predictions.outputs.dtype;
  write_values(values, dtype, group.count, gradient + group.begin * size_of(dtype));
}

void squared_error(const Group& group, const double* coefficients, float* losses, char* gradient) {
  if (group.d() == 1) return squared_error_of_one(group, coefficients, losses, gradient);
  double sums[kLanes] = {};
  if (group.narrow()) {
    differences_transposed(group, sums);
  } else {
    for (int64_t r = 0; r < group.count; ++r) differences_of_row(group, r, sums);
  }
  const double d = static_cast<double>(group.d());
  if (losses) {
    losses += group.begin;
    for (int64_t r = 0; r < group.count; ++r) losses[r] = static_cast<float>(sums[r] / d);
  }
  if (!gradient) return;
  float factors[kLanes];
  for (int r = 0; r < kLanes; ++r) factors[r] = static_cast<float>(2 * coefficients[r] / d);
  write_gradients(group, factors, nullptr, gradient);
}

void row_losses(const Predictions& predictions, int64_t begin, int64_t count,
                const double* coefficients, float* losses, char* gradient, float* scratch) {
  const Group group{predictions, begin, count, scratch};
  if (predictions.classes) {
    cross_entropy(group, coefficients, losses, gradient);
  } else {
    squared_error(group, coefficients, losses, gradient);
  }
}
