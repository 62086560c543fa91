// How a long computation ends that nobody wants any more. It calls poll() between pieces of its work,
// and what poll() throws ends it. On the thread that was called, poll() now and then asks a question
// that the caller left there (in Python: has Ctrl-C come?); on a thread of parallel_for it looks
// whether the others have stopped.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

namespace ally_fast {

// Thrown on a thread of parallel_for once another has thrown.
struct Stopped {};

class Poll {
 public:
  // The caller's question, asked no sooner than kInterval after the last time. It throws to stop.
  using Ask = void (*)();
  static constexpr std::chrono::milliseconds kInterval{50};

  // What this thread's poll() does while the object lives: ask, look at a flag, or nothing.
  explicit Poll(Ask ask) : Poll(ask, nullptr) {}
  explicit Poll(const std::atomic<bool>& stopped) : Poll(nullptr, &stopped) {}
  ~Poll() { current() = outer_; }
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  static constexpr int64_t kWork = 1 << 18;  // a fraction of a millisecond: a clock is dear

  static void after(int64_t work) {
    Poll* const poll = current();
    if (!poll || (poll->work_ += work) < kWork) return;
    poll->work_ = 0;
    poll->look();
  }

 private:
  using Clock = std::chrono::steady_clock;

  Poll(Ask ask, const std::atomic<bool>* stopped)
      : ask_(ask), stopped_(stopped), next_(Clock::now() + kInterval), outer_(current()) {
    current() = this;
  }

  static Poll*& current() {
    static thread_local Poll* poll = nullptr;
    return poll;
  }

  void look() {
    if (stopped_ && stopped_->load(std::memory_order_relaxed)) throw Stopped();
    if (!ask_ || Clock::now() < next_) return;
    ask_();
    next_ = Clock::now() + kInterval;
  }

  const Ask ask_;
  const std::atomic<bool>* const stopped_;
  Clock::time_point next_;
  int64_t work_ = 0;
  Poll* const outer_;
};

// To be called after every piece of work: about so many additions, or enough for a look at the clock.
inline void poll(int64_t work = Poll::kWork) { Poll::after(work); }

// Call run(i) for each i in [0, count), in order, on this thread.
template <class Run>
void polled_for(int64_t count, const Run& run) {
  constexpr int64_t kPiece = 1 << 16;
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t end = count - begin < kPiece ? count : begin + kPiece;
    for (int64_t i = begin; i < end; ++i) run(i);
    poll();
  }
}

// While it lives, poll() does nothing on this thread: what is begun is finished.
struct Uninterrupted {
  Poll nobody{Poll::Ask{nullptr}};
};

}  // namespace ally_fast
