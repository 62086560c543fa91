#include <cmath>

#include "ascend.h"
#include "packed_cuda.h"
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
    ALLY_FAST_SHARED(T, parts, [kWarps]);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    value = parts[0];
#pragma unroll
    for (int warp = 1; warp < kWarps; ++warp) value = op(value, parts[warp]);
  }
  return value;
}

// What a group of kLanes threads holds of its row, kColumns at a time, kValues a thread: outputs, that
// of the target hidden behind minus infinity; for squared error differences from the values. `left` is
// the number of columns from the tile's first one to the row's end.
template <bool kSquared, DType kDType, int kLanes, int kValues, int kWide>
struct Tile {
  static constexpr int kColumns = kLanes * kValues;
  // What adds nothing: to a sum of exponentials, to a sum of squares.
  static constexpr float kPadding = kSquared ? 0.0f : -kInfinity;
  template <DType kRowDType>
  using Vectors = Packed<kRowDType, kWide>[kValues / kWide];

  float x[kValues];

  // The thread's first column in a tile; its vectors lie kLanes * kWide columns apart.
  static __device__ __forceinline__ int first_column() {
    return static_cast<int>(threadIdx.x) % kLanes * kWide;
  }

  // run(v, column): the v-th vector of the thread, so many columns past its first one. Vectors that
  // no thread of the group has are left out; those that this thread lacks are not.
  template <class Run>
  static __device__ __forceinline__ void each_vector(int left, const Run& run) {
#pragma unroll
    for (int v = 0; v < kValues / kWide; ++v) {
      if (v * kLanes * kWide >= left) break;
      run(v, v * kLanes * kWide);
    }
  }

  // All loads before the first use, so that they are under way together.
  template <DType kRowDType>
  static __device__ __forceinline__ void load_row(const char* tile, int left,
                                                  Vectors<kRowDType>& vectors) {
    const char* mine = tile + first_column() * kBytes<kRowDType>;
    const int mine_left = left - first_column();
#pragma unroll
    for (int v = 0; v < kValues / kWide; ++v) {
      const int column = v * kLanes * kWide;
      vectors[v] = Packed<kRowDType, kWide>::of(kPadding);
      if (column < mine_left) vectors[v].load(mine + column * kBytes<kRowDType>);
    }
  }

  template <DType kValuesDType>
  __device__ __forceinline__ void set_differences(const char* values, int left,
                                                  const Vectors<kDType>& outputs) {
    Vectors<kValuesDType> wanted;
    load_row<kValuesDType>(values, left, wanted);
#pragma unroll
    for (int v = 0; v < kValues / kWide; ++v) {
      float* to = x + v * kWide;
      float y[kWide];
      outputs[v].widen_to(to);
      wanted[v].widen_to(y);
#pragma unroll
      for (int e = 0; e < kWide; ++e) to[e] -= y[e];
    }
  }

  // A new tile, so that no value of the one before has to be kept.
  static __device__ __forceinline__ Tile load(const RowsTask& task, int64_t i, int base,
                                              int target) {
    const RowsView &outputs = task.predictions.outputs, &values = task.predictions.values;
    const int left = static_cast<int>(outputs.d) - base;
    Tile tile;
    Vectors<kDType> vectors;
    load_row<kDType>(outputs.data + i * outputs.row_stride + int64_t{base} * kBytes<kDType>, left,
                     vectors);
    if constexpr (!kSquared) {
      const int hidden = target - base - first_column();
#pragma unroll
      for (int v = 0; v < kValues / kWide; ++v) {
        float* to = tile.x + v * kWide;
        vectors[v].widen_to(to);
#pragma unroll
        for (int e = 0; e < kWide; ++e) {
          if (v * kLanes * kWide + e == hidden) to[e] = kPadding;
        }
      }
    } else {
      const char* row = values.data + i * values.row_stride;
      if (values.dtype == DType::kFloat32) {
        tile.template set_differences<DType::kFloat32>(row + int64_t{base} * 4, left, vectors);
      } else {
        tile.template set_differences<kDType>(row + int64_t{base} * kBytes<kDType>, left, vectors);
      }
    }
    return tile;
  }

