#include <cmath>

#include "../../common/cuda/element.h"
#include "ascend.h"
#include "row_losses_cuda.h"

namespace ally_fast {
namespace {

constexpr int kThreads = 256;
constexpr float kInfinity = INFINITY;

struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Sum {
  __device__ double operator()(double a, double b) const { return a + b; }
};

// All values of a group of kLanes threads as one, in each of them; always the same tree.
template <int kLanes, class T, class Op>
__device__ __forceinline__ T reduce(T value, const Op& op) {
#pragma unroll
  for (int bit = (kLanes < 32 ? kLanes : 32) / 2; bit > 0; bit /= 2) {
    value = op(value, __shfl_xor_sync(~0u, value, bit));
  }
  if constexpr (kLanes > 32) {
    constexpr int kWarps = kLanes / 32;
    __shared__ T parts[kWarps];
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    value = parts[0];
#pragma unroll
    for (int warp = 1; warp < kWarps; ++warp) value = op(value, parts[warp]);
  }
  return value;
}

template <DType kDType>
__device__ __forceinline__ float widen(uint16_t bits) {
  return kDType == DType::kFloat16 ? half_to_float(bits) : bfloat_to_float(bits);
}

template <DType kDType>
__device__ __forceinline__ unsigned narrow(float value) {
  return kDType == DType::kFloat16 ? float_to_half(value) : float_to_bfloat(value);
}

template <DType kDType>
constexpr int kBytes = kDType == DType::kFloat32 ? 4 : 2;

// kWide neighbouring elements; more than one: by 16 bytes, and so aligned.
template <DType kDType, int kWide>
__device__ __forceinline__ void load_vector(const char* at, float* x) {
  if constexpr (kWide == 1) {
    x[0] = Element<kDType>::load(at);
  } else if constexpr (kDType == DType::kFloat32) {
#pragma unroll
    for (int j = 0; j < kWide; j += 4) {
      const float4 four = *reinterpret_cast<const float4*>(at + 4 * j);
      x[j] = four.x, x[j + 1] = four.y, x[j + 2] = four.z, x[j + 3] = four.w;
    }
  } else {
    const uint4 bits = *reinterpret_cast<const uint4*>(at);
    const unsigned words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int j = 0; j < kWide; ++j) {
      x[j] = widen<kDType>(static_cast<uint16_t>(words[j / 2] >> (j % 2 * 16)));
    }
  }
}

template <DType kDType, int kWide>
__device__ __forceinline__ void store_vector(char* at, const float* x) {
  if constexpr (kDType == DType::kFloat32 && kWide == 1) {
    *reinterpret_cast<float*>(at) = x[0];
  } else if constexpr (kDType == DType::kFloat32) {
    *reinterpret_cast<float4*>(at) = float4{x[0], x[1], x[2], x[3]};
  } else if constexpr (kWide == 1) {
    *reinterpret_cast<uint16_t*>(at) = static_cast<uint16_t>(narrow<kDType>(x[0]));
  } else {
    unsigned words[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      words[w] = narrow<kDType>(x[2 * w]) | narrow<kDType>(x[2 * w + 1]) << 16;
    }
    *reinterpret_cast<uint4*>(at) = uint4{words[0], words[1], words[2], words[3]};
  }
}

// What a group of kLanes threads holds of its row, kColumns at a time, kValues a thread: outputs, or
// for squared error their differences from the values.
template <bool kSquared, DType kDType, int kLanes, int kValues, int kWide>
struct Tile {
  static constexpr int kColumns = kLanes * kValues;
  static constexpr int kStep = kLanes * kWide;  // columns between a thread's vectors
  // What adds nothing: to a sum of exponentials, to a sum of squares.
  static constexpr float kPadding = kSquared ? 0.0f : -kInfinity;

  float x[kValues];

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % kLanes; }

  // run(v, column): the thread's v-th vector begins at this column, which may lie past the row.
  template <class Run>
  static __device__ __forceinline__ void each_vector(int base, int c, const Run& run) {
#pragma unroll
    for (int v = 0; v < kValues / kWide; ++v) {
      if (base + v * kStep >= c) break;
      run(v, base + v * kStep + lane() * kWide);
    }
  }

  __device__ __forceinline__ void load(const RowsTask& task, int64_t i, int base) {
    const RowsView &outputs = task.predictions.outputs, &values = task.predictions.values;
    const int c = static_cast<int>(outputs.d);
    const char* row = outputs.data + i * outputs.row_stride;
    const char* wanted = values.data + i * values.row_stride;
    each_vector(base, c, [&](int v, int column) {
      float* to = x + v * kWide;
#pragma unroll
      for (int e = 0; e < kWide; ++e) to[e] = kPadding;
      if (column >= c) return;
      load_vector<kDType, kWide>(row + int64_t{column} * kBytes<kDType>, to);
      if constexpr (kSquared) {
        float y[kWide];
        if (values.dtype == DType::kFloat32) {
          load_vector<DType::kFloat32, kWide>(wanted + int64_t{column} * 4, y);
        } else {
          load_vector<kDType, kWide>(wanted + int64_t{column} * kBytes<kDType>, y);
        }
#pragma unroll
        for (int e = 0; e < kWide; ++e) to[e] -= y[e];
      }
    });
  }

