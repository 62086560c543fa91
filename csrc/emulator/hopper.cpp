#include "hopper.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "fibers.h"

namespace emulator {
namespace {

constexpr uint32_t kWindow = 1024;                                // where shared memory begins
constexpr int kGroup = 128;                                       // threads of a warpgroup
constexpr float kPoison = 3.0e38f;                                // wins every maximum
constexpr uint64_t kLongestDelay = 1500, kDeadlock = 20'000'000;  // in polls

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("CUDA emulator: " + what + " (thread " + std::to_string(here().linear) +
                           ")");
}
void demand(bool condition, const char* what) {
  if (!condition) fail(what);
}

// The opaque eight bytes of an mbarrier.
struct Barrier {
  uint64_t live : 8, phase : 1, expected : 11, pending : 11, unused : 1;
  int64_t bytes : 32;
};
static_assert(sizeof(Barrier) == sizeof(uint64_t));
constexpr uint64_t kLive = 0xA5;

struct Copy {
  TensorMap map;  // of no columns: plain bytes
  int32_t column, row;
  const char* from;
  char* to;
  uint32_t bytes;
  uint64_t* barrier;
  uint64_t due;
};

struct Product {
  float* accumulators;
  int columns;
  uint64_t a, b;
  int64_t group;                // -1: not committed
  std::vector<uint16_t> found;  // of the operands when it was issued: this thread's share
};

struct Thread {
  std::vector<Product> products;
  std::map<float*, std::vector<float>> values;  // what poisoned accumulators stand for
  int64_t committed = 0, issued = 0;
  int registers = 0;
  bool fenced = false;
};

struct NamedBarrier {
  int threads = 0, arrived = 0;
  uint64_t generation = 0;
};

// Of the running block.
struct State {
  uint64_t serial = 0, polls = 0, progress = 0, copies_issued = 0;
  int free_registers = 0;
  std::vector<Copy> copies;
  std::vector<Thread> threads;
  std::map<uint64_t*, int> unfenced;  // barrier -> thread that made it
  NamedBarrier named[16];
  std::map<std::pair<int, int64_t>, std::pair<uint64_t, uint64_t>> descriptors;
};

State& state() {
  static State only;
  if (only.serial != here().serial) {
    demand(only.copies.empty(), "an earlier block ended with copies under way");
    for (const Thread& thread : only.threads) {
      demand(thread.products.empty(), "an earlier block ended with wgmma under way");
    }
    for (const NamedBarrier& barrier : only.named) {
      demand(barrier.arrived == 0, "an earlier block ended with a named barrier half full");
    }
    only = State();
    only.serial = here().serial;
    only.threads.resize(here().block_dim.x);
    const int each = 65536 / static_cast<int>(here().block_dim.x) / 8 * 8;
    for (Thread& thread : only.threads) thread.registers = std::min(each, 256);
  }
  return only;
}

Thread& self() { return state().threads[here().linear]; }

Barrier load(uint64_t* barrier) {
  shared_address(barrier);
  demand(reinterpret_cast<uintptr_t>(barrier) % 8 == 0, "mbarrier: not aligned to 8 bytes");
  Barrier value;
  std::memcpy(&value, barrier, sizeof value);
  demand(value.live == kLive, "mbarrier: not initialised, or overwritten");
  return value;
}

void store(uint64_t* barrier, Barrier value) {
  if (value.pending == 0 && value.bytes == 0) {
    value.phase ^= 1;
    value.pending = value.expected;
  }
  std::memcpy(barrier, &value, sizeof value);
  state().progress = state().polls;
}

uint16_t* swizzled(char* box, uint64_t row, uint64_t column) {
  auto at = reinterpret_cast<uintptr_t>(box) + row * 128 + column * 2;
  return reinterpret_cast<uint16_t*>(at ^ ((at >> 7 & 7) << 4));
}

void land(const Copy& copy) {
  if (copy.map.columns == 0) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    for (uint64_t r = 0; r < copy.map.box_rows; ++r) {
      for (uint64_t c = 0; c < copy.map.box_columns; ++c) {
        const int64_t row = copy.row + static_cast<int64_t>(r);
        const int64_t column = copy.column + static_cast<int64_t>(c);
        uint16_t value = 0;
        if (row >= 0 && column >= 0 && static_cast<uint64_t>(row) < copy.map.rows &&
            static_cast<uint64_t>(column) < copy.map.columns) {
          std::memcpy(&value,
                      static_cast<const char*>(copy.map.data) +
                          static_cast<uint64_t>(row) * copy.map.row_bytes + column * 2,
                      2);
        }
        *swizzled(copy.to, r, c) = value;
      }
    }
  }
  Barrier barrier = load(copy.barrier);
  barrier.bytes -= copy.bytes;
  store(copy.barrier, barrier);
}

