// The sender: a thread that sends requests when they are due, or as callers are free, and records every reply.
//
// Python hands requests over ahead of time and reads what was recorded when the thread has ended. Nothing here waits for
// Python: a queue that runs dry makes requests late, and the records show it.

#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "connection.h"

// What is recorded; in deques, so that nothing is moved when there is more of it.
struct Seen {
    std::deque<Row> rows;
    std::deque<MessageRow> messages;
    std::deque<char> message_bytes;
    std::deque<double> lags;
    std::vector<int64_t> dropped;  // by route: due with too many under way
    std::string texts;             // one behind the other, each with a 0 at its end
};

inline void add(std::atomic<int64_t>& count, int64_t more) {  // one thread alone writes
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

struct Block {
    std::shared_ptr<const std::string> bytes;
    std::vector<RequestSpec> specs;
    size_t next = 0;
};

class Sender {
public:
    explicit Sender(std::string authority);
    ~Sender();

    void adopt(int fd);  // of a socket that is connected; before `start`
    void reset();        // forget the last run, but for the connections
    void start(const Load& load, std::vector<Caller> callers);
    void feed(Block block, bool is_last);
    void stop();  // cut everything off
    void join();

    Progress progress;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::deque<Route> routes;

    Seen seen;  // complete once the thread has ended

    // For nghttp2: see new_callbacks.
    void header(Call& call, std::string_view name, std::string_view value);
    void data(Call& call, std::string_view bytes);
    void frame(Connection& connection, const nghttp2_frame& frame, Call*);
    void headers_sent(Call& call, const nghttp2_frame&) { call.is_on_wire = true; }
    void closed(Call& call, uint32_t error);

private:
    // loop.cpp
    void run();
    void wait(double until);
    void on_ready(Connection& connection, uint32_t events);
    void receive(Connection& connection);
    void lose(Connection& connection, const std::string& why);
    void open(size_t slot);
    void tend_connections();
    void flush();
    void beat();
    void mark_dirty(Connection& connection);
    double next_instant() const;

    // load.cpp
    void take_inbox();
    bool has_request() const { return !queue_.empty(); }
    const RequestSpec& front() const { return queue_.front().specs[queue_.front().next]; }
    void pop();
    double next_due() const;
    double head_start() const;
    void put_aside();
    void follow(int64_t number, double at);
    void send_due();
    void ask_again();
    void pass_timers();
    bool is_load_over() const;
    void advance();
    void end_load();

    // exchanges.cpp
    Call& new_call();
    void send(int caller, double intended);
    bool submit(Call& call);
    Connection* connection_for(int caller);
    bool take_all(Call& call, std::string_view bytes);
    void take(Call& call, std::string_view message);
    void end_here(Call& call, End end, int code, const char* text);

    void finish(Call& call, End end, int code, const std::string& text);
    void count(End end, int code);
    int text_number(const std::string& text);

    double now() const { return ::now() - load_.zero; }
    bool is(Phase phase) const { return progress.phase.load(std::memory_order_relaxed) == int64_t(phase); }

    const std::string authority_;
    const int epoll_, timer_;
    Bell waker_;
    nghttp2_session_callbacks* callbacks_;
    nghttp2_option* option_;
    sockaddr_storage peer_;
    socklen_t peer_size_ = 0;
    Load load_;
    std::vector<Caller> callers_;
    std::thread thread_;
    std::atomic<bool> is_stopped_{false};

    std::mutex mutex_;  // of the inbox
    std::vector<Block> inbox_;
    bool is_fed_ = false;

    std::deque<Block> queue_;
    bool has_all_ = false;
    std::map<int64_t, Block> waiting_;           // one request each, by the number of the one before
    std::multimap<double, Block> later_;         // likewise, by when they are due
    int64_t last_taken_ = -1;                    // from the queue
    double last_ended_ = NAN;                    // when that one did
    std::deque<std::pair<int, double>> hungry_;  // callers that wait for a request, and since when
    std::set<std::pair<double, int>> sleeping_;  // callers that are not there yet, or pause
    std::set<std::pair<double, Call*>> timers_;  // deadlines and cancels
    std::vector<std::unique_ptr<Connection>> slots_, leaving_;
    std::vector<double> retry_at_, backoff_;
    std::vector<Connection*> dirty_;
    std::vector<std::unique_ptr<Call>> calls_;
    std::vector<Call*> free_;
    std::map<std::string, int> text_numbers_;
    std::string last_failure_ = "no connection";
    size_t turn_ = 0;
    double received_at_ = 0, last_due_ = -INFINITY, next_beat_ = 0, drain_ends_at_ = INFINITY, armed_for_ = -INFINITY;
    double begun_at_ = 0, cpu_before_ = 0;
};
