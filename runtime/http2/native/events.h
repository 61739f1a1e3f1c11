// What the server's thread tells Python: records, and a file descriptor that is readable while there are any.

#pragma once

#include <atomic>
#include <deque>
#include <iterator>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "http2.h"
#include "interface.h"

class Events {
public:
    int64_t size() const { return num_bytes_; }
    int64_t num_calls() const { return num_calls_; }  // that Python has not taken
    uint64_t epoch() const { return epoch_; }         // another one once Python has taken all that was published
    int descriptor() const { return readable_.fd; }

    // For the server's thread. Nothing is seen on the other side before publish().
    void add(Kind kind, int64_t flags, uint64_t call, double deadline = 0, std::string_view path = {},
             std::string_view metadata = {}, std::string_view payload = {}) {
        const size_t size = sizeof(RecordHead) + path.size() + metadata.size() + payload.size();
        const RecordHead head{uint32_t(size),
                              uint8_t(kind),
                              uint8_t(flags),
                              uint16_t(path.size()),
                              call,
                              deadline,
                              uint32_t(metadata.size()),
                              uint32_t(payload.size())};
        std::string bytes;
        bytes.reserve(size);
        bytes.append(reinterpret_cast<const char*>(&head), sizeof head).append(path).append(metadata).append(payload);
        made_.push_back({call, kind == Kind::call, std::move(bytes)});
        count(made_.back(), 1);
    }

    void publish() {
        if (made_.empty()) return;
        std::unique_lock lock(mutex_);
        const bool is_first = published_.empty();
        published_.insert(published_.end(), std::move_iterator(made_.begin()), std::move_iterator(made_.end()));
        lock.unlock();  // first, so that Python does not wake only to wait for the lock
        made_.clear();
        if (is_first) readable_.ring();
    }

    // For the server's thread: let `choose` name some of the calls that Python has not taken, which it gets oldest first;
    // of those Python is told nothing any more.
    template <class Choose> void withdraw(Choose choose) {
        std::lock_guard lock(mutex_);
        std::vector<uint64_t> calls;
        for (const Records* records : {&published_, &made_})
            for (const Record& record : *records)
                if (record.is_call) calls.push_back(record.call);
        const std::unordered_set<uint64_t> chosen = choose(calls);
        if (chosen.empty()) return;
        for (Records* records : {&published_, &made_})
            std::erase_if(*records, [&](const Record& record) {
                if (!chosen.count(record.call)) return false;
                count(record, -1);
                return true;
            });
    }

    // For Python's thread: what was published, up to `max_calls` calls; valid until the next one.
    std::string& take(int64_t max_calls) {
        Records taken;
        std::unique_lock lock(mutex_);
        int64_t num_calls = 0;
        size_t num_taken = 0;
        for (; num_taken < published_.size(); ++num_taken)
            if (published_[num_taken].is_call && ++num_calls > max_calls) break;
        const auto end = published_.begin() + ptrdiff_t(num_taken);
        taken.assign(std::move_iterator(published_.begin()), std::move_iterator(end));
        published_.erase(published_.begin(), end);
        if (published_.empty()) {
            readable_.clear();
            ++epoch_;
        }
        lock.unlock();
        taken_.clear();
        for (const Record& record : taken) {
            taken_.append(record.bytes);
            count(record, -1);
        }
        return taken_;
    }

private:
    struct Record {
        uint64_t call;
        bool is_call;  // it tells that a call has begun
        std::string bytes;
    };
    using Records = std::deque<Record>;

    void count(const Record& record, int64_t more) {
        num_bytes_ += more * int64_t(record.bytes.size());
        num_calls_ += more * record.is_call;
    }

    Bell readable_;
    Records made_;  // of the server's thread
    std::mutex mutex_;
    Records published_;
    std::string taken_;  // of Python's
    std::atomic<int64_t> num_bytes_ = 0, num_calls_ = 0;
    std::atomic<uint64_t> epoch_ = 0;
};
