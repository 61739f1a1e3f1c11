// One request and its reply: what is to be sent, how far the reply has come, and what was recorded of it.

#pragma once

#include <memory>
#include <vector>

#include "http2.h"
#include "interface.h"

// Where requests of one kind go and what is kept of their replies.
struct Route {
    std::string path, timeout;  // `timeout`: as the header grpc-timeout has it; empty: none
    double deadline_seconds;
    bool is_streamed, is_kept;   // `is_kept`: the messages of its replies are
    std::vector<uint32_t> bulk;  // but for the field at this path; empty: they are kept whole
};

struct Connection;

struct Call {
    RequestSpec spec;
    const Route* route = nullptr;
    std::shared_ptr<const std::string> block;
    int caller = -1;  // of a closed loop
    Connection* connection = nullptr;
    size_t place = 0;  // among the calls of its connection
    int32_t stream = 0;
    double sent = 0, cancel_at = INFINITY, deadline_at = INFINITY;
    size_t uploaded = 0;
    int status = -1, http_status = 0;
    bool has_headers = false, is_on_wire = false;
    int num_retries = 0;
    std::string text;  // grpc-message, as it came
    int32_t num_messages = 0;
    std::string reply;  // what has come behind the last whole message

    void clear() {  // for the next one; memory is kept
        Call next;
        reply.clear();
        next.reply.swap(reply);
        *this = std::move(next);
    }

    const char* message() const { return block->data() + spec.begin; }
};
