// A team of threads that go through one function together, meeting at barriers.
//
// Between barriers, work is taken from counters: a thread that the system holds up leaves its share to the others.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tandem {

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Team {
 public:
  explicit Team(int size) : size_(size) {
    for (int rank = 1; rank < size; rank++) threads_.emplace_back([this, rank] { work(rank); });
  }

  ~Team() {
    task_ = nullptr;
    start();
    for (std::thread& thread : threads_) thread.join();
  }

  int size() const { return size_; }

  // Call task(rank) in each thread, rank 0 in the caller's; returns when all have come to the end.
  void run(const std::function<void(int)>& task) {
    task_ = &task;
    next_.store(0, std::memory_order_relaxed);
    start();
    task(0);
    barrier();
  }

  // Wait for the others. The first counter's work must be over.
  void barrier() {
    uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      next_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    await_change(round_, round);
  }

  // Call body(first, last) for pieces of 0 to count, shared among the threads; then wait for the others. Pieces are of
  // at most `largest`, and shrink as the end comes near, so that all threads meet it together.
  template <typename Body>
  void share(int count, int largest, const Body& body) {
    int first = next_.load(std::memory_order_relaxed);
    while (first < count) {
      int size = std::min(largest, std::max(1, (count - first) / (2 * size_)));
      if (!next_.compare_exchange_weak(first, first + size, std::memory_order_relaxed)) continue;
      body(first, first + size);
      first = next_.load(std::memory_order_relaxed);
    }
    barrier();
  }
  template <typename Body>
  void share(int count, const Body& body) {
    share(count, count, body);
  }

 private:
  static constexpr int kSpins = 2000, kYields = 10'000;

  // Spin as long as a piece of work lasts, then give way to whoever wants the core; sleep only between requests. A
  // thread that sleeps at a barrier is often woken on the core of the one that wakes it, and the two then take turns.
  static void await_change(const std::atomic<uint32_t>& value, uint32_t old) {
    for (int round = 0; round < kSpins + kYields; round++) {
      if (value.load(std::memory_order_acquire) != old) return;
      if (round < kSpins) pause();
      else std::this_thread::yield();
    }
    value.wait(old, std::memory_order_acquire);
  }

  void start() {
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }

  void work(int rank) {
    for (uint32_t seen = 0;; seen++) {
      await_change(generation_, seen);
      if (task_ == nullptr) return;
      (*task_)(rank);
      barrier();
    }
  }

  const int size_;
  const std::function<void(int)>* task_ = nullptr;
  std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> next_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> round_{0};
  std::vector<std::thread> threads_;
};

}  // namespace tandem
