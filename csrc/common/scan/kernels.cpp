// Which kernels are compiled in, and which of them this machine can run.
#include <cstring>
#include <vector>

#include "kernel.h"

#if ALLY_FAST_X86
#include <cpuid.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ally_fast {

extern const Kernel kPortableKernel;
#if ALLY_FAST_X86
extern const Kernel kAvx2Kernel;
extern const Kernel kAvx512Kernel;
#ifndef ALLY_FAST_NO_AVX512BF16
extern const Kernel kAvx512Bf16Kernel;
#endif
#ifndef ALLY_FAST_NO_AMX
extern const Kernel kAmxKernel;
#endif
#endif

namespace {

#if ALLY_FAST_X86

// Every processor with AVX2 and FMA has F16C, which some compilers have no name for here.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

[[maybe_unused]] bool has_avx512bf16() {
  return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

#ifndef ALLY_FAST_NO_AMX
bool has_amx() {
#ifdef ALLY_FAST_EMULATE_AMX
  return has_avx512bf16();
#else
  unsigned a, b, c, d;
  if (!has_avx512bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const unsigned tile_and_bf16 = 1u << 24 | 1u << 22;
  if ((d & tile_and_bf16) != tile_and_bf16) return false;
#ifdef __linux__
  // Linux hands out the tile registers on request, once a process.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
#endif
}
#endif
#endif

struct Kernels {
  std::vector<const Kernel*> runnable;
  std::vector<const char*> runnable_names, compiled_names;

  void add(const Kernel& kernel, bool can_run) {
    compiled_names.push_back(kernel.name);
    if (!can_run) return;
    runnable.push_back(&kernel);
    runnable_names.push_back(kernel.name);
  }

  Kernels() {
#if ALLY_FAST_X86
#ifndef ALLY_FAST_NO_AMX
    add(kAmxKernel, has_amx());
#endif
    // Best first. Zen multiplies bfloat16 at twice the rate of float32, Xeons at half of it.
    const bool is_intel = __builtin_cpu_is("intel");
    if (is_intel) add(kAvx512Kernel, has_avx512());
#ifndef ALLY_FAST_NO_AVX512BF16
    add(kAvx512Bf16Kernel, has_avx512bf16());
#endif
    if (!is_intel) add(kAvx512Kernel, has_avx512());
    add(kAvx2Kernel, has_avx2());
#endif
    add(kPortableKernel, true);
    runnable_names.push_back(nullptr);
    compiled_names.push_back(nullptr);
  }
};

const Kernels& kernels() {
  static const Kernels all;
  return all;
}

}  // namespace

const Kernel* find_kernel(const char* name) {
  for (const Kernel* kernel : kernels().runnable) {
    if (std::strcmp(kernel->name, name) == 0) return kernel;
  }
  return nullptr;
}

const char* const* runnable_kernels() { return kernels().runnable_names.data(); }
const char* const* compiled_kernels() { return kernels().compiled_names.data(); }

}  // namespace ally_fast