// One look at a barrier: time passes, and copies that are due arrive.
void poll() {
  State& now = state();
  ++now.polls;
  for (size_t i = 0; i < now.copies.size();) {
    if (now.copies[i].due > now.polls) {
      ++i;
      continue;
    }
    const Copy copy = now.copies[i];
    now.copies.erase(now.copies.begin() + static_cast<int64_t>(i));
    land(copy);
  }
  if (now.copies.empty() && now.polls - now.progress > kDeadlock) {
    fail("nothing moves, everybody waits for a barrier: a deadlock");
  }
}

void issue(Copy copy) {
  State& now = state();
  demand(!now.unfenced.count(copy.barrier), "a copy uses a barrier made without fence.proxy.async");
  load(copy.barrier);
  const uint32_t address = shared_address(copy.to);
  demand(address - kWindow + copy.bytes <= here().dynamic_shared_bytes,
         "a copy writes outside of shared memory");
  // Scattered, the same each time: some land at once, most much later, not in order.
  const uint64_t mixed = (now.copies_issued++ + now.serial) * 0x9E3779B97F4A7C15u >> 40;
  copy.due = mixed % 4 ? now.polls + mixed % kLongestDelay : now.polls;
  std::memset(copy.to, 0xFF, copy.bytes);
  now.copies.push_back(copy);
}

float from_half(uint16_t bits) {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    for (uint32_t b = 0; b < 65536; ++b) {
      const int exponent = static_cast<int>(b >> 10 & 31);
      const auto mantissa = static_cast<float>(b & 1023);
      float value = exponent == 31  ? (b & 1023 ? NAN : INFINITY)
                    : exponent == 0 ? std::ldexp(mantissa, -24)
                                    : std::ldexp(mantissa + 1024, exponent - 25);
      values[b] = b >> 15 ? -value : value;
    }
    return values;
  }();
  return table[bits];
}

// Sixteen elements of an operand, widened, with the exponents they are aligned by: a half below 2^-14
// keeps that exponent.
struct Sixteen {
  float value[16];
  int exponent[16];
};

// The sum of 16 products and an accumulator as Hopper's tensor cores are found to form it: all
// aligned to the largest exponent, 25 fractional bits kept, the rest cut off, the sum cut off to a
// float32 (microsoft/MMA-Sim).
float fused_sum(const Sixteen& a, const Sixteen& b, float accumulator) {
  double terms[17];
  double largest = std::fabs(static_cast<double>(accumulator));
  double plain = accumulator;
  int exponent = -28;
  terms[16] = accumulator;
  for (int i = 0; i < 16; ++i) {
    terms[i] = static_cast<double>(a.value[i]) * b.value[i];  // exact
    plain += terms[i];
    largest = std::max(largest, std::fabs(terms[i]));
    exponent = std::max(exponent, a.exponent[i] + b.exponent[i]);
  }
  if (!std::isfinite(plain)) return static_cast<float>(plain);
  if (largest == 0) return 0;
  exponent = std::max(exponent, std::ilogb(largest));
  const double unit = std::ldexp(1.0, exponent - 25), inverse = std::ldexp(1.0, 25 - exponent);
  int64_t sum = 0;
  for (const double term : terms) sum += static_cast<int64_t>(term * inverse);
  const double exact = static_cast<double>(sum) * unit;
  const auto rounded = static_cast<float>(exact);
  return std::fabs(static_cast<double>(rounded)) > std::fabs(exact) ? std::nextafterf(rounded, 0.0f)
                                                                    : rounded;
}

// Sixteen elements of a row of a K-major operand in 128-byte swizzle.
void read_operand(uint64_t descriptor, int row, uint16_t* halves) {
  const auto field = [&](int at) { return static_cast<uint32_t>(descriptor >> at & 0x3FFF) << 4; };
  const uint32_t start = field(0), stride = field(32);
  demand(descriptor >> 62 == 1, "wgmma: a descriptor without 128-byte swizzle");
  demand((descriptor >> 49 & 7) == 0, "wgmma: a base offset, though the pattern is aligned");
  demand(field(16) == 16, "wgmma: leading offset of a swizzled operand: 1 is assumed");
  demand((start & 1023) < 128 && (start & 127) % 32 == 0 && stride % 1024 == 0,
         "wgmma: an operand that is not at a multiple of 1024 bytes plus a step in K");
  for (int k = 0; k < 16; ++k) {
    uint32_t at = start + static_cast<uint32_t>(row / 8) * stride +
                  static_cast<uint32_t>(row % 8) * 128 + static_cast<uint32_t>(k) * 2;
    at ^= (at >> 7 & 7) << 4;
    demand(at >= kWindow && at - kWindow + 2 <= here().dynamic_shared_bytes,
           "wgmma: an operand outside of shared memory");
    std::memcpy(&halves[k], here().dynamic_shared + (at - kWindow), 2);
  }
}

