// The sender: a thread that sends requests when they are due, or as callers are free, and records every reply.
//
// Python hands requests over ahead of time and reads what was recorded when the thread has ended. Nothing here waits for
// Python: a queue that runs dry makes requests late, and the records show it.

#pragma once

#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "connection.h"

enum class Phase : int64_t { ready, loading, draining, done };

inline double clock_seconds(clockid_t clock) {
    timespec at;
    clock_gettime(clock, &at);
    return double(at.tv_sec) + double(at.tv_nsec) * 1e-9;
}

// What to do; library.py has the same struct. Seconds from the zero of the run, but for `zero` (CLOCK_MONOTONIC).
// `ends_at`: an open loop drops what it has not sent by then; callers of a closed one take nothing more.
// `budget`: requests of a closed loop after the warm-up; -1: without bound.
struct Load {
    double zero = 0, ends_at = INFINITY, drain_seconds = 0, pause_seconds = 0;
    int64_t budget = -1, max_outstanding = 0, is_open = 0;
};

// What the sender tells while it runs; Python reads it at any time. library.py has the same struct.
struct Progress {
    std::atomic<int64_t> phase{0};
    std::atomic<int64_t> num_taken{0}, num_measured{0};  // requests taken from the queue; of those, after the warm-up
    std::atomic<int64_t> num_sent{0}, outstanding{0}, max_outstanding{0}, dropped{0};
    std::atomic<int64_t> ok{0}, error{0}, deadline{0}, cancelled{0}, unfinished{0};
    std::atomic<int64_t> unavailable_in_a_row{0};
    // Seconds from the zero of the run, and what the load took of the whole process.
    std::atomic<double> answered_at{0}, load_ended_at{0}, wall_seconds{0}, cpu_seconds{0};
};

inline void add(std::atomic<int64_t>& count, int64_t more) {  // one thread alone writes
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

struct Caller {
    double comes_at, goes_at;
};

struct Block {
    std::shared_ptr<const std::string> bytes;
    std::vector<RequestSpec> specs;
    size_t next = 0;
};

constexpr int kOk = 0, kCancelled = 1, kUnknown = 2, kDeadlineExceeded = 4, kInternal = 13, kUnavailable = 14;

class Sender {
public:
    Sender(addrinfo* addresses, std::string authority, size_t num_connections);
    ~Sender();

    int connect(double seconds);  // 0, or errno; before `start`
    void reset();                 // forget the last run, but for the connections
    void start(const Load& load, std::vector<Caller> callers);
    void feed(Block block);
    void feed_no_more();  // an open loop ends with the requests that it has
    void stop();          // cut everything off
    void join();

    Progress progress;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::deque<Route> routes;

    Seen seen;  // complete once the thread has ended

private:
    // loop.cpp
    int try_to_connect(size_t slot, double until);
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
    void wake() { eventfd_write(wake_, 1); }
    double next_instant() const;

    // load.cpp
    void take_inbox();
    bool has_request() const { return !queue_.empty(); }
    const RequestSpec& front() const { return queue_.front().specs[queue_.front().next]; }
    void pop();
    void send_due();
    void ask_again();
    void pass_timers();
    bool is_load_over() const;
    void advance();
    void end_load();
    void count_rest();
    void give_up(const RequestSpec& spec, std::vector<int64_t>& counts);

    // exchanges.cpp
    static nghttp2_session_callbacks* callbacks();
    Call& new_call();
    void send(int caller, double intended);
    bool submit(Call& call);
    void leave(nghttp2_session* session);
    Connection* connection_for(int caller);
    void header(Call& call, std::string_view name, std::string_view value);
    bool data(Call& call, const uint8_t* bytes, size_t size);
    bool take(Call& call, std::string_view message);
    void closed(Call& call, uint32_t error);
    void end_here(Call& call, End end, int code, const char* text);

    // records.cpp
    void finish(Call& call, End end, int code, const std::string& text);
    void count(End end, int code);
    int text_number(const std::string& text);

    double now() const { return clock_seconds(CLOCK_MONOTONIC) - load_.zero; }
    bool is(Phase phase) const { return progress.phase.load(std::memory_order_relaxed) == int64_t(phase); }

    addrinfo* const addresses_;
    const addrinfo* address_;  // the one that answers
    const std::string authority_;
    int epoll_, timer_, wake_;
    nghttp2_session_callbacks* callbacks_;
    nghttp2_option* option_;
    Load load_;
    std::vector<Caller> callers_;
    std::thread thread_;
    std::atomic<bool> is_stopped_{false};

    std::mutex mutex_;  // of the inbox
    std::vector<Block> inbox_;
    bool is_fed_ = false;

    std::deque<Block> queue_;
    bool has_all_ = false;
    std::deque<std::pair<int, double>> hungry_;        // callers that wait for a request, and since when
    std::set<std::pair<double, int>> sleeping_;        // callers that are not there yet, or pause
    std::set<std::pair<double, Call*>> timers_;        // deadlines and cancels
    std::vector<std::unique_ptr<Connection>> slots_, leaving_;
    std::vector<double> retry_at_, backoff_;
    std::vector<Connection*> dirty_;
    std::vector<std::unique_ptr<Call>> calls_;
    std::vector<Call*> free_;
    std::map<std::string, int> text_numbers_;
    std::string last_failure_ = "no connection";
    size_t turn_ = 0;
    double received_at_ = 0, next_beat_ = 0, drain_ends_at_ = INFINITY, armed_for_ = -INFINITY;
    double begun_at_ = 0, cpu_before_ = 0;
};
