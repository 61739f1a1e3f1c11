// A server whose times are known: ready-made replies, sent when its law says, and a record of when each really went.
//
// One thread speaks gRPC (HTTP/2 without TLS) and HTTP/1.1 at one port. A request has arrived when the kernel had its
// last byte, and a message is sent when it is handed to the kernel, so neither this thread's waiting for a core nor the
// lateness of its timers is in the record.

#pragma once

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "http2.h"
#include "interface.h"

// What a path is answered with: `piece` for each token, `last` behind it or, of gRPC, instead of the last one.
struct Reply {
    Mode mode;
    std::vector<uint32_t> count_at;  // where a protobuf message says how many tokens; empty: "max_tokens" in a text
    std::string head, piece, last, usage, done;
    bool is_nested;  // a whole answer is field 1 of its message
};

struct Connection;

struct Exchange {
    RequestRow row{};
    const Reply* reply = nullptr;
    Connection* connection = nullptr;
    int32_t stream = 0;
    std::string path, input, output;  // `output`: of gRPC, not taken by its session yet
    size_t taken = 0;
    int64_t count = 0, left = 0, num_words = 0;
    double due = 0;
    bool has_begun = false, has_head = false, is_deferred = false, is_over = false, is_streamed = false;
    bool wants_usage = false, fails = false, has_slot = false;
};

class Server;

struct Connection : Http2Socket {
    Connection(int epoll, int fd, Server& owner_) : Http2Socket(epoll, fd, this), owner(owner_) {
        note_arrivals(fd);
        watch_now(false);
    }

    Server& owner;
    bool is_http1 = false, is_reading = false, is_over = false;
    bool is_last = false;                                    // no request follows the present one
    double arrived = 0;                                      // the bytes that were read last, at the kernel
    std::string input, output;                               // of HTTP/1.1
    std::map<int32_t, std::unique_ptr<Exchange>> exchanges;  // by stream; HTTP/1.1 has one at a time, 0
};

class Server {
public:
    Server(int listener, const Law& law, std::vector<double> firsts, std::vector<double> gaps,
           std::vector<uint8_t> fails);
    ~Server();
    void start();
    void stop();

    std::map<std::string, std::map<bool, Reply>> replies;  // by path, and whether it is streamed
    std::deque<RequestRow> requests;                       // those that ended, in that order
    std::deque<MessageRow> messages;
    std::atomic<int64_t> num_ended{0};

    // For nghttp2: see new_callbacks.
    void header(Exchange& exchange, std::string_view name, std::string_view value);
    void data(Exchange& exchange, std::string_view bytes) { exchange.input.append(bytes); }
    void frame(Connection& connection, const nghttp2_frame& frame, Exchange* exchange);
    void headers_sent(Exchange&, const nghttp2_frame&) {}
    void closed(Exchange& exchange, uint32_t);

private:
    // server.cpp
    void run();
    void accept_all();
    void receive(Connection& connection);
    void begin(Exchange& exchange, std::string_view message);
    void start(Exchange& exchange, double at);
    void advance(Exchange& exchange);
    void end(Exchange& exchange, Ending ending, double at);
    void free_slot(double at);
    void lose(Connection& connection, Ending ending);
    double held(double due) const;
    std::string filled(const Exchange& exchange, std::string_view text, double at) const;

    // protocols.cpp
    void take_http1(Connection& connection);
    void take_http2(Connection& connection, std::string_view bytes);
    void respond_grpc(Exchange& exchange, std::string_view messages, bool is_over);
    void respond_http1(Exchange& exchange, const std::string& bytes);
    void refuse(Exchange& exchange, int http_status, int grpc_status, const char* text);
    std::string piece_of(const Exchange& exchange, double at) const;
    std::string whole_of(const Exchange& exchange, double at) const;
    void flush(Connection& connection);

    const Law law_;
    const std::vector<double> firsts_, gaps_;  // by request, by message: both begin again at their end
    const std::vector<uint8_t> fails_;
    const int listener_, epoll_;
    Bell bell_;
    nghttp2_session_callbacks* callbacks_;
    std::thread thread_;
    std::atomic<bool> is_stopped_{false};
    std::map<int, std::unique_ptr<Connection>> connections_;
    std::set<std::pair<double, Exchange*>> due_;
    std::deque<Exchange*> waiting_;  // for a slot
    int64_t num_running_ = 0, num_begun_ = 0;
    size_t num_gaps_ = 0;
    double first_arrival_ = 0;
};

int64_t number_in(std::string_view text, std::string_view key, int64_t otherwise);
bool is_true_in(std::string_view text, std::string_view key);
int64_t words_in(std::string_view text);
int64_t number_at(std::string_view message, const std::vector<uint32_t>& path, int64_t otherwise);
