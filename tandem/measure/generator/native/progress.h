// What the sender tells while it runs; Python reads it at any time. library.py has the same struct.

#pragma once

#include <stdint.h>

#include <atomic>

enum class Phase : int64_t { ready, loading, draining, done };

struct Progress {
    std::atomic<int64_t> phase{0};
    std::atomic<int64_t> num_taken{0}, num_measured{0};  // requests taken from the queue; of those, after the warm-up
    std::atomic<int64_t> num_sent{0}, outstanding{0}, max_outstanding{0}, dropped{0};
    std::atomic<int64_t> ok{0}, error{0}, deadline{0}, cancelled{0}, unfinished{0};
    std::atomic<int64_t> unavailable_in_a_row{0};
    // Seconds from the zero of the run, and what the load took: of the whole process.
    std::atomic<double> answered_at{0}, load_ended_at{0}, wall_seconds{0}, cpu_seconds{0};
};

inline void add(std::atomic<int64_t>& count, int64_t more) {  // one thread alone writes
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}