Sixteen read_sixteen(uint64_t descriptor, int row) {
  uint16_t halves[16];
  read_operand(descriptor, row, halves);
  Sixteen read;
  for (int k = 0; k < 16; ++k) {
    read.value[k] = from_half(halves[k]);
    read.exponent[k] = std::max(halves[k] >> 10 & 31, 1) - 15;
  }
  return read;
}

// A thread's share of the operands of D += A B, as they lie in memory: together the threads have all.
std::vector<uint16_t> share_of(uint64_t a, uint64_t b, int columns) {
  const int thread = here().linear % kGroup;
  std::vector<uint16_t> halves(32);
  read_operand(a, thread % 64, halves.data());
  read_operand(b, thread % columns, halves.data() + 16);
  return halves;
}

// This thread's part of D += A B.
void multiply(const Product& product, float* values) {
  const int thread = here().linear % kGroup, lane = thread % kWarp;
  demand(share_of(product.a, product.b, product.columns) == product.found,
         "wgmma: an operand was written between its start and its end");
  Sixteen a[2];
  for (int half = 0; half < 2; ++half) {
    a[half] = read_sixteen(product.a, thread / kWarp * 16 + lane / 4 + half * 8);
  }
  for (int i = 0; i < product.columns / 4; ++i) {
    const Sixteen b = read_sixteen(product.b, i / 2 * 8 + lane % 4 * 2 + i % 2);
    for (int half = 0; half < 2; ++half) {
      float& value = values[i / 2 * 4 + half * 2 + i % 2];
      value = fused_sum(a[half], b, value);
    }
  }
}

void named_enter(int id, int threads) {
  demand(id >= 1 && id < 16, "named barrier: its number is not one of 1 to 15");
  demand(threads > 0 && threads % kWarp == 0, "named barrier: not a multiple of a warp");
  NamedBarrier& barrier = state().named[id];
  demand(barrier.arrived == 0 || barrier.threads == threads,
         "named barrier: two different numbers of threads");
  barrier.threads = threads;
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    ++barrier.generation;
  }
  state().progress = state().polls;
}

}  // namespace

uint32_t shared_address(const void* pointer) {
  const auto offset = static_cast<const char*>(pointer) - here().dynamic_shared;
  demand(offset >= 0 && static_cast<size_t>(offset) < here().dynamic_shared_bytes,
         "an address that is not in dynamic shared memory");
  return static_cast<uint32_t>(offset) + kWindow;
}

void mbarrier_init(uint64_t* barrier, uint32_t arrivals) {
  demand(arrivals >= 1 && arrivals < 1024, "mbarrier.init: arrivals");
  shared_address(barrier);
  Barrier value{};
  value.live = kLive;
  value.expected = value.pending = arrivals;
  std::memcpy(barrier, &value, sizeof value);
  state().unfenced[barrier] = here().linear;
}

void fence_async() {
  auto& unfenced = state().unfenced;
  for (auto at = unfenced.begin(); at != unfenced.end();) {
    at = at->second == here().linear ? unfenced.erase(at) : std::next(at);
  }
}

void mbarrier_arrive(uint64_t* barrier) {
  Barrier value = load(barrier);
  demand(value.pending > 0, "mbarrier.arrive: more arrivals than the phase expects");
  --value.pending;
  store(barrier, value);
}

void mbarrier_arrive_expect(uint64_t* barrier, uint32_t bytes) {
  Barrier value = load(barrier);
  demand(value.pending > 0, "mbarrier.arrive: more arrivals than the phase expects");
  value.bytes += bytes;
  demand(value.bytes < (1 << 20), "mbarrier.arrive.expect_tx: more than 2^20 - 1 bytes");
  --value.pending;
  store(barrier, value);
}

bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity) {
  demand(parity < 2, "mbarrier.try_wait: parity is 0 or 1");
  poll();
  if (load(barrier).phase != parity) return true;
  yield();
  return false;
}