  // Sum of squares of the thread's values.
  __device__ __forceinline__ float squares(int base, int c) const {
    float sums[kWide] = {};
    each_vector(base, c, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) sums[e] = fmaf(x[v * kWide + e], x[v * kWide + e], sums[e]);
    });
    return total(sums);
  }

  // The thread's largest value but that of column `target`, and the sum of exp(value - shift).
  __device__ __forceinline__ float largest(int base, int c, int target) const {
    const int hidden = target - base - lane() * kWide;
    float result = -kInfinity;
    each_vector(base, c, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) {
        result = fmaxf(result, hidden == v * kStep + e ? -kInfinity : x[v * kWide + e]);
      }
    });
    return result;
  }
  __device__ __forceinline__ float exponentials(int base, int c, int target, float shift) const {
    const int hidden = target - base - lane() * kWide;
    float sums[kWide] = {};
    each_vector(base, c, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) {
        sums[e] += hidden == v * kStep + e ? 0.0f : expf(x[v * kWide + e] - shift);
      }
    });
    return total(sums);
  }

  static __device__ __forceinline__ float total(float* sums) {
#pragma unroll
    for (int half = kWide / 2; half > 0; half /= 2) {
#pragma unroll
      for (int e = 0; e < half; ++e) sums[e] += sums[e + half];
    }
    return sums[0];
  }

  template <class Gradient>
  __device__ __forceinline__ void store(const RowsTask& task, int64_t i, int base,
                                        const Gradient& gradient) const {
    const int c = static_cast<int>(task.predictions.outputs.d);
    char* row = task.step.gradient + i * c * kBytes<kDType>;
    each_vector(base, c, [&](int v, int column) {
      if (column >= c) return;
      float g[kWide];
#pragma unroll
      for (int e = 0; e < kWide; ++e) g[e] = gradient(column + e, x[v * kWide + e]);
      store_vector<kDType, kWide>(row + int64_t{column} * kBytes<kDType>, g);
    });
  }
};

// The loss of a row; its last tile stays loaded. See dual_ascent_cpu for the formula.
template <class Tile, bool kSquared, int kLanes>
__device__ __forceinline__ float loss_of(const RowsTask& task, int64_t i, float own, int target,
                                         Tile* tile, double* log_sum_exp) {
  const int c = static_cast<int>(task.predictions.outputs.d);
  float largest = -kInfinity;
  double sum = 0;
  for (int base = 0; base < c; base += Tile::kColumns) {
    tile->load(task, i, base);
    if constexpr (kSquared) {
      sum += static_cast<double>(tile->squares(base, c));
    } else {
      const float now = fmaxf(largest, tile->largest(base, c, target));
      if (now > largest) sum *= static_cast<double>(expf(largest - now));
      largest = now;
      // Classes at minus infinity only: their terms are 0, and a NaN stays one.
      const float shift = largest == -kInfinity ? 0.0f : largest;
      sum += static_cast<double>(tile->exponentials(base, c, target, shift));
    }
  }
  if constexpr (kSquared) return static_cast<float>(reduce<kLanes>(sum, Sum()) / c);

  const float peak = reduce<kLanes>(largest, Larger());
  sum *= static_cast<double>(expf(largest - (peak == -kInfinity ? 0.0f : peak)));
  const double rest = log(reduce<kLanes>(sum, Sum()));
  const double margin = (static_cast<double>(peak) - static_cast<double>(own)) + rest;
  // exp(-|margin|) and what float32 cuts off the argument.
  const double size = margin > 0 ? margin : -margin;
  const float high = static_cast<float>(size), power = expf(-high);
  const float low = high < 1e30f ? static_cast<float>(size - static_cast<double>(high)) : 0.0f;
  const float tail = log1pf(fmaf(-power, low, power));
  const double others = static_cast<double>(peak) + rest, mine = static_cast<double>(own);
  *log_sum_exp = (margin > 0 ? others : mine) + static_cast<double>(tail);
  return margin > 0 ? static_cast<float>(margin + static_cast<double>(tail)) : tail;
}

