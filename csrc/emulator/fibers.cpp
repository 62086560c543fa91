#include "fibers.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {
namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr size_t kSlotBytes = 16;
constexpr size_t kFirstFrame = 4096;  // room for that of fiber_main, and more

enum class State { kReady, kBarrier, kWarp, kYielded, kDone };

#if defined(__x86_64__)
// Saves the callee-saved registers on the stack, swaps stacks, restores.
extern "C" void ally_fast_switch_stack(void** save, void* load);
asm(R"(
.text
.globl ally_fast_switch_stack
.hidden ally_fast_switch_stack
.type ally_fast_switch_stack, @function
ally_fast_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ally_fast_switch_stack, .-ally_fast_switch_stack
)");
#endif

struct Fiber {
  std::unique_ptr<char[]> stack;
  State state = State::kDone;
  Place place;
  uint32_t mask = 0;  // of the collective it waits in
  alignas(16) char slot[kSlotBytes];
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
  void* fake_stack = nullptr;
};

// One running grid; the emulator runs one at a time, under the runtime's lock.
struct Block {
  std::vector<std::unique_ptr<Fiber>> fibers;
  int count = 0;
  Fiber* current = nullptr;
  const void* kernel = nullptr;
  const std::function<void()>* body = nullptr;
  std::exception_ptr error;
#if defined(__x86_64__)
  void* scheduler = nullptr;
#else
  ucontext_t scheduler;
#endif
  void* scheduler_fake_stack = nullptr;
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_bytes = 0;
};

Block block;
std::map<const void*, std::map<const void*, size_t>> static_bytes;  // by kernel and variable
bool backwards = false;
uint64_t blocks_run = 0;

void to_scheduler(bool last) {
  Fiber* self = block.current;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(last ? nullptr : &self->fake_stack, block.scheduler_stack,
                                 block.scheduler_stack_bytes);
#else
  (void)last;
#endif
#if defined(__x86_64__)
  ally_fast_switch_stack(&self->stack_pointer, block.scheduler);
#else
  swapcontext(&self->context, &block.scheduler);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self->fake_stack, nullptr, nullptr);
#endif
}

void to_fiber(Fiber* fiber) {
  block.current = fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&block.scheduler_fake_stack, fiber->stack.get(), kStackBytes);
#endif
#if defined(__x86_64__)
  ally_fast_switch_stack(&block.scheduler, fiber->stack_pointer);
#else
  swapcontext(&block.scheduler, &fiber->context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(block.scheduler_fake_stack, nullptr, nullptr);
#endif
}

[[noreturn]] void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &block.scheduler_stack, &block.scheduler_stack_bytes);
#endif
  try {
    (*block.body)();
  } catch (...) {
    if (!block.error) block.error = std::current_exception();
  }
  block.current->state = State::kDone;
  to_scheduler(true);
  std::abort();  // a fiber that is done is never resumed
}

void prepare(Fiber& fiber) {
  if (!fiber.stack) fiber.stack.reset(new char[kStackBytes]);
#if defined(__SANITIZE_ADDRESS__)
  // What the last fiber on it left behind: only the frame that never returns.
  __asan_unpoison_memory_region(fiber.stack.get() + kStackBytes - kFirstFrame, kFirstFrame);
#endif
  fiber.state = State::kReady;
  fiber.fake_stack = nullptr;
#if defined(__x86_64__)
  auto top = reinterpret_cast<uintptr_t>(fiber.stack.get() + kStackBytes) & ~uintptr_t{15};
  void** frame = reinterpret_cast<void**>(top) - 8;
  std::memset(frame, 0, 8 * sizeof(void*));
  frame[6] = reinterpret_cast<void*>(&fiber_main);  // where the first switch returns to
  fiber.stack_pointer = frame;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, reinterpret_cast<void (*)()>(&fiber_main), 0);
#endif
}

void wait(State state) {
  block.current->state = state;
  to_scheduler(false);
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("CUDA emulator: " + what);
}

// Releases complete warp collectives; whether any was.
bool release_warps() {
  bool released = false;
  for (int first = 0; first < block.count; first += kWarp) {
    const int lanes = block.count - first < kWarp ? block.count - first : kWarp;
    for (int lane = 0; lane < lanes; ++lane) {
      Fiber& fiber = *block.fibers[first + lane];
      if (fiber.state != State::kWarp) continue;
      const uint32_t mask = fiber.mask;
      bool complete = true;
      for (int other = 0; other < lanes && complete; ++other) {
        if (!(mask >> other & 1)) continue;
        const Fiber& peer = *block.fibers[first + other];
        complete = peer.state == State::kWarp && peer.mask == mask;
      }
      if (!complete) continue;
      for (int other = 0; other < lanes; ++other) {
        if (mask >> other & 1) block.fibers[first + other]->state = State::kReady;
      }
      released = true;
    }
  }
  return released;
}