void copy_box(void* to, const CUtensorMap& encoded, int32_t column, int32_t row,
              uint64_t* barrier) {
  TensorMap map;
  std::memcpy(&map, &encoded, sizeof map);
  demand(reinterpret_cast<uintptr_t>(&encoded) % 64 == 0, "a tensor map not aligned to 64 bytes");
  demand(map.data != nullptr, "a copy by a tensor map that was never encoded");
  demand(shared_address(to) % 1024 == 0, "a swizzled copy to a place that is not aligned to 1024");
  issue({map, column, row, nullptr, static_cast<char*>(to),
         map.box_columns * map.box_rows * uint32_t{2}, barrier, 0});
}

void copy_bytes(void* to, const void* from, uint32_t bytes, uint64_t* barrier) {
  demand(shared_address(to) % 16 == 0 && reinterpret_cast<uintptr_t>(from) % 16 == 0 &&
             bytes % 16 == 0 && bytes > 0,
         "cp.async.bulk: not aligned to 16 bytes");
  issue({TensorMap{}, 0, 0, static_cast<const char*>(from), static_cast<char*>(to), bytes, barrier,
         0});
}

void named_sync(int id, int threads) {
  const uint64_t generation = state().named[id].generation;
  named_enter(id, threads);
  while (state().named[id].generation == generation) {
    poll();
    yield();
  }
}

void named_arrive(int id, int threads) { named_enter(id, threads); }

void wgmma_fence() {
  warp_barrier(~0u);
  self().fenced = true;
}

void wgmma(float* accumulators, int columns, uint64_t a, uint64_t b) {
  Thread& thread = self();
  const auto key = std::make_pair(here().linear / kGroup, thread.issued++);
  const auto known = state().descriptors.emplace(key, std::make_pair(a, b)).first;
  demand(known->second == std::make_pair(a, b), "wgmma: the warpgroup's descriptors differ");
  if (!thread.values.count(accumulators)) {
    demand(thread.fenced, "wgmma: no wgmma.fence since the accumulators were free");
    thread.values[accumulators].assign(accumulators, accumulators + columns / 2);
    std::fill_n(accumulators, columns / 2, kPoison);
  }
  thread.products.push_back({accumulators, columns, a, b, -1, share_of(a, b, columns)});
}

void wgmma_commit() {
  Thread& thread = self();
  for (Product& product : thread.products) {
    if (product.group < 0) product.group = thread.committed;
  }
  ++thread.committed;
}

void wgmma_wait(int groups) {
  // Others may do meanwhile what they think they may.
  for (int i = 0; i < 3; ++i) yield();
  Thread& thread = self();
  std::vector<Product> left;
  for (const Product& product : thread.products) {
    if (product.group < 0 || product.group >= thread.committed - groups) {
      left.push_back(product);
    } else {
      multiply(product, thread.values[product.accumulators].data());
    }
  }
  for (const Product& product : thread.products) {
    float* const registers = product.accumulators;
    const auto found = thread.values.find(registers);
    const bool busy = std::any_of(left.begin(), left.end(), [&](const Product& other) {
      return other.accumulators == registers;
    });
    if (busy || found == thread.values.end()) continue;
    for (size_t i = 0; i < found->second.size(); ++i) {
      demand(registers[i] == kPoison, "wgmma: accumulators were written while it was under way");
      registers[i] = found->second[i];
    }
    thread.values.erase(found);
    thread.fenced = false;
  }
  thread.products = std::move(left);
  warp_barrier(~0u);  // .sync.aligned: what one lane does next, all lanes have waited for
}

void raise_registers(int count) {
  demand(count >= 24 && count <= 256 && count % 8 == 0, "setmaxnreg: 24 to 256, a multiple of 8");
  const int more = count - self().registers;
  demand(more >= 0, "setmaxnreg.inc: below what the thread has");
  constexpr int kPatience = 10'000;
  for (int tries = 0; state().free_registers < more; ++tries) {
    demand(tries < kPatience, "setmaxnreg.inc: for registers that nobody gives back");
    yield();
  }
  state().free_registers -= more;
  self().registers = count;
}

void lower_registers(int count) {
  demand(count >= 24 && count <= 256 && count % 8 == 0, "setmaxnreg: 24 to 256, a multiple of 8");
  const int less = self().registers - count;
  demand(less >= 0, "setmaxnreg.dec: above what the thread has");
  state().free_registers += less;
  self().registers = count;
}

}  // namespace emulator
