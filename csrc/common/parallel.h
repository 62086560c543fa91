// Work shared out over short-lived threads. No pool and no global state: safe after fork(), and a
// caller's thread count never leaks into another call. Results must not depend on who takes a task.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "poll.h"

namespace ally_fast {

// Who takes which task. One queue keeps to the order, as reading from a file wants it; with shares each
// worker begins with a range of its own, the same in each call, so that what it wrote is in its cache.
enum class Tasks { kQueue, kShares };

// Tasks [next, end) that nobody has taken. On a cache line of its own.
struct alignas(64) TaskQueue {
  std::atomic<int64_t> next;
  int64_t end;
};

// Helpers that are still at work, for the thread that waits for them.
class Running {
 public:
  void add(int count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    count_ += count;
    if (count_ == 0) none_.notify_one();
  }
  // Polls meanwhile, and so may throw.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!none_.wait_for(lock, Poll::kInterval, [&] { return count_ == 0; })) {
      lock.unlock();
      poll();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int count_ = 0;
};

// Call run(task, worker) once for each task in [0, tasks); worker is in [0, workers), and
// `order` says who takes which. Worker 0 is the calling thread, which polls between tasks and while it
// waits. An exception, also one that poll() throws, stops all workers after their task, or at a poll()
// in it; one of them is rethrown here once they have, that of worker 0 first.
template <class Run>
void parallel_for(int64_t tasks, int threads, const Run& run, Tasks order = Tasks::kQueue) {
  const int workers = static_cast<int>(tasks < threads ? tasks : threads);
  if (workers <= 1) {
    for (int64_t task = 0; task < tasks; ++task) {
      run(task, 0);
      poll();
    }
    return;
  }
  const int count = order == Tasks::kQueue ? 1 : workers;
  std::vector<TaskQueue> queues(count);
  for (int q = 0; q < count; ++q) {
    queues[q].next = tasks * q / count;
    queues[q].end = tasks * (q + 1) / count;
  }
  std::vector<std::exception_ptr> errors(workers);
  std::atomic<bool> stopped{false};
  const auto guarded = [&](int worker, const auto& body) {
    try {
      body();
    } catch (...) {
      // A helper that was told to stop has nothing to say; worker 0 has if its own caller stops.
      if (worker == 0 || !stopped) errors[worker] = std::current_exception();
      stopped = true;
      for (TaskQueue& queue : queues) queue.next.store(tasks);
    }
  };
  const auto work = [&](int worker) {
    guarded(worker, [&] {
      for (int q = 0; q < count; ++q) {  // its own, then what others have left
        TaskQueue& queue = queues[(worker + q) % count];
        for (int64_t task; (task = queue.next.fetch_add(1)) < queue.end;) {
          run(task, worker);
          poll();
        }
      }
    });
  };
  Running running;
  const auto help = [&](int worker) {
    {
      const Poll telling(stopped);
      work(worker);
    }
    running.add(-1);
  };
  std::vector<std::thread> helpers;
  helpers.reserve(workers - 1);
  for (int worker = 1; worker < workers; ++worker) {
    running.add(1);
    try {
      helpers.emplace_back(help, worker);
    } catch (const std::exception&) {
      // The system refused a thread: those that started, and this one, do the work.
      running.add(-1);
      break;
    }
  }
  work(0);
  if (!errors[0]) guarded(0, [&] { running.wait(); });
  for (std::thread& helper : helpers) helper.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

// The same with a state for each worker, made by make() when it first gets a task: run(task, state).
// Returns the states made.
template <class Make, class Run>
auto parallel_for_with(int64_t tasks, int threads, const Make& make, const Run& run) {
  std::vector<decltype(make())> states(
      static_cast<size_t>(std::max<int64_t>(1, std::min<int64_t>(threads, tasks))));
  parallel_for(tasks, static_cast<int>(states.size()), [&](int64_t task, int worker) {
    if (!states[worker]) states[worker] = make();
    run(task, *states[worker]);
  });
  states.erase(std::remove(states.begin(), states.end(), nullptr), states.end());
  return states;
}

}  // namespace ally_fast
