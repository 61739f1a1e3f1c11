// A team of threads that one of them, the owner, shares loops with.
//
// Work is taken, not given: the owner publishes a loop and takes pieces of it, as does every other thread that has a
// core just then. It waits for pieces that were taken, never for a thread to come, so threads that the system holds up
// cost what they had in hand and no more.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <type_traits>
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

// Wait while `value` is `old`: spin for as long as a piece of work lasts, then give the core away.
template <typename T> inline void await_change(const std::atomic<T>& value, T old) {
    constexpr int kSpins = 2000;
    for (int round = 0; round < kSpins; round++) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause();
    }
    value.wait(old, std::memory_order_acquire);
}

// Whether to share a step's loops, judged by the steps before. A thread that the system holds up with a piece in hand can
// cost more than it does; where others use the cores, the owner then works alone for some steps before it tries again.
class Sharing {
public:
    using Clock = std::chrono::steady_clock;

    void begin() {
        is_on_ = alone_for_ == 0;
        if (alone_for_ > 0) alone_for_--;
        won_ = lost_ = 0.0;
    }

    void end() {
        if (!is_on_) return;
        patience_ = lost_ > won_ ? std::min(2 * patience_, kLongest) : std::max(patience_ / 2, kShortest);
        if (lost_ > won_) alone_for_ = patience_;
    }

    bool is_on() const { return is_on_; }
    bool is_calm() const { return patience_ == kShortest; }  // the cores were the team's alone of late

    // Of a loop, `done` places took the owner `worked`, then it waited for the `others`, which it would have had to do.
    void judge(int done, int others, Clock::duration worked, Clock::duration waited) {
        if (done > 0) won_ += double(worked.count()) / done * others;
        lost_ += double(waited.count());
    }

private:
    static constexpr int kShortest = 1, kLongest = 64;  // steps

    bool is_on_ = true;
    int alone_for_ = 0, patience_ = kShortest;
    double won_ = 0.0, lost_ = 0.0;  // the clock's ticks, in this step
};

class Team {
public:
    explicit Team(int size) : size_(size) {
        for (int rank = 1; rank < size; rank++) threads_.emplace_back([this, rank] { work(rank); });
    }

    ~Team() {
        is_over_.store(true, std::memory_order_relaxed);
        announce();
        for (std::thread& thread : threads_) thread.join();
    }

    // Loops between these two, in the owner's thread, are one step.
    void begin() { sharing_.begin(); }
    void end() { sharing_.end(); }

    // Call body(first, last) or body(first, last, rank) for pieces of 0 to count; return when all are done. Pieces are of
    // at most `largest`, and shrink as the end comes near, so that all threads meet it together. Two threads that had
    // their cores for themselves take a half each, as every piece is a jump in the stream of weights; the cores of a
    // larger team may differ in speed. The owner's rank is 0.
    template <typename Body> void share(int count, int largest, const Body& body) {
        if (count <= 0) return;
        if (size_ == 1 || count == 1 || !sharing_.is_on()) return call(&body, 0, count, 0);
        Loop& loop = loops_[(phase_ + 1) % 2];
        loop.call.store(&Team::call_erased<Body>, std::memory_order_release);
        loop.body.store(&body, std::memory_order_release);
        loop.count.store(count, std::memory_order_release);
        loop.largest.store(largest, std::memory_order_release);
        loop.smallest.store(size_ == 2 && sharing_.is_calm() ? (count + 1) / 2 : 1, std::memory_order_release);
        num_done_.store(0, std::memory_order_relaxed);
        ticket_.store(uint64_t(phase_ + 1) << 32, std::memory_order_release);
        announce();
        Sharing::Clock::time_point begun = Sharing::Clock::now();
        int done_here = take(0);
        Sharing::Clock::time_point met = Sharing::Clock::now();
        for (int done = num_done_.load(std::memory_order_acquire); done < count;
             done = num_done_.load(std::memory_order_acquire))
            await_change(num_done_, done);
        sharing_.judge(done_here, count - done_here, met - begun, Sharing::Clock::now() - met);
    }
    template <typename Body> void share(int count, const Body& body) { share(count, count, body); }

private:
    // What is to be done in a phase. Two take turns: one is overwritten only after the ticket has left its phase, so a
    // thread that takes a piece with an older ticket still reads the loop that belongs to it.
    struct Loop {
        std::atomic<void (*)(const void*, int, int, int)> call;
        std::atomic<const void*> body;
        std::atomic<int> count, smallest, largest;
    };

    template <typename Body> static void call(const Body* body, int first, int last, int rank) {
        if constexpr (std::is_invocable_v<Body, int, int, int>) (*body)(first, last, rank);
        else (*body)(first, last);
    }
    template <typename Body> static void call_erased(const void* body, int first, int last, int rank) {
        call(static_cast<const Body*>(body), first, last, rank);
    }

    // Take pieces of the present loop until there are none; return how many places they had.
    int take(int rank) {
        int num_taken = 0;
        uint64_t ticket = ticket_.load(std::memory_order_acquire);
        for (;;) {
            const Loop& loop = loops_[(ticket >> 32) % 2];
            int first = int(uint32_t(ticket)), count = loop.count.load(std::memory_order_acquire);
            if (first >= count) return num_taken;
            auto call = loop.call.load(std::memory_order_acquire);
            const void* body = loop.body.load(std::memory_order_acquire);
            int smallest = loop.smallest.load(std::memory_order_acquire);
            int size = std::min(loop.largest.load(std::memory_order_acquire),
                                std::min(count - first, std::max(smallest, (count - first) / (2 * size_))));
            if (!ticket_.compare_exchange_weak(ticket, ticket + size, std::memory_order_acq_rel)) continue;
            call(body, first, first + size, rank);
            num_taken += size;
            if (num_done_.fetch_add(size, std::memory_order_acq_rel) + size == count && rank != 0)
                num_done_.notify_one();
            ticket = ticket_.load(std::memory_order_acquire);
        }
    }

    void announce() {
        phase_.fetch_add(1, std::memory_order_release);
        phase_.notify_all();
    }

    void work(int rank) {
        for (uint32_t seen = 0;;) {
            await_change(phase_, seen);
            seen = phase_.load(std::memory_order_acquire);
            if (is_over_.load(std::memory_order_relaxed)) return;
            take(rank);
        }
    }

    const int size_;
    Sharing sharing_;
    Loop loops_[2] = {};
    alignas(64) std::atomic<uint64_t> ticket_{0};  // the phase, and the first place of its loop that is free
    alignas(64) std::atomic<int> num_done_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};
    std::atomic<bool> is_over_{false};
    std::vector<std::thread> threads_;
};

}  // namespace tandem
