// When requests are sent: an open loop's when they are due, a closed one's when a caller is free; and when all is over.

#include "sender.h"

void Sender::take_inbox() {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return waker_.ring();  // Python is at it: come back at once rather than wait
    for (Block& block : inbox_)
        if (!block.specs.empty()) queue_.push_back(std::move(block));
    inbox_.clear();
    has_all_ = is_fed_;
}

void Sender::pop() {
    add(progress.num_taken, 1);
    if (++queue_.front().next == queue_.front().specs.size()) queue_.pop_front();
}

void Sender::send_due() {
    if (load_.is_open == 0 || !is(Phase::loading)) return;
    for (double at; has_request() && front().intended <= (at = now()) && at <= load_.ends_at; pop()) {
        if (progress.outstanding < load_.max_outstanding) {
            send(-1, front().intended);
        } else if (front().intended >= 0) {
            ++seen.dropped[size_t(front().route)];
            add(progress.dropped, 1);
        }
    }
}

// Deadlines, cancels, and callers that come or have paused.
void Sender::pass_timers() {
    const double at = now();
    while (!timers_.empty() && timers_.begin()->first <= at) {
        Call& call = *timers_.begin()->second;
        if (call.cancel_at <= call.deadline_at) end_here(call, End::cancelled, status_cancelled, "");
        else end_here(call, End::deadline, status_deadline_exceeded, "Deadline Exceeded");
    }
    for (; !sleeping_.empty() && sleeping_.begin()->first <= at; sleeping_.erase(sleeping_.begin()))
        hungry_.push_back({sleeping_.begin()->second, at});
}

// Give every caller that waits its next request, as long as there are any.
void Sender::ask_again() {
    if (!is(Phase::loading)) return;
    while (!hungry_.empty()) {
        const auto [caller, since] = hungry_.front();
        const double at = now();
        const bool has_left = at < 0 || load_.budget < 0 || progress.num_measured < load_.budget;
        if (at >= callers_[size_t(caller)].goes_at || !has_left || (has_all_ && !has_request())) {
            hungry_.pop_front();
            continue;
        }
        if (!has_request()) return;
        hungry_.pop_front();
        if (at >= 0) add(progress.num_measured, 1);
        send(caller, at < 0 ? since : std::max(since, 0.0));
        pop();
    }
}

bool Sender::is_load_over() const {
    const double at = now();
    if (at > load_.ends_at) return true;
    if (load_.is_open != 0) return has_all_ && !has_request();
    return hungry_.empty() && sleeping_.empty() && progress.outstanding == 0;
}

void Sender::advance() {
    if (is(Phase::loading) && (is_stopped_ || is_load_over())) end_load();
    if (!is(Phase::draining)) return;
    if (is_stopped_ || now() >= drain_ends_at_)
        for (const auto& call : calls_)
            if (call->connection != nullptr) end_here(*call, End::cut_off, status_cancelled, "");
    if (progress.outstanding > 0) return;
    progress.phase = int64_t(Phase::done);
}

void Sender::end_load() {
    const double at = now();
    progress.load_ended_at = at;
    progress.wall_seconds = at - begun_at_;
    progress.cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_;
    drain_ends_at_ = at + load_.drain_seconds;
    progress.phase = int64_t(Phase::draining);
}
