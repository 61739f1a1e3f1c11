// The sender's thread: waiting for what is next, reading and writing sockets, connections that end and begin.

#include "sender.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

constexpr double beat_seconds = 0.02, first_backoff_seconds = 0.1, max_backoff_seconds = 1.0, stable_seconds = 1.0;

Sender::Sender(std::string authority)
    : authority_(std::move(authority)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      callbacks_(new_callbacks<Connection, Call>()) {
    for (const int fd : {timer_, waker_.fd}) watch(epoll_, fd, EPOLLIN | EPOLLET, nullptr);  // neither is ever read
    nghttp2_option_new(&option_);
    nghttp2_option_set_peer_max_concurrent_streams(option_, 10000);  // until the server says otherwise
}

Sender::~Sender() {
    stop();
    join();
    slots_.clear();
    leaving_.clear();
    nghttp2_option_del(option_);
    nghttp2_session_callbacks_del(callbacks_);
    for (const int fd : {epoll_, timer_}) close(fd);
}

void Sender::adopt(int fd) {
    peer_size_ = sizeof peer_;
    getpeername(fd, reinterpret_cast<sockaddr*>(&peer_), &peer_size_);
    slots_.push_back(std::make_unique<Connection>(fd, epoll_, callbacks_, option_, *this));
    slots_.back()->is_connected = true;
    retry_at_.push_back(-INFINITY);
    backoff_.push_back(first_backoff_seconds);
}

void Sender::reset() {
    join();
    routes.clear();
    seen = {};
    text_numbers_.clear();
    queue_.clear();
    inbox_.clear();
    hungry_.clear();
    sleeping_.clear();
    waiting_.clear();
    later_.clear();
    last_taken_ = -1;
    is_stopped_ = is_fed_ = has_all_ = false;
    drain_ends_at_ = INFINITY;
    armed_for_ = last_due_ = -INFINITY;
    std::fill(retry_at_.begin(), retry_at_.end(), -INFINITY);
    for (const auto& each : slots_)
        if (each) each->opened_at = -INFINITY;
    std::construct_at(&progress);
}

void Sender::start(const Load& load, std::vector<Caller> callers) {
    load_ = load;
    callers_ = std::move(callers);
    seen.dropped.assign(routes.size(), 0);
    progress.phase = int64_t(Phase::loading);
    // A thread begins with the priority of the one that makes it; see priority.py.
    const int own_policy = sched_getscheduler(0);
    sched_param own, lowest{1};
    sched_getparam(0, &own);
    sched_setscheduler(0, SCHED_RR, &lowest);
    progress.is_real_time = sched_getscheduler(0) == SCHED_RR;
    thread_ = std::thread([this] { run(); });
    sched_setscheduler(0, own_policy, &own);
}

void Sender::feed(Block block, bool is_last) {
    {
        std::lock_guard lock(mutex_);
        inbox_.push_back(std::move(block));
        is_fed_ = is_last;
    }
    waker_.ring();
}

void Sender::stop() {
    is_stopped_ = true;
    waker_.ring();
}

void Sender::join() {
    if (thread_.joinable()) thread_.join();
}

void Sender::run() {
    prctl(PR_SET_TIMERSLACK, 1UL);  // to the nanosecond, not to 50 us
    for (int caller = 0; caller < int(callers_.size()); ++caller)
        sleeping_.insert({callers_[size_t(caller)].comes_at, caller});
    begun_at_ = now();
    cpu_before_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    progress.answered_at = begun_at_;
    next_beat_ = begun_at_ + beat_seconds;
    while (!is(Phase::done)) {
        take_inbox();
        pass_timers();
        tend_connections();  // before anything is sent: where the only connection is leaving, another must be there
        send_due();
        ask_again();
        advance();
        flush();
        if (!is(Phase::done)) wait(next_instant());
        beat();
    }
}

void Sender::wait(double until) {
    const double at = std::max(0.0, until + load_.zero);
    if (until != armed_for_) {
        const bool is_never = until == INFINITY;
        const double whole = is_never ? 0 : floor(at);
        // Nothing but zero switches a timer off.
        const itimerspec when{{0, 0}, {time_t(whole), is_never ? 0 : std::max(1L, long((at - whole) * 1e9))}};
        timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
        armed_for_ = until;
    }
    epoll_event events[64];
    const int ready = epoll_wait(epoll_, events, 64, until <= now() ? 0 : -1);
    for (int index = 0; index < ready; ++index)
        if (auto* connection = static_cast<Connection*>(events[index].data.ptr))
            on_ready(*connection, events[index].events);
}

double Sender::next_instant() const {
    double next = next_beat_;
    if (!timers_.empty()) next = std::min(next, timers_.begin()->first);
    if (is(Phase::draining)) return std::min(next, drain_ends_at_);
    next = std::min(next, load_.ends_at);
    if (load_.is_open != 0) next = std::min(next, next_due() - head_start());
    if (!sleeping_.empty()) next = std::min(next, sleeping_.begin()->first);
    return next;
}

// A beat is late by as much as any message may have been seen late.
void Sender::beat() {
    const double at = now();
    if (at < next_beat_) return;
    seen.lags.push_back(at - next_beat_);
    next_beat_ = at + beat_seconds;
}

void Sender::on_ready(Connection& connection, uint32_t events) {
    if (connection.is_over) return;
    if (!connection.is_connected) {
        if (const int why = connection.connected()) return lose(connection, strerror(why));
    }
    if (events & ~uint32_t{EPOLLOUT}) receive(connection);
    if (!connection.is_over) mark_dirty(connection);
}

void Sender::mark_dirty(Connection& connection) {
    if (connection.is_dirty) return;
    connection.is_dirty = true;
    dirty_.push_back(&connection);
}

void Sender::receive(Connection& connection) {
    static thread_local uint8_t buffer[256 << 10];
    double at;
    const ssize_t size = receive_noted(connection.fd, buffer, sizeof buffer, at);
    const bool is_over = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
    received_at_ = at - load_.zero;
    if (is_over) return lose(connection, "the server closed the connection");
    if (size > 0 && nghttp2_session_mem_recv(connection.session, buffer, size_t(size)) != size)
        lose(connection, "the server does not follow HTTP/2");
}

void Sender::lose(Connection& connection, const std::string& why) {
    if (connection.is_over) return;
    connection.is_over = true;
    last_failure_ = why;
    while (!connection.calls.empty()) {
        Call& call = *connection.calls.back();
        nghttp2_session_set_stream_user_data(connection.session, call.stream, nullptr);
        finish(call, End::answered, status_unavailable, why);
    }
}

void Sender::tend_connections() {
    const auto is_spent = [](const std::unique_ptr<Connection>& each) { return each->is_over || each->calls.empty(); };
    const double at = now();
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
        auto& connection = slots_[slot];
        if (connection && (connection->is_over || connection->is_leaving)) {
            const bool was_stable = connection->is_leaving || at - connection->opened_at > stable_seconds;
            retry_at_[slot] = at + (was_stable ? 0 : backoff_[slot]);
            backoff_[slot] = was_stable ? first_backoff_seconds : std::min(max_backoff_seconds, 2 * backoff_[slot]);
            leaving_.push_back(std::move(connection));
        }
        if (!connection && retry_at_[slot] <= at && is(Phase::loading)) open(slot);
    }
    for (const auto& each : leaving_)
        if (is_spent(each)) std::erase(dirty_, each.get());
    std::erase_if(leaving_, is_spent);
}

void Sender::open(size_t slot) {
    const int fd = socket(peer_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&peer_), peer_size_) != 0 && errno != EINPROGRESS) {
        last_failure_ = strerror(errno);
        close(fd);
        retry_at_[slot] = now() + max_backoff_seconds;
        return;
    }
    slots_[slot] = std::make_unique<Connection>(fd, epoll_, callbacks_, option_, *this);
    slots_[slot]->opened_at = now();
}

void Sender::flush() {
    for (Connection* connection : std::exchange(dirty_, {})) {
        connection->is_dirty = false;
        if (connection->is_connected && !connection->is_over && !(connection->write() && connection->is_in_use()))
            lose(*connection, "the server closed the connection");
    }
}
