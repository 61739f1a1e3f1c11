// One request and its reply: what is to be sent, how far the reply has come, and what was recorded of it.

#pragma once

#include <memory>
#include <vector>

#include "fields.h"
#include "http2.h"

// Where requests of one kind go and what is kept of their replies.
struct Route {
    std::string path, timeout;  // `timeout`: as the header grpc-timeout has it; empty: none
    double deadline_seconds = INFINITY;
    int outputs = -1;                           // the column that counts a message's outputs; -1: each message is one
    bool is_streamed = false, is_kept = false;  // `is_kept`: its messages are, whole
    Field fields = {};
    std::vector<double> initial = {};  // of each column
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
    double sent = 0, first_output = NAN, cancel_at = INFINITY, deadline_at = INFINITY;
    size_t uploaded = 0;
    int status = -1, http_status = 0;
    bool has_headers = false, is_on_wire = false;
    int num_retries = 0;
    std::string text;  // grpc-message, as it came
    int32_t num_messages = 0;
    std::string reply;  // what has come behind the last whole message
    std::vector<double> values;

    void clear() {  // for the next one; memory is kept
        Call next;
        reply.clear();
        next.reply.swap(reply);
        next.values.swap(values);
        *this = std::move(next);
    }

    const char* message() const { return block->data() + spec.begin; }
    double outputs() const { return route->outputs < 0 ? num_messages : values[size_t(route->outputs)]; }
};
