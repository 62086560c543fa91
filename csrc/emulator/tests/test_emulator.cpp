// The emulator finds the mistakes it is there to find: kernels with one planted, each run in a process
// of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>

#include "common/cuda/hopper/barrier.h"
#include "common/cuda/hopper/wgmma.h"
#include "common/cuda/shared.h"
#include "common/halves.h"
#include "cuda.h"
#include "cuda_runtime.h"

namespace {

using namespace ally_fast;

int failures = 0;

// Runs it in a child; returns what it writes to standard error, and whether it ended by itself.
std::pair<std::string, bool> run_apart(const std::function<void()>& work) {
  int ends[2];
  if (pipe(ends)) std::abort();
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    try {
      work();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(3);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string told;
  char part[512];
  for (ssize_t size; (size = read(ends[0], part, sizeof part)) > 0;) {
    told.append(part, static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {told, WIFEXITED(status) && WEXITSTATUS(status) == 0};
}

void judge(const char* name, bool right, const std::string& told) {
  if (right) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s: %s\n", name, told.empty() ? "no complaint" : told.c_str());
}

void expect_fine(const char* name, const std::function<void()>& work) {
  const auto [told, fine] = run_apart(work);
  judge(name, fine, told);
}

void expect_complaint(const char* name, const char* words, const std::function<void()>& work) {
  const auto [told, fine] = run_apart(work);
  judge(name, !fine && told.find(words) != std::string::npos, told);
}

void demand(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

// D = A B' of one (64, 64) and one (128, 64) box, by one warpgroup.
constexpr int kA = 1024, kB = kA + 64 * 128, kShared = kB + 128 * 128;

struct Product {
  alignas(16) uint16_t a[64 * 64] = {}, b[128 * 64] = {};
  bool waits = true;        // for the copies, before the product
  bool overwrites = false;  // an operand, before the product is waited for
  float first = 0;          // D(0, 0)

  static CUtensorMap map_of(const uint16_t* data, cuuint64_t rows) {
    CUtensorMap map;
    const cuuint64_t size[] = {64, rows}, strides[] = {128};
    const cuuint32_t box[] = {64, static_cast<cuuint32_t>(rows)}, steps[] = {1, 1};
    demand(cuTensorMapEncodeTiled(
               &map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<uint16_t*>(data), size, strides,
               box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
               CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS,
           "the tensor map is refused");
    return map;
  }

  void kernel(const CUtensorMap& a_map, const CUtensorMap& b_map) {
    char* const shared = dynamic_shared();
    auto* const full = reinterpret_cast<uint64_t*>(shared);
    if (threadIdx.x == 0) {
      barrier_init(full, 1);
      fence_barrier_init();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      barrier_arrive_expect(full, kShared - kA);
      emulator::copy_box(shared + kA, a_map, 0, 0, full);
      emulator::copy_box(shared + kB, b_map, 0, 0, full);
    }
    __syncthreads();
    if (waits) barrier_wait(full, 0);
    Accumulators d = {};
    wgmma_fence();
    wgmma_accumulate(d, wgmma_operand(shared + kA), wgmma_operand(shared + kB));
    wgmma_commit();
    if (!waits) barrier_wait(full, 0);
    if (overwrites) {
      __syncthreads();
      if (threadIdx.x == 5) shared[kB + 9] ^= 1;
      __syncthreads();
    }
    wgmma_wait<0>();
    wgmma_finish(d);
    if (threadIdx.x == 0) first = d[0];
  }

  void run() {
    const CUtensorMap a_map = map_of(a, 64), b_map = map_of(b, 128);
    emulator::run_grid(this, 1, kWarpgroup, kShared, [&] { kernel(a_map, b_map); });
  }
};

void test_products() {
  expect_fine("a product", [] {
    Product product;
    for (int k = 0; k < 16; ++k) product.a[k] = product.b[k] = float_to_half(0.5f);
    product.run();
    demand(product.first == 4.0f, "16 products of a quarter are not 4");
  });
  expect_complaint("no wait for the copies", "an operand was written", [] {
    Product product;
    product.waits = false;
    product.run();
  });
  expect_complaint("an operand overwritten early", "an operand was written", [] {
    Product product;
    product.overwrites = true;
    product.run();
  });
  expect_fine("a subnormal half is aligned as 2^-14", [] {
    Product product;
    product.a[0] = float_to_half(0x1p-24f);  // times 1: aligned as 2^-14, so that 2^-39 is the unit
    product.b[0] = float_to_half(1.0f);
    product.a[1] = float_to_half(0x1p-24f);
    product.b[1] = float_to_half(0x1p-16f);  // 2^-40
    product.run();
    demand(product.first == 0x1p-24f, "the small product was not cut off");
  });
}

void test_registers() {
  const auto run = [](int producer, int consumer) {
    emulator::run_grid(nullptr, 1, 3 * kWarpgroup, 0, [=] {
      if (threadIdx.x < kWarpgroup) {
        emulator::lower_registers(producer);
      } else {
        emulator::raise_registers(consumer);
      }
    });
  };
  expect_fine("registers given back are enough", [&] { run(40, 232); });
  expect_complaint("more registers than there are", "nobody gives back", [&] { run(40, 240); });
  expect_complaint("more registers by lowering", "above what the thread has",
                   [&] { run(176, 176); });
  expect_complaint("no multiple of eight", "a multiple of 8", [&] { run(42, 168); });
}

// The driver's rules, broken one at a time.
void test_tensor_maps() {
  struct Arguments {
    uintptr_t address = 1 << 20;
    cuuint64_t size[2] = {128, 1000}, strides[1] = {256};
    cuuint32_t box[2] = {64, 128}, steps[2] = {1, 1};
    CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  };
  const auto refused = [](const Arguments& with) {
    CUtensorMap map;
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2,
                                  reinterpret_cast<void*>(with.address), with.size, with.strides,
                                  with.box, with.steps, CU_TENSOR_MAP_INTERLEAVE_NONE, with.swizzle,
                                  CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS;
  };
  const auto broken = [&](const char* rule, const std::function<void(Arguments&)>& breaks) {
    Arguments arguments;
    breaks(arguments);
    judge(rule, refused(arguments), "");
  };
  judge("a tensor map", !refused(Arguments{}), "refused");
  broken("an address not aligned to 16", [](Arguments& a) { a.address += 8; });
  broken("no address", [](Arguments& a) { a.address = 0; });
  broken("no rows", [](Arguments& a) { a.size[1] = 0; });
  broken("more than 2^32 rows", [](Arguments& a) { a.size[1] = (cuuint64_t{1} << 32) + 1; });
  broken("a stride that is no multiple of 16", [](Arguments& a) { a.strides[0] = 264; });
  broken("a stride of 2^40", [](Arguments& a) { a.strides[0] = cuuint64_t{1} << 40; });
  broken("a stride below a row", [](Arguments& a) { a.strides[0] = 240; });
  broken("a box of more than 256 rows", [](Arguments& a) { a.box[1] = 257; });
  broken("a box of no rows", [](Arguments& a) { a.box[1] = 0; });
  broken("a box wider than the swizzle", [](Arguments& a) { a.box[0] = 72; });
  broken("steps above 8", [](Arguments& a) { a.steps[1] = 9; });
}

// Launches of kernels with static and dynamic shared memory.
__global__ void static_kernel(int* out) {
  ALLY_FAST_SHARED(int, held, [256]);
  held[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) *out = held[1];
}

void launch(size_t dynamic_bytes, bool asks) {
  static int out;
  const auto* const kernel = reinterpret_cast<const void*>(&static_kernel);
  if (asks) {
    demand(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                static_cast<int>(dynamic_bytes)) == cudaSuccess,
           "shared memory is refused");
  }
  demand(emulator::launch(static_kernel, 1, 32, dynamic_bytes, nullptr, &out) == cudaSuccess,
         "the launch is refused");
  cudaStreamSynchronize(nullptr);
}

void test_shared_memory() {
  expect_fine("static and dynamic shared memory that fit",
              [] { launch((48 << 10) - 1024, false); });
  expect_complaint("static shared memory counts", "1024 bytes of static",
                   [] { launch(48 << 10, false); });
  expect_fine("asked for", [] { launch(48 << 10, true); });
  expect_complaint("refused once it is known", "shared memory is refused", [] {
    launch(0, false);
    launch(232448 - 1023, true);
  });
}

// What ALLY_FAST_EMULATED_FAULT plants.
void test_faults() {
  expect_fine("an illegal access breaks the device", [] {
    setenv("ALLY_FAST_EMULATED_FAULT", "illegal", 1);
    static int out;
    emulator::launch(static_kernel, 1, 32, 0, nullptr, &out);
    demand(cudaStreamSynchronize(nullptr) == cudaErrorIllegalAddress, "the wait does not tell");
    demand(emulator::launch(static_kernel, 1, 32, 0, nullptr, &out) == cudaErrorIllegalAddress,
           "the next launch does not tell");
    demand(out == 0, "a broken device worked");
  });
}

}  // namespace

int main() {
  test_products();
  test_registers();
  test_tensor_maps();
  test_shared_memory();
  test_faults();
  if (failures == 0) std::puts("emulator: all planted mistakes were found");
  return failures > 0;
}
