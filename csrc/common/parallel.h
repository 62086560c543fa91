// Work shared out over short-lived threads. No pool and no global state: safe after fork(), and a
// caller's thread count never leaks into another call. Results must not depend on who takes a task.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace ally_fast {

// Call run(task, worker) once for each task in [0, tasks); worker is in [0, workers).
// The first exception thrown is rethrown here once all workers have stopped.
template <class Run>
void parallel_for(int64_t tasks, int threads, const Run& run) {
  const int workers = static_cast<int>(tasks < threads ? tasks : threads);
  if (workers <= 1) {
    for (int64_t task = 0; task < tasks; ++task) run(task, 0);
    return;
  }
  std::atomic<int64_t> next{0};
  std::vector<std::exception_ptr> errors(workers);
  const auto work = [&](int worker) {
    try {
      for (int64_t task; (task = next.fetch_add(1)) < tasks;) run(task, worker);
    } catch (...) {
      errors[worker] = std::current_exception();
      next.store(tasks);
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

}  // namespace ally_fast
