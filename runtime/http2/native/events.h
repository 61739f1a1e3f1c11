// What the server's thread tells Python: records, and a file descriptor that is readable while there are any.

#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "records.h"

class Events {
public:
    Events() : readable_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Events() { close(readable_); }

    int64_t size() const { return made_.size() + published_bytes_; }
    int64_t num_calls() const { return made_.num_calls() + num_published_calls_; }  // that Python has not taken
    uint64_t epoch() const { return epoch_; }  // another one once Python has taken all that was published
    int descriptor() const { return readable_; }

    // For the server's thread. Nothing is seen on the other side before publish().
    void add(Kind kind, uint8_t flags, uint64_t call, double deadline = 0, std::string_view path = {},
             std::string_view metadata = {}, std::string_view payload = {}) {
        made_.add({kind, flags, call, deadline, path, metadata, payload});
    }

    void publish() {
        if (made_.is_empty()) return;
        std::unique_lock lock(mutex_);
        const bool is_first = published_.is_empty();
        if (is_first) published_.swap(made_);
        else published_.add(made_);
        made_.clear();
        count_published();
        lock.unlock();  // first, so that Python does not wake only to wait for the lock
        const uint64_t one = 1;
        if (is_first) (void)!write(readable_, &one, sizeof one);
    }

    // For the server's thread: let `choose` name some of the calls that Python has not taken, which it gets oldest first;
    // of those Python is told nothing any more.
    template <class Choose>
    void withdraw(Choose choose) {
        std::lock_guard lock(mutex_);
        std::vector<uint64_t> calls;
        published_.add_calls_to(calls);
        made_.add_calls_to(calls);
        const std::unordered_set<uint64_t> chosen = choose(calls);
        if (chosen.empty()) return;
        published_.remove(chosen);
        made_.remove(chosen);
        count_published();
    }

    // For Python's thread: what was published, up to `max_calls` calls; valid until the next one.
    std::string_view take(int64_t max_calls) {
        std::lock_guard lock(mutex_);
        published_.give(taken_, max_calls);
        count_published();
        uint64_t count;
        if (published_.is_empty()) {
            (void)!read(readable_, &count, sizeof count);
            ++epoch_;
        }
        return taken_.bytes();
    }

private:
    void count_published() {  // under the lock
        published_bytes_ = published_.size();
        num_published_calls_ = published_.num_calls();
    }

    int readable_;
    Records made_, taken_;  // of one thread each
    std::mutex mutex_;
    Records published_;
    std::atomic<int64_t> published_bytes_ = 0, num_published_calls_ = 0;
    std::atomic<uint64_t> epoch_ = 0;
};
