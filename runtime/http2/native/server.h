// The server: one thread that owns the listening socket, the connections and their calls. Other threads reach it by
// commands; it reaches Python by events. What a call is about it does not know.

#pragma once

#include <signal.h>

#include <set>
#include <thread>

#include "cached_refusal.h"
#include "connection.h"
#include "events.h"

class Server {
public:
    // What the last three are, library.cpp says.
    Server(int listener, const Limits& limits, std::string_view busy, std::string_view unread, std::string_view many);
    ~Server();

    void start();
    void drain();  // take no more connections and no more calls; those that run go on
    int64_t num_connections() const { return num_connections_; }
    // Once the thread has ended: whether all that was held of requests and replies has been given back.
    bool holds_nothing() const { return held_bytes_ == 0 && unsent_bytes_ == 0 && unsent_of_.empty(); }
    // End the thread once what is finished is sent: within `seconds`, and half a second for clients to close.
    void stop(double seconds);

    // Return the bytes that the client has not taken, -1 if the call has ended.
    int64_t send(uint64_t call, std::string_view message);
    void finish(const Finished* calls, size_t count);  // together, as the thread need be woken once

    // Finish a call. From now on, refuse calls like it with `cached` while there are as many open ones as there are now,
    // until it is said how many more there may be.
    int64_t refuse_alike(uint64_t call, std::string_view trailers, std::string_view cached);
    // Say so of what was told by turning this call away. False: that does not stand any more.
    bool set_capacity(uint64_t refused_call, int64_t capacity);

    Events events;

    // For nghttp2: see new_callbacks.
    void header(Call& call, std::string_view name, std::string_view value);
    void data(Call& call, std::string_view bytes);
    void frame(Connection& connection, const nghttp2_frame& frame, Call* call);
    void headers_sent(Call& call, const nghttp2_frame& frame);
    void closed(Call& call, uint32_t error);

private:
    struct Command {
        uint64_t call;
        std::string bytes, trailers;  // bytes: a message with its prefix, or nothing
        bool is_last;
        std::string cached_trailers = {};
        std::shared_ptr<CachedRefusal> cached_refusal = {};
    };
    using Timer = std::pair<double, uint64_t>;  // what is due for a call

    // Hand commands over; return what `send` does, of the last.
    int64_t give(std::vector<Command>& commands);
    void run();
    int wait_milliseconds() const;
    void take_commands();
    void begin_drain();
    void obey(Command& command);
    void watch_listener();
    void accept();
    void serve(Connection& connection, uint32_t ready);
    void flush();
    void drop(Connection& connection);
    void look_after_connections();
    void make_due();

    // What comes in.
    void begin(Connection& connection, int32_t stream);
    void headers_done(Call& call, bool is_end);
    void frame_done(Call& call, bool is_end);
    void half_closed(Call& call);
    bool take_message(Call& call, size_t& at);
    void tell(Call& call, int64_t flags, std::string_view payload);
    bool refuse_malformed(Call& call, const char* why);
    void announce(Call& call, int64_t flags, std::string_view payload);
    void refuse(Call& call, std::string trailers);
    void count_ended(Call& call);
    const std::string* refusal_of(const Call& call, const std::string& kind);
    void end_refusals(double before);
    void refuse_unbegun(const std::string& kind);
    void refuse_unheard(Call& call, const std::string& trailers);
    void tell_unheard();
    void conclude(Call& call);
    void expire(Call& call);
    void reject(Call& call, const char* http_status);

    // What goes out.
    void reply(Call& call, Command& command);
    bool is_too_much(const Call& call, int64_t more) const;
    void count_unsent(Call& call);
    void reset(Call& call);
    void respond(Call& call);
    ssize_t take_outgoing(Call& call, uint8_t* to, size_t room, uint32_t* flags);
    void forget(Call& call);
    void touch(Connection& connection);

    static nghttp2_session_callbacks* callbacks();

    const Limits limits_;
    const std::string busy_trailers_, unread_trailers_;
    std::unordered_set<std::string> takes_many_;  // paths
    int listener_;
    const int epoll_;
    Bell waker_;
    nghttp2_session_callbacks* callbacks_;
    nghttp2_option* option_;
    std::thread thread_;

    std::atomic<int64_t> num_connections_ = 0;
    std::atomic<bool> is_draining_ = false, is_stopping_ = false;
    std::atomic<double> replies_until_ = 0;  // once it is stopping
    std::mutex mutex_;                       // of the next three
    std::vector<Command> commands_;
    std::unordered_map<uint64_t, std::shared_ptr<Backlog>> backlogs_;
    std::unordered_map<uint64_t, std::shared_ptr<CachedRefusal>> cached_refusals_;  // by the call that was refused

    // The thread's own.
    uint64_t next_call_ = 1;
    std::unordered_map<uint64_t, Call*> calls_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::vector<Connection*> dirty_;
    std::vector<uint64_t> unannounced_;
    std::set<Timer> timers_;
    std::unordered_map<std::string, OpenCalls> open_;   // by kind
    std::unordered_map<std::string, int64_t> unheard_;  // refused calls that Python is to be told of, by path
    double tell_unheard_at_ = INFINITY;
    int64_t held_bytes_ = 0, unsent_bytes_ = 0;
    std::unordered_map<std::string, int64_t> unsent_of_;  // of these bytes, by owner
    double look_at_ = 0;
    bool has_drained_ = false;
};