// Mapping: kLanes threads a row (8, a warp or a block); they hold it in registers up to kColumns
//   columns, longer ones pass by in tiles, a second time for the gradient.
// Shared memory: one value a warp, when a block takes a row.
// Accumulator: float32 within a tile, kValues / kWide terms each; float64 across tiles and threads.
// Order of sums: vectors of a tile in order, elements of a vector as a tree, tiles in order, threads
//   as a tree.
template <bool kSquared, DType kDType, int kLanes, int kValues, int kWide>
__global__ void __launch_bounds__(kThreads) rows_kernel(const RowsTask task) {
  if (task.forward && *task.error != kNoError) return;
  using RowTile = Tile<kSquared, kDType, kLanes, kValues, kWide>;
  const RowsView& outputs = task.predictions.outputs;
  const int c = static_cast<int>(outputs.d);
  const int64_t place =
      int64_t{blockIdx.x} * (kThreads / kLanes) + static_cast<int>(threadIdx.x) / kLanes;
  // All threads of a warp take part in its shuffles: those past the end repeat the last row.
  const bool live = place < outputs.n;
  const int64_t i = live ? place : outputs.n - 1;
  const bool leads = live && RowTile::lane() == 0;
  const int target = kSquared ? -1 : static_cast<int>(task.predictions.classes[i]);

  RowTile tile;
  float loss = 0, before = 0;
  double log_sum_exp = 0;
  if (task.forward) {
    const int64_t id = task.duals.ids[i];
    before = task.duals.multipliers[id];
    float own = 0;
    if constexpr (!kSquared) {
      own = Element<kDType>::load(outputs.data + i * outputs.row_stride +
                                  int64_t{target} * kBytes<kDType>);
    }
    loss = loss_of<RowTile, kSquared, kLanes>(task, i, own, target, &tile, &log_sum_exp);
    if (leads) {
      const float epsilon = task.duals.epsilon ? task.duals.epsilon[id] : task.duals.epsilon_of_all;
      const float slack = slack_of(loss, epsilon);
      float multiplier;
      if (ascend(loss, slack, before, task.duals.lr, &multiplier)) {
        task.duals.multipliers[id] = multiplier;
      }
      task.step.losses[i] = loss;
      task.step.slacks[i] = slack;
      task.step.before[i] = before;
      if constexpr (!kSquared) task.step.log_sum_exp[i] = log_sum_exp;
    }
    if (!task.step.gradient) return;
  } else {
    before = task.step.before[i];
    if constexpr (!kSquared) {
      loss = task.step.losses[i];
      log_sum_exp = task.step.log_sum_exp[i];
    }
  }
  if (!live) return;

  const double coefficient = coefficient_of(before, task.mean_scale);
  const float factor = static_cast<float>(kSquared ? 2 * coefficient / c : coefficient);
  const float high = static_cast<float>(log_sum_exp);
  const float low = static_cast<float>(log_sum_exp - static_cast<double>(high));
  const float at_target = static_cast<float>(coefficient * static_cast<double>(expm1f(-loss)));
  for (int base = 0; base < c; base += RowTile::kColumns) {
    if (!task.forward || c > RowTile::kColumns) tile.load(task, i, base);
    tile.store(task, i, base, [&](int column, float x) {
      if constexpr (kSquared) return factor * x;
      return column == target ? at_target : factor * expf((x - high) - low);
    });
  }
}

bool aligned(const void* data, int64_t stride) {
  return ((reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(stride)) & 15) == 0;
}

template <bool kSquared, DType kDType>
void launch_dtype(const OpScope& scope, const RowsTask& task) {
  constexpr int kWide = 16 / kBytes<kDType>;
  const RowsView &outputs = task.predictions.outputs, &values = task.predictions.values;
  const int64_t m = outputs.n, c = outputs.d;
  const bool wide = c % kWide == 0 && aligned(outputs.data, outputs.row_stride) &&
                    aligned(task.step.gradient, 0) && aligned(values.data, values.row_stride);
  const auto launch = [&](void (*kernel)(RowsTask), int lanes) {
    scope.launch(kernel, {blocks_for(m, kThreads / lanes), kThreads}, task);
  };
  if (c <= 64) {
    launch(rows_kernel<kSquared, kDType, 8, 8, 1>, 8);
  } else if (c <= 1024) {
    launch(wide ? rows_kernel<kSquared, kDType, 32, 32, kWide>
                : rows_kernel<kSquared, kDType, 32, 32, 1>,
           32);
  } else {
    launch(wide ? rows_kernel<kSquared, kDType, kThreads, 32, kWide>
                : rows_kernel<kSquared, kDType, kThreads, 32, 1>,
           kThreads);
  }
}

template <bool kSquared>
void launch_loss(const OpScope& scope, const RowsTask& task) {
  switch (task.predictions.outputs.dtype) {
    case DType::kFloat16:
      return launch_dtype<kSquared, DType::kFloat16>(scope, task);
    case DType::kBFloat16:
      return launch_dtype<kSquared, DType::kBFloat16>(scope, task);
    default:
      return launch_dtype<kSquared, DType::kFloat32>(scope, task);
  }
}

}  // namespace

void launch_rows(const OpScope& scope, const RowsTask& task) {
  if (task.predictions.classes) {
    launch_loss<false>(scope, task);
  } else {
    launch_loss<true>(scope, task);
  }
}

}  // namespace ally_fast
