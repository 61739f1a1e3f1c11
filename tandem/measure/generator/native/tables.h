// What is recorded, in chunks, so that nothing is moved when there is more of it; and the rows as Python reads them.

#pragma once

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <vector>

template <typename T>
class Chunks {
public:
    void add(const T* values, size_t count) {
        while (count > 0) {
            if (size_ == chunks_.size() * kEach) chunks_.push_back(std::make_unique_for_overwrite<T[]>(kEach));
            const size_t at = size_ % kEach, step = std::min(count, kEach - at);
            memcpy(chunks_.back().get() + at, values, step * sizeof(T));
            size_ += step;
            values += step;
            count -= step;
        }
    }
    void add(const T& value) { add(&value, 1); }
    size_t size() const { return size_; }

    void copy(void* to) const {
        auto* place = static_cast<char*>(to);
        for (size_t index = 0; index < chunks_.size(); ++index) {
            const size_t count = std::min(kEach, size_ - index * kEach);
            memcpy(place, chunks_[index].get(), count * sizeof(T));
            place += count * sizeof(T);
        }
    }

private:
    static constexpr size_t kEach = 16384;
    std::vector<std::unique_ptr<T[]>> chunks_;
    size_t size_ = 0;
};

// Who ended a request, or that its reply came to its end; tables.py has the same numbers.
enum class End : int32_t { answered, deadline, cancelled, cut_off };

// A request that has ended. Seconds from the zero of the run; NaN: did not happen.
struct Row {
    int64_t number;
    double intended, sent, first_output, ended;
    int32_t route, code, end, length, num_messages, text;  // `text`: its number among the texts; -1: none
};

struct MessageRow {
    int64_t number;
    double at;
    int32_t size, num_outputs;
};

// The bytes of a field: where they lie among all bytes that are kept.
struct KeptRow {
    int64_t number, begin, size;
    int32_t message, column;  // `message`: the how manieth of its request
};
