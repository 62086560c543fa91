// The runtime behind cuda_runtime.h: devices, memory, lazy streams.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "cuda.h"
#include "cuda_runtime.h"

// What a stream does next: either work, or waiting until another stream has done so much.
struct EmulatedOperation {
  std::function<void()> work;
  EmulatedStream* awaited = nullptr;
  uint64_t until = 0;
  bool always = false;  // on a broken device, too
};
struct EmulatedStream {
  int device = 0;
  uint64_t queued = 0, done = 0;
  std::deque<EmulatedOperation> operations;
  bool running = false;
  bool destroyed = false;
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  uint64_t until = 0;
  int queries = 0;
};
struct EmulatedPool {
  int device;
};

namespace {

struct Block {
  size_t bytes;
  int device;  // -1: pinned host memory
};

struct Machine {
  std::recursive_mutex lock;
  std::map<const char*, Block> blocks;
  std::map<const void*, int> shared_limits;
  std::vector<std::unique_ptr<EmulatedStream>> streams;
  std::map<int, EmulatedStream*> default_streams;
  size_t used[16] = {};
  cudaError_t broken = cudaSuccess;  // what a fault leaves behind, for everyone
};

Machine& machine() {
  static Machine* const only = new Machine;  // outlives everything that may still free memory
  return *only;
}

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t fail(cudaError_t error) {
  last_error = error;
  return error;
}

[[noreturn]] void misuse(const std::string& what) {
  std::fprintf(stderr, "CUDA emulator: %s\n", what.c_str());
  std::abort();
}

size_t number_from(const char* variable, size_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? static_cast<size_t>(std::strtoull(text, nullptr, 10)) : otherwise;
}

int device_count() { return static_cast<int>(number_from("ALLY_FAST_EMULATED_DEVICES", 2)); }
// Read at every allocation: a test can take memory away and give it back.
size_t device_bytes() { return number_from("ALLY_FAST_EMULATED_BYTES", size_t{8} << 30); }
size_t shared_bytes() { return number_from("ALLY_FAST_EMULATED_SHARED_BYTES", 232448); }
constexpr size_t kPlainSharedBytes = 48 << 10;  // that a kernel has without asking

// The fault that is planted, once.
bool befalls(const char* fault) {
  const char* planted = std::getenv("ALLY_FAST_EMULATED_FAULT");
  if (!planted || std::string(planted) != fault) return false;
  unsetenv("ALLY_FAST_EMULATED_FAULT");
  return true;
}

EmulatedStream* resolve(EmulatedStream* stream) {
  if (stream) return stream;
  EmulatedStream*& found = machine().default_streams[current_device];
  if (!found) cudaStreamCreateWithFlags(&found, 0);
  return found;
}

void run_until(EmulatedStream* stream, uint64_t count) {
  while (stream->done < count) {
    if (stream->running) misuse("streams wait for one another in a circle");
    EmulatedOperation operation = std::move(stream->operations.front());
    stream->operations.pop_front();
    stream->running = true;
    if (machine().broken && !operation.always) {
      // A broken device does nothing any more.
    } else if (operation.awaited) {
      run_until(operation.awaited, operation.until);
    } else {
      try {
        operation.work();
      } catch (const std::exception& error) {
        misuse(error.what());  // a device would be lost as well
      }
    }
    stream->running = false;
    ++stream->done;
  }
}

void enqueue(EmulatedStream* stream, EmulatedOperation operation) {
  if (stream->destroyed) misuse("work is queued on a stream that was destroyed");
  stream->operations.push_back(std::move(operation));
  ++stream->queued;
}

// The block that holds [pointer, pointer + bytes), or null.
const Block* block_of(const void* pointer, size_t bytes) {
  const char* at = static_cast<const char*>(pointer);
  auto after = machine().blocks.upper_bound(at);
  if (after == machine().blocks.begin()) return nullptr;
  const auto found = std::prev(after);
  return at + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
}

bool on_device(const void* pointer) {
  const Block* block = block_of(pointer, 0);
  return block && block->device >= 0;
}

using Lock = std::lock_guard<std::recursive_mutex>;

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    default:
      return "invalid argument";
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count();
  return *count ? cudaSuccess : fail(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= device_count()) return fail(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count()) return fail(cudaErrorInvalidDevice);
  std::snprintf(properties->name, sizeof properties->name, "emulated device %d", device);
  properties->totalGlobalMem = device_bytes();
  properties->major = 9;
  properties->minor = 0;
  properties->multiProcessorCount = 3;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device < 0 || device >= device_count()) return fail(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrPageableMemoryAccess:
      *value = static_cast<int>(number_from("ALLY_FAST_EMULATED_PAGEABLE", 0));
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(shared_bytes());
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = static_cast<int>(number_from("ALLY_FAST_EMULATED_POOLS", 1));
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 3;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Lock lock(machine().lock);
  *total = device_bytes();
  *free = *total - std::min(*total, machine().used[current_device]);
  return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  *pool = new EmulatedPool{properties->location.id};
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  const Lock lock(machine().lock);
  if (machine().broken) return fail(machine().broken);
  const int device = resolve(stream)->device;
  if (device != current_device) misuse("allocation: the stream's device is not current");
  if (device != pool->device) misuse("allocation: the pool is another device's");
  // What the streams still hold is given back first.
  if (machine().used[device] + bytes > device_bytes()) {
    for (const auto& other : machine().streams) run_until(other.get(), other->queued);
  }
  if (machine().used[device] + bytes > device_bytes()) return fail(cudaErrorMemoryAllocation);
  char* memory = nullptr;
  if (posix_memalign(reinterpret_cast<void**>(&memory), 256, bytes ? bytes : 1)) {
    return fail(cudaErrorMemoryAllocation);
  }
  std::memset(memory, 0xCD, bytes);
  machine().blocks[memory] = {bytes, device};
  machine().used[device] += bytes;
  *pointer = memory;
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const Lock lock(machine().lock);
  if (!pointer) return cudaSuccess;
  enqueue(resolve(stream), {[pointer] {
                              const auto found =
                                  machine().blocks.find(static_cast<const char*>(pointer));
                              if (found == machine().blocks.end())
                                misuse("cudaFreeAsync of an unknown pointer");
                              machine().used[found->second.device] -= found->second.bytes;
                              machine().blocks.erase(found);
                              std::free(pointer);
                            },
                            nullptr, 0, true});
  return machine().broken;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  const Lock lock(machine().lock);
  char* memory = nullptr;
  if (posix_memalign(reinterpret_cast<void**>(&memory), 256, bytes ? bytes : 1)) {
    return fail(cudaErrorMemoryAllocation);
  }
  std::memset(memory, 0xCD, bytes);
  machine().blocks[memory] = {bytes, -1};
  *pointer = memory;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  const Lock lock(machine().lock);
  if (!pointer) return cudaSuccess;
  if (!machine().blocks.erase(static_cast<const char*>(pointer))) {
    misuse("cudaFreeHost of an unknown pointer");
  }
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const Lock lock(machine().lock);
  const Block* block = block_of(pointer, 0);
  attributes->type = !block              ? cudaMemoryTypeUnregistered
                     : block->device < 0 ? cudaMemoryTypeHost
                                         : cudaMemoryTypeDevice;
  attributes->device = block ? block->device : -1;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Lock lock(machine().lock);
  if (machine().broken) return fail(machine().broken);
  if (bytes == 0) return cudaSuccess;
  stream = resolve(stream);
  const bool to_device = on_device(to), from_device = on_device(from);
  const cudaMemcpyKind actual = from_device
                                    ? to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost
                                : to_device ? cudaMemcpyHostToDevice
                                            : cudaMemcpyHostToHost;
  if (kind != cudaMemcpyDefault && kind != actual) misuse("cudaMemcpyAsync: of the wrong kind");
  if ((to_device && !block_of(to, bytes)) || (from_device && !block_of(from, bytes))) {
    misuse("cudaMemcpyAsync: outside the allocation");
  }
  const Block* source = block_of(from, bytes);
  const Block* target = block_of(to, bytes);
  const bool pageable = number_from("ALLY_FAST_EMULATED_PAGEABLE", 0) != 0;
  if (!source && !pageable) {  // staged before the call returns
    auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                      static_cast<const char*>(from) + bytes);
    enqueue(stream, {[to, staged] { std::memcpy(to, staged->data(), staged->size()); }});
  } else {
    enqueue(stream, {[to, from, bytes] { std::memcpy(to, from, bytes); }});
  }
  if (!target) run_until(stream, stream->queued);  // to pageable memory: returns when done
  if (!target && bytes > 0 && befalls("wrong")) static_cast<char*>(to)[bytes - 1] ^= 1;
  return machine().broken;
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(machine().lock);
  if (machine().broken) return fail(machine().broken);
  if (bytes && !block_of(pointer, bytes)) misuse("cudaMemsetAsync: outside the allocation");
  enqueue(resolve(stream), {[=] { std::memset(pointer, value, bytes); }});
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(machine().lock);
  machine().streams.push_back(std::make_unique<EmulatedStream>());
  *stream = machine().streams.back().get();
  (*stream)->device = current_device;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(machine().lock);
  run_until(stream, stream->queued);
  stream->destroyed = true;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(machine().lock);
  stream = resolve(stream);
  run_until(stream, stream->queued);
  return machine().broken ? fail(machine().broken) : cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(machine().lock);
  if (event->stream) enqueue(resolve(stream), {nullptr, event->stream, event->until});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(machine().lock);
  if (machine().broken) return fail(machine().broken);
  stream = resolve(stream);
  if (stream->device != current_device)
    misuse("cudaEventRecord: the stream's device is not current");
  event->stream = stream;
  event->until = stream->queued;
  event->queries = 0;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(machine().lock);
  if (event->stream) run_until(event->stream, event->until);
  return machine().broken ? fail(machine().broken) : cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(machine().lock);
  if (!event->stream || event->stream->done >= event->until) return cudaSuccess;
  if (++event->queries < 2) return fail(cudaErrorNotReady);
  return cudaEventSynchronize(event);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
  const Lock lock(machine().lock);
  if (bytes + emulator::static_shared(kernel) > shared_bytes()) return fail(cudaErrorInvalidValue);
  machine().shared_limits[kernel] = bytes;
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool known = std::string(name) == "cuTensorMapEncodeTiled";
  *function = known ? reinterpret_cast<void*>(&cuTensorMapEncodeTiled) : nullptr;
  *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