void run_block() {
  for (;;) {
    bool ran = false;
    for (int step = 0; step < block.count; ++step) {
      Fiber* fiber = block.fibers[backwards ? block.count - 1 - step : step].get();
      if (fiber->state != State::kReady) continue;
      ran = true;
      to_fiber(fiber);
      if (block.error) std::rethrow_exception(block.error);
    }
    if (release_warps()) continue;
    int done = 0, waiting = 0, yielded = 0;
    for (int t = 0; t < block.count; ++t) {
      done += block.fibers[t]->state == State::kDone;
      waiting += block.fibers[t]->state == State::kBarrier;
      yielded += block.fibers[t]->state == State::kYielded;
    }
    if (done == block.count) return;
    if (waiting == block.count) {
      for (int t = 0; t < block.count; ++t) block.fibers[t]->state = State::kReady;
      continue;
    }
    if (yielded > 0) {
      for (int t = 0; t < block.count; ++t) {
        if (block.fibers[t]->state == State::kYielded) block.fibers[t]->state = State::kReady;
      }
      continue;
    }
    if (!ran) {
      fail(std::to_string(waiting) + " threads wait at a barrier, " + std::to_string(done) +
           " have returned, the others wait in warp collectives: a deadlock");
    }
  }
}

}  // namespace

const Place& here() { return block.current->place; }

void barrier() { wait(State::kBarrier); }

void warp_barrier(uint32_t mask) {
  Fiber* self = block.current;
  const int lane = self->place.linear % kWarp;
  if (!(mask >> lane & 1)) fail("a lane outside the mask takes part in a warp collective");
  // Lanes a short last warp does not have are taken to agree.
  self->mask = mask;
  wait(State::kWarp);
}

void exchange(uint32_t mask, const void* mine, size_t bytes, int from, void* theirs) {
  if (bytes > kSlotBytes) fail("exchange of more than 16 bytes");
  Fiber* self = block.current;
  const int linear = self->place.linear;
  std::memcpy(self->slot, mine, bytes);
  warp_barrier(mask);
  const int source = linear / kWarp * kWarp + from;
  if (source < block.count && !(mask >> from & 1)) fail("a warp collective reads outside its mask");
  std::memcpy(theirs, source < block.count ? block.fibers[source]->slot : self->slot, bytes);
  warp_barrier(mask);
}

void gather(const void* mine, size_t bytes, void* all) {
  if (bytes > kSlotBytes) fail("gather of more than 16 bytes");
  Fiber* self = block.current;
  const int first = self->place.linear / kWarp * kWarp;
  if (first + kWarp > block.count) fail("a warp-wide operation in a warp of less than 32 threads");
  std::memcpy(self->slot, mine, bytes);
  warp_barrier(~0u);
  char* to = static_cast<char*>(all);
  for (int lane = 0; lane < kWarp; ++lane, to += bytes) {
    const char* from = block.fibers[first + lane]->slot;
    if (bytes == kSlotBytes) {  // most often; of a size that is known it is much faster
      std::memcpy(to, from, kSlotBytes);
    } else {
      std::memcpy(to, from, bytes);
    }
  }
  warp_barrier(~0u);
}

void yield() { wait(State::kYielded); }

const void* running_kernel() { return block.kernel; }

const void* count_static_shared(const void* variable, size_t bytes) {
  static_bytes[block.kernel][variable] = bytes;
  return block.kernel;
}

size_t static_shared(const void* kernel) {
  size_t sum = 0;
  for (const auto& variable : static_bytes[kernel]) sum += variable.second;
  return sum;
}

void run_grid(const void* kernel, Dim3 grid, Dim3 dim, size_t dynamic_shared,
              const std::function<void()>& body) {
  backwards = !backwards;
  block.count = static_cast<int>(dim.x * dim.y * dim.z);
  while (static_cast<int>(block.fibers.size()) < block.count) {
    block.fibers.push_back(std::make_unique<Fiber>());
  }
  block.kernel = kernel;
  block.body = &body;
  block.error = nullptr;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  // Exactly as large as asked for, so that the sanitizer sees an overrun; 1024-byte aligned as TMA
  // wants it.
  void* memory = nullptr;
  if (dynamic_shared && posix_memalign(&memory, 1024, dynamic_shared)) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&std::free)> shared(static_cast<char*>(memory), &std::free);
  for (uint64_t step = 0; step < blocks; ++step) {
    const uint64_t at = backwards ? blocks - 1 - step : step;
    if (shared) std::memset(shared.get(), 0xCD, dynamic_shared);
    ++blocks_run;
    for (int t = 0; t < block.count; ++t) {
      Fiber& fiber = *block.fibers[t];
      const auto thread = static_cast<unsigned>(t);
      fiber.place.thread = Dim3(thread % dim.x, thread / dim.x % dim.y, thread / (dim.x * dim.y));
      fiber.place.block =
          Dim3(static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
               static_cast<unsigned>(at / (uint64_t{grid.x} * grid.y)));
      fiber.place.block_dim = dim;
      fiber.place.grid_dim = grid;
      fiber.place.dynamic_shared = shared.get();
      fiber.place.dynamic_shared_bytes = dynamic_shared;
      fiber.place.serial = blocks_run;
      fiber.place.linear = t;
      prepare(fiber);
    }
    run_block();
  }
}

}  // namespace emulator
