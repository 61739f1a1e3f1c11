// Cached refusals. Where Python refuses a call it may say how many more of its kind it would take: those beyond
// get the same answer from the server's thread, before Python hears of them. Calls are of a kind that are of one caller
// or peer, to one method and one model, and have no more time than the one that was refused.

#pragma once

#include <algorithm>

#include "call.h"

// The model that a request names: the first field of its message, as every client writes it that has it. Empty if there
// is none, or if it is too long to be a name.
inline std::string_view model_named(std::string_view message) {
    constexpr char first_field_of_bytes = 0x0a;
    constexpr size_t max_size = 127;  // whose length is one byte
    if (message.size() < 2 || message[0] != first_field_of_bytes) return {};
    const size_t size = uint8_t(message[1]);
    return size > max_size || message.size() < 2 + size ? std::string_view() : message.substr(2, size);
}

inline std::string kind_of(const Call& call) {
    return call.path + '\0' + call.caller + '\0' + call.peer + '\0' + call.model;
}

struct CachedRefusal {  // shared by both threads
    static constexpr int64_t nothing_new = INT64_MIN;

    std::atomic<int64_t> capacity{nothing_new};  // calls that Python would take beyond those that are open
    std::atomic<bool> is_over{false};
};

// Open calls of one kind: announced to Python, and not finished by it.
struct OpenCalls {
    int64_t count = 0;
    std::shared_ptr<CachedRefusal> cached_refusal;  // none: nothing is refused
    int64_t most = 0;                               // calls beyond this number are refused
    double timeout = 0, refused_at = 0;
    std::string trailers;

    // Clients reckon their timeouts anew for each call: what is left of the same deadline differs by a little.
    static constexpr double timeout_tolerance = 1.02;

    bool is_for(const Call& call) const { return call.timeout <= timeout * timeout_tolerance; }
    int64_t num_too_many() const { return cached_refusal == nullptr ? 0 : std::max<int64_t>(0, count - most); }

    void learn() {
        const int64_t capacity = cached_refusal->capacity.exchange(CachedRefusal::nothing_new);
        if (capacity != CachedRefusal::nothing_new) most = count + capacity;
    }

    // Python refuses the call, and others with it that have as much time or less. What was said of calls that have
    // more stands: there may be room for them. There is none for the `num_unbegun` that it has not come to, either.
    void cache(const Call& call, std::shared_ptr<CachedRefusal> its, std::string its_trailers, int64_t num_unbegun) {
        const bool is_less = cached_refusal != nullptr && call.timeout * timeout_tolerance < timeout;
        if (is_less || call.model.empty()) {  // without a model, others like it may be for another one
            its->is_over = true;
            return;
        }
        timeout = cached_refusal == nullptr ? call.timeout : std::max(call.timeout, timeout);
        end_cached_refusal();
        cached_refusal = std::move(its);
        trailers = std::move(its_trailers);
        refused_at = now();
        most = count - num_unbegun - 1;  // without the one that is refused
    }

    void end_cached_refusal() {
        if (cached_refusal != nullptr) cached_refusal->is_over = true;
        cached_refusal = nullptr;
    }
};
