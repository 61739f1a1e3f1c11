// The server's thread: sockets, timers, commands.

#include "server.h"

namespace {

constexpr double look_every_seconds = 1;
// The usual call comes whole, and Python hears of it once. One that does not is announced without its message.
constexpr double announce_after_seconds = 0.05;
constexpr double drain_notice_seconds = 0.1;
constexpr double last_flush_seconds = 0.5;
constexpr double last_close_seconds = 10;  // for a client to read what it was sent, and to close
constexpr double accept_again_seconds = 0.05;
constexpr uint64_t of_listener = 0;  // a timer that belongs to no call

}  // namespace

Server::Server(int listener, const Limits& limits, std::string_view busy, std::string_view unread,
               std::string_view many)
    : limits_(limits),
      busy_trailers_(busy),
      unread_trailers_(unread),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      callbacks_(callbacks()) {
    for (; !many.empty(); many.remove_prefix(many.find('\0') + 1)) takes_many_.emplace(many.substr(0, many.find('\0')));
    nghttp2_option_new(&option_);
    // Clients that give up are not hostile, and behind a proxy they share a connection with others.
#if NGHTTP2_VERSION_NUM >= 0x013900
    nghttp2_option_set_stream_reset_rate_limit(option_, 1 << 20, 1 << 20);
#endif
    watch(epoll_, waker_.fd, EPOLLIN, &waker_);
    watch_listener();
}

Server::~Server() {
    stop(0);
    if (listener_ >= 0) close(listener_);
    close(epoll_);
    nghttp2_session_callbacks_del(callbacks_);
    nghttp2_option_del(option_);
}

