// Work shared out over short-lived threads. No pool and no global state: safe after fork(), and a
// caller's thread count never leaks into another call. Results must not depend on who takes a task.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace ally_fast {

// Who takes which task. One queue keeps to the order, as reading from a file wants it; with shares each
// worker begins with a range of its own, the same in each call, so that what it wrote is in its cache.
enum class Tasks { kQueue, kShares };

// Tasks [next, end) that nobody has taken. On a cache line of its own.
struct alignas(64) TaskQueue {
  std::atomic<int64_t> next;
  int64_t end;
};

// Call run(task, worker) once for each task in [0, tasks); worker is in [0, workers), and
// `order` says who takes which. The first exception thrown is rethrown here once all workers have
// stopped.
template <class Run>
void parallel_for(int64_t tasks, int threads, const Run& run, Tasks order = Tasks::kQueue) {
  const int workers = static_cast<int>(tasks < threads ? tasks : threads);
  if (workers <= 1) {
    for (int64_t task = 0; task < tasks; ++task) run(task, 0);
    return;
  }
  const int count = order == Tasks::kQueue ? 1 : workers;
  std::vector<TaskQueue> queues(count);
  for (int q = 0; q < count; ++q) {
    queues[q].next = tasks * q / count;
    queues[q].end = tasks * (q + 1) / count;
  }
  std::vector<std::exception_ptr> errors(workers);
  const auto work = [&](int worker) {
    try {
      for (int q = 0; q < count; ++q) {  // its own, then what others have left
        TaskQueue& queue = queues[(worker + q) % count];
        for (int64_t task; (task = queue.next.fetch_add(1)) < queue.end;) run(task, worker);
      }
    } catch (...) {
      errors[worker] = std::current_exception();
      for (TaskQueue& queue : queues) queue.next.store(tasks);
    }
  };
  std::vector<std::thread> helpers;
  helpers.reserve(workers - 1);
  try {
    for (int worker = 1; worker < workers; ++worker) helpers.emplace_back(work, worker);
  } catch (const std::exception&) {
    // The system refused a thread: those that started, and this one, do the work.
  }
  work(0);
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