namespace emulator {

cudaError_t enqueue_launch(const void* kernel, Dim3 grid, Dim3 block, size_t dynamic_shared,
                           cudaStream_t stream, std::function<void()> body) {
  const Lock lock(machine().lock);
  if (machine().broken) return fail(machine().broken);
  stream = resolve(stream);
  if (stream->device != current_device) misuse("launch: the stream's device is not current");
  const auto found = machine().shared_limits.find(kernel);
  const bool asked = found != machine().shared_limits.end();
  const bool sized = grid.x && grid.y && grid.z && block.x && block.y && block.z &&
                     grid.x <= 0x7FFFFFFFu && grid.y <= 65535 && grid.z <= 65535 &&
                     block.x * block.y * block.z <= 1024;
  if (!sized) return fail(cudaErrorInvalidConfiguration);
  if (asked && dynamic_shared > static_cast<size_t>(found->second)) {
    return fail(cudaErrorInvalidValue);
  }
  const size_t most = asked ? shared_bytes() : kPlainSharedBytes;
  enqueue(stream, {[=] {
            if (befalls("illegal")) {
              machine().broken = cudaErrorIllegalAddress;
              return;
            }
            if (befalls("hang")) {
              for (;;) pause();
            }
            run_grid(kernel, grid, block, dynamic_shared, body);
            // Known only now; a device would have refused the launch.
            if (const size_t held = static_shared(kernel); held + dynamic_shared > most) {
              misuse("launch: " + std::to_string(held) + " bytes of static shared memory and " +
                     std::to_string(dynamic_shared) + " of dynamic, more than " +
                     std::to_string(most));
            }
          }});
  if (number_from("CUDA_LAUNCH_BLOCKING", 0)) run_until(stream, stream->queued);
  return machine().broken ? fail(machine().broken) : cudaSuccess;
}

}  // namespace emulator
