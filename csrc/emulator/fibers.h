// One block of a kernel on the host: a fiber for each thread, switched at barriers and warp
// collectives. Deterministic; the order in which threads run is turned round from launch to launch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace emulator {

struct Dim3 {
  unsigned x, y, z;
  Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

constexpr int kWarp = 32;

// Where the running fiber is.
struct Place {
  Dim3 thread, block, block_dim, grid_dim;
  char* dynamic_shared = nullptr;
  size_t dynamic_shared_bytes = 0;
  int linear = 0;       // thread within the block
  uint64_t serial = 0;  // of the block, among all blocks ever run
};
const Place& here();

// Runs every block of a grid; `body` is `kernel` with its arguments bound.
void run_grid(const void* kernel, Dim3 grid, Dim3 block, size_t dynamic_shared,
              const std::function<void()>& body);

// Static shared memory, by the kernels that reach its declaration. `count` returns the running kernel.
const void* running_kernel();
const void* count_static_shared(const void* variable, size_t bytes);
// So far: a kernel that has not run holds none.
size_t static_shared(const void* kernel);

// Waits for all threads of the block. A thread that has returned meanwhile is an error.
void barrier();

// Waits for the warp's lanes of `mask`, all of which must name the same mask. Each leaves `bytes` of
// `mine`; `theirs` receives those of lane `from` (in the mask).
void exchange(uint32_t mask, const void* mine, size_t bytes, int from, void* theirs);
// The same without data.
void warp_barrier(uint32_t mask);
// All 32 lanes leave a word each; `all` receives the 32 of them.
void gather(const void* mine, size_t bytes, void* all);

// Lets others of the block run: for loops that wait on memory.
void yield();

}  // namespace emulator