  // Of the thread's values: the sum of squares, the largest, the sum of exp(value - shift).
  __device__ __forceinline__ float squares(int left) const {
    float sums[kWide] = {};
    each_vector(left, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) sums[e] = fmaf(x[v * kWide + e], x[v * kWide + e], sums[e]);
    });
    return total(sums);
  }
  __device__ __forceinline__ float largest(int left) const {
    float result = -kInfinity;
    each_vector(left, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) result = fmaxf(result, x[v * kWide + e]);
    });
    return result;
  }
  __device__ __forceinline__ float exponentials(int left, float shift) const {
    float sums[kWide] = {};
    each_vector(left, [&](int v, int) {
#pragma unroll
      for (int e = 0; e < kWide; ++e) sums[e] += expf(x[v * kWide + e] - shift);
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

  // run(value) for each of the thread's values, in the dtype of outputs.
  template <class Run>
  __device__ __forceinline__ void store(char* tile, int left, const Run& run) const {
    char* mine = tile + first_column() * kBytes<kDType>;
    const int mine_left = left - first_column();
    each_vector(left, [&](int v, int column) {
      float results[kWide];
#pragma unroll
      for (int e = 0; e < kWide; ++e) results[e] = run(x[v * kWide + e]);
      if (column < mine_left) {
        store_vector<kDType, kWide>(mine + column * kBytes<kDType>, results);
      }
    });
  }

  // Written by the thread that has written the vector around it.
  static __device__ __forceinline__ void store_one(char* row, int column, float value) {
    if (column / kWide % kLanes * kWide == first_column()) {
      store_vector<kDType, 1>(row + int64_t{column} * kBytes<kDType>, &value);
    }
  }
};

// The loss of a row whose first tile is loaded; its last one stays so. See dual_ascent_cpu for the
// formula.
template <class Tile, bool kSquared, int kLanes>
__device__ __forceinline__ float loss_of(const RowsTask& task, int64_t i, float own, int target,
                                         Tile* tile, double* log_sum_exp) {
  const int c = static_cast<int>(task.predictions.outputs.d);
  float largest = -kInfinity;
  double sum = 0;
  for (int base = 0; base < c; base += Tile::kColumns) {
    if (base > 0) *tile = Tile::load(task, i, base, target);
    if constexpr (kSquared) {
      sum += static_cast<double>(tile->squares(c - base));
    } else {
      const float now = fmaxf(largest, tile->largest(c - base));
      if (now > largest) sum *= static_cast<double>(expf(largest - now));
      largest = now;
      // Classes at minus infinity only: their terms are 0, and a NaN stays one.
      const float shift = largest == -kInfinity ? 0.0f : largest;
      sum += static_cast<double>(tile->exponentials(c - base, shift));
    }
  }
  if constexpr (kSquared) return static_cast<float>(reduce<kLanes>(sum, Sum()) / c);

  const float peak = reduce<kLanes>(largest, Larger());
  sum *= static_cast<double>(expf(largest - (peak == -kInfinity ? 0.0f : peak)));
  const double rest = log(reduce<kLanes>(sum, Sum()));
  const double margin = (static_cast<double>(peak) - static_cast<double>(own)) + rest;
  const float tail = log1pf(expf(-fabsf(static_cast<float>(margin))));
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
  using RowTile = Tile<kSquared, kDType, kLanes, kValues, kWide>;
  const RowsView& outputs = task.predictions.outputs;
  const int c = static_cast<int>(outputs.d);
  const int64_t place =
      int64_t{blockIdx.x} * (kThreads / kLanes) + static_cast<int>(threadIdx.x) / kLanes;
  // All threads of a warp take part in its shuffles: those past the end repeat the last row.
  const bool live = place < outputs.n;
  const int64_t i = live ? place : outputs.n - 1;
  const int target = kSquared ? -1 : static_cast<int>(task.predictions.classes[i]);
  // All under way before anything waits, also not for the verdict on the arguments.
  const unsigned long long error = task.forward ? *task.error : kNoError;
  const int64_t id = task.forward ? task.duals.ids[i] : 0;
  RowTile tile = RowTile::load(task, i, 0, target);
  if (error != kNoError) return;

  float loss = 0, before = 0;
  double log_sum_exp = 0;
  if (task.forward) {
    before = task.duals.multipliers[id];
    float own = 0;
    if constexpr (!kSquared) {
      own = Element<kDType>::load(outputs.data + i * outputs.row_stride +
                                  int64_t{target} * kBytes<kDType>);
    }
    loss = loss_of<RowTile, kSquared, kLanes>(task, i, own, target, &tile, &log_sum_exp);
    if (live && RowTile::first_column() == 0) {
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
  const bool first_is_gone = task.forward && c > RowTile::kColumns;
  char* row = task.step.gradient + i * c * kBytes<kDType>;
  for (int base = 0; base < c; base += RowTile::kColumns) {
    if (base > 0 || first_is_gone) tile = RowTile::load(task, i, base, target);
    tile.store(row + int64_t{base} * kBytes<kDType>, c - base,
               [&](float x) { return kSquared ? factor * x : factor * expf((x - high) - low); });
  }
  if constexpr (!kSquared) {
    // A gradient may follow a step whose targets were refused.
    if (target < 0 || target >= c) return;
    RowTile::store_one(row, target,
                       static_cast<float>(coefficient * static_cast<double>(expm1f(-loss))));
  }
}

bool aligned(const void* data, int64_t stride) {
  return ((reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(stride)) & 15) == 0;
}

template <bool kSquared, DType kDType>
void launch_dtype(const OpScope& scope, const RowsTask& task) {
  constexpr int kWide = 16 / kBytes<kDType>;
  // As many as the registers hold, of two matrices where there are two.
  constexpr int kValues = kSquared ? 16 : 32;
  const RowsView &outputs = task.predictions.outputs, &values = task.predictions.values;
  const int64_t m = outputs.n, c = outputs.d;
  const bool wide = c % kWide == 0 && aligned(outputs.data, outputs.row_stride) &&
                    aligned(task.step.gradient, 0) && aligned(values.data, values.row_stride);
  const auto launch = [&](void (*kernel)(RowsTask), int lanes) {
    scope.launch(kernel, {blocks_for(m, kThreads / lanes), kThreads}, task);
  };
  if (c <= 64) {
    launch(rows_kernel<kSquared, kDType, 8, 8, 1>, 8);
  } else if (c <= 32 * kValues) {
    launch(wide ? rows_kernel<kSquared, kDType, 32, kValues, kWide>
                : rows_kernel<kSquared, kDType, 32, kValues, 1>,
           32);
  } else {
    launch(wide ? rows_kernel<kSquared, kDType, kThreads, kValues, kWide>
                : rows_kernel<kSquared, kDType, kThreads, kValues, 1>,
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