void Server::start() {
    sigset_t all, before;  // signals are for Python's main thread
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread(&Server::run, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Server::drain() {
    is_draining_ = true;
    waker_.ring();
}

void Server::stop(double seconds) {
    replies_until_ = now() + seconds;
    is_stopping_ = true;
    waker_.ring();
    if (thread_.joinable()) thread_.join();
}

int64_t Server::send(uint64_t call, std::string_view message) {
    std::vector<Command> commands(1);
    commands[0] = {call, framed(message), {}, false};
    return give(commands);
}

void Server::finish(const Finished* calls, size_t count) {
    std::vector<Command> commands;
    commands.reserve(count);
    for (const Finished* each = calls; each != calls + count; ++each)
        commands.push_back({each->call, each->message ? framed({each->message, each->message_size}) : std::string(),
                            std::string(each->trailers, each->trailers_size), true});
    give(commands);
}

int64_t Server::give(std::vector<Command>& commands) {
    int64_t left = -1;
    std::unique_lock lock(mutex_);
    const size_t num_before = commands_.size();
    for (Command& each : commands) {
        const auto found = backlogs_.find(each.call);
        left = found == backlogs_.end() ? -1 : found->second->bytes += int64_t(each.bytes.size());
        if (left < 0) continue;
        if (left > high_backlog_bytes) found->second->is_awaited = true;
        if (each.cached_refusal != nullptr) cached_refusals_[each.call] = each.cached_refusal;
        commands_.push_back(std::move(each));
    }
    const bool is_due = num_before == 0 && !commands_.empty();
    lock.unlock();  // first, so that the thread does not wake only to wait for the lock
    if (is_due) waker_.ring();
    return left;
}

void Server::run() {
    double gives_up_at = INFINITY;
    for (;;) {
        epoll_event ready[128];
        const int count = epoll_wait(epoll_, ready, 128, wait_milliseconds());
        for (int index = 0; index < count; ++index) {
            void* of = ready[index].data.ptr;
            if (of == &listener_) accept();
            else if (of == &waker_) take_commands();
            else serve(*static_cast<Connection*>(of), ready[index].events);
        }
        if (is_draining_ && !has_drained_) begin_drain();
        make_due();
        look_after_connections();
        tell_unheard();
        flush();
        events.publish();
        if (!is_stopping_) continue;
        const double at = now();
        bool is_replying = false;
        for (const auto& [each, _] : connections_) {
            if (each->calls.empty()) each->end();
            is_replying |= each->is_replying();
        }
        if (gives_up_at == INFINITY || (is_replying && at < replies_until_)) gives_up_at = at + last_flush_seconds;
        if (connections_.empty() || at > gives_up_at) break;
    }
    while (!connections_.empty()) drop(*connections_.begin()->first);
}

int Server::wait_milliseconds() const {
    if (is_stopping_) return 10;
    double at = connections_.empty() ? INFINITY : look_at_;
    if (!timers_.empty()) at = std::min(at, timers_.begin()->first);
    if (!unheard_.empty()) at = std::min(at, tell_unheard_at_);
    return at == INFINITY ? -1 : std::max(0, int(ceil((at - now()) * 1e3)));
}

void Server::take_commands() {
    waker_.clear();
    std::vector<Command> commands;
    {
        std::lock_guard lock(mutex_);
        commands.swap(commands_);
    }
    for (Command& each : commands) obey(each);
}

void Server::begin_drain() {
    has_drained_ = true;
    unwatch(epoll_, listener_);
    close(listener_);
    listener_ = -1;
    look_at_ = 0;
    for (const auto& [each, _] : connections_) {
        each->announce_end(now() + drain_notice_seconds);
        touch(*each);
    }
}

void Server::obey(Command& command) {
    const auto found = calls_.find(command.call);
    if (found == calls_.end() || found->second->is_finished) {
        if (command.cached_refusal != nullptr) command.cached_refusal->is_over = true;
        return;
    }
    Call& call = *found->second;
    const std::string kind = command.cached_refusal == nullptr ? std::string() : call.kind;
    if (!kind.empty())
        open_[kind].cache(call, std::move(command.cached_refusal), std::move(command.cached_trailers),
                          events.num_calls());
    reply(call, command);
    if (!kind.empty()) refuse_unbegun(kind);
}

void Server::watch_listener() {
    if (listener_ >= 0) watch(epoll_, listener_, EPOLLIN, &listener_);
}

void Server::accept() {
    for (int turn = 0; turn < 64; ++turn) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {  // one of those that are open may have ended by then
            unwatch(epoll_, listener_);
            timers_.emplace(now() + accept_again_seconds, of_listener);
        }
        if (fd < 0) return;
        if (connections_.size() >= limits_.max_connections) {
            close(fd);
            continue;
        }
        auto made = std::make_unique<Connection>(epoll_, fd, named(peer), *this, callbacks_, option_, limits_);
        touch(*made);
        look_at_ = std::min(look_at_ == 0 ? INFINITY : look_at_, now() + look_every_seconds);
        connections_.emplace(made.get(), std::move(made));
        num_connections_ = int64_t(connections_.size());
    }
}

void Server::serve(Connection& connection, uint32_t ready) {
    touch(connection);
    if ((ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !connection.receive()) return drop(connection);
    const double at = now() + announce_after_seconds;
    for (const uint64_t id : unannounced_)
        if (const auto found = calls_.find(id); found != calls_.end() && !found->second->is_announced)
            timers_.emplace(std::min(at, found->second->deadline), id);
    unannounced_.clear();
}

void Server::touch(Connection& connection) {
    if (connection.is_dirty) return;
    connection.is_dirty = true;
    dirty_.push_back(&connection);
}

void Server::flush() {
    for (size_t index = 0; index < dirty_.size(); ++index) {  // a connection that is dropped leaves a null
        Connection* each = dirty_[index];
        if (each == nullptr) continue;
        each->is_dirty = false;
        if (!each->flush()) {
            dirty_[index] = nullptr;
            drop(*each);
        }
    }
    dirty_.clear();
}

void Server::drop(Connection& connection) {
    for (const auto& [_, call] : connection.calls) forget(*call);
    connection.calls.clear();
    for (Connection*& each : dirty_)
        if (each == &connection) each = nullptr;
    connections_.erase(&connection);
    num_connections_ = int64_t(connections_.size());
    if (connections_.empty()) end_refusals(INFINITY);  // without connections, no timer would end them
}

void Server::look_after_connections() {
    const double at = now();
    if (connections_.empty() || at < look_at_) return;
    end_refusals(at - look_every_seconds);
    look_at_ = at + (has_drained_ ? drain_notice_seconds : look_every_seconds);
    std::vector<Connection*> over;
    for (const auto& [each, _] : connections_) {
        if (!each->has_shaken_hands && at > each->opened_at + limits_.handshake_seconds) over.push_back(each);
        if (at > each->opened_at + limits_.max_age_seconds) each->announce_end(at + look_every_seconds);
        if (at > each->ends_at) each->refuse_new_calls();
        if (at > each->ends_at + limits_.max_age_grace_seconds) over.push_back(each);
        if (at > each->ended_at + last_close_seconds) over.push_back(each);
        if (each->is_blocked_since(at - limits_.unread_seconds)) over.push_back(each);
        for (const auto& [_, call] : each->calls)
            if (call->unsent() > 0 && at > call->moved_at + limits_.unread_seconds) reset(*call);
        touch(*each);
    }
    for (Connection* each : over)
        if (connections_.count(each)) drop(*each);
}

void Server::make_due() {
    for (const double at = now(); !timers_.empty() && timers_.begin()->first <= at;) {
        const auto found = calls_.find(timers_.begin()->second);
        if (timers_.begin()->second == of_listener) watch_listener();
        timers_.erase(timers_.begin());
        if (found == calls_.end()) continue;
        Call& call = *found->second;
        if (call.resets_at <= at) reset(call);
        if (!call.is_announced && !call.is_finished) announce(call, 0, {});
        if (call.deadline <= at) expire(call);
    }
}
