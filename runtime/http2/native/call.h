// One gRPC call: what has come of its request, and what is to go out. Knows nothing of sockets.

#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "http2.h"
#include "interface.h"

// Seconds of a grpc-timeout header, negative if it is malformed: at most 8 digits and a unit.
inline double parse_timeout(std::string_view text) {
    static constexpr std::string_view units = "HMSmun";
    static constexpr double seconds[] = {3600, 60, 1, 1e-3, 1e-6, 1e-9};
    if (text.size() < 2 || text.size() > 9) return -1;
    const size_t unit = units.find(text.back());
    if (unit == std::string_view::npos) return -1;
    double value = 0;
    for (const char digit : text.substr(0, text.size() - 1)) {
        if (digit < '0' || digit > '9') return -1;
        value = value * 10 + (digit - '0');
    }
    return value * seconds[unit];
}

enum Status { deadline_exceeded = 4, resource_exhausted = 8, unimplemented = 12, internal = 13 };

inline std::string status_trailers(Status status, const char* text) {
    std::string trailers("grpc-status");
    trailers.append(1, '\0').append(std::to_string(status)).append(1, '\0');
    return trailers.append("grpc-message").append(1, '\0').append(text).append(1, '\0');
}

// Bytes that Python has given for a call and its client has not taken; shared by both threads.
struct Backlog {
    std::atomic<int64_t> bytes{0};
    std::atomic<bool> is_awaited{false};  // Python wants to be told when it is low
};

struct Connection;

struct Call {
    uint64_t id = 0;
    Connection* connection = nullptr;
    int32_t stream = 0;

    // The request.
    std::string path, metadata;  // metadata: key, value, key, value, ..., each ended by a null character
    std::string incoming;        // of a message that is not whole yet, its five bytes of prefix included
    double timeout = INFINITY, deadline = INFINITY;
    std::string caller, peer;  // as metadata.py has them; the transport's peer if the metadata name neither
    std::string owner;         // whose memory it takes: the caller's, else that of the peer's address
    std::string model;         // that the message names
    std::string kind;          // see cached_refusal.h; set while Python works on the call
    std::string fault;         // trailers that say what is wrong with its head
    bool is_grpc = false, is_post = false, has_head = false, takes_many = false;
    bool is_announced = false, is_half_closed = false, is_end_told = false;
    bool ignores_input = false;                             // refused: whatever else comes is thrown away
    uint64_t num_messages = 0, num_untaken = 0, epoch = 0;  // the last two: see Events::epoch

    // The reply.
    std::shared_ptr<Backlog> backlog;  // from when Python hears of it
    std::string outgoing;              // [sent, size) is still to go
    size_t sent = 0, counted = 0;      // counted: of `outgoing`, as held by the owner
    std::string trailers;              // as metadata; grpc-status among them
    double moved_at = INFINITY;        // when the client took something, or there was something to take
    double resets_at = INFINITY;       // of a call that is over, and whose client does not take the rest
    bool has_begun = false, is_deferred = false, is_finished = false;

    size_t unsent() const { return outgoing.size() - sent; }
};
