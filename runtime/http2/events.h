// What the server's thread tells Python: records in one buffer, and a file descriptor that is readable while there are
// any. The layout of a record is known here and in events.py.

#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

enum class Kind : uint8_t { call = 1, message = 2, half_closed = 3, cancelled = 4, writable = 5 };

enum Flag : uint8_t {
    has_message = 1,
    is_half_closed = 2,
    is_too_large = 4,   // instead of its bytes, the message is their number, eight bytes
    is_compressed = 8,  // the message is as it came
};

class Events {
public:
    Events() : readable_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Events() { close(readable_); }

    int64_t size() const { return int64_t(made_.size()) + published_bytes_; }
    int64_t num_calls() const { return num_made_calls_ + num_published_calls_; }  // that Python has not taken
    int descriptor() const { return readable_; }

    // For the server's thread. Nothing is seen on the other side before publish().
    void add(Kind kind, uint8_t flags, uint64_t call, double deadline = 0, std::string_view path = {},
             std::string_view metadata = {}, std::string_view payload = {}) {
        Head head{uint32_t(sizeof(Head) + path.size() + metadata.size() + payload.size()), uint8_t(kind), flags,
                  uint16_t(path.size()), call, deadline, uint32_t(metadata.size()), uint32_t(payload.size())};
        made_.append(reinterpret_cast<const char*>(&head), sizeof head);
        made_.append(path).append(metadata).append(payload);
        num_made_calls_ += kind == Kind::call;
    }

    void publish() {
        if (made_.empty()) return;
        std::lock_guard lock(mutex_);
        const bool is_first = published_.empty();
        if (is_first) published_.swap(made_);
        else published_.append(made_);
        made_.clear();
        published_bytes_ = int64_t(published_.size());
        num_published_calls_ += num_made_calls_;
        num_made_calls_ = 0;
        const uint64_t one = 1;
        if (is_first) (void)!write(readable_, &one, sizeof one);
    }

    // For Python's thread: all that was published since the last call; valid until the next one.
    std::string_view take() {
        taken_.clear();
        std::lock_guard lock(mutex_);
        uint64_t count;
        (void)!read(readable_, &count, sizeof count);
        taken_.swap(published_);
        published_bytes_ = 0;
        num_published_calls_ = 0;
        return taken_;
    }

private:
    struct Head {
        uint32_t size;
        uint8_t kind, flags;
        uint16_t path_size;
        uint64_t call;
        double deadline;  // seconds of the monotonic clock, infinite if there is none
        uint32_t metadata_size, payload_size;
    };
    static_assert(sizeof(Head) == 32);

    int readable_;
    std::string made_, taken_;
    std::mutex mutex_;
    std::string published_;
    std::atomic<int64_t> published_bytes_ = 0, num_published_calls_ = 0;
    int64_t num_made_calls_ = 0;  // not published yet
};
