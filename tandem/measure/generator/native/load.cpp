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
    last_taken_ = front().number;
    last_ended_ = NAN;
    if (++queue_.front().next == queue_.front().specs.size()) queue_.pop_front();
}

// When an open loop's next request is due.
double Sender::next_due() const {
    const double first = has_request() ? front().intended : INFINITY;
    return later_.empty() ? first : std::min(first, later_.begin()->first);
}

// The thread wakes a little ahead of what is due, and spins: a core that slept needs some 50 us. What comes in meanwhile
// has its time from the kernel. At most a twentieth of the time goes by like that.
double Sender::head_start() const { return std::min(1e-4, (next_due() - last_due_) / 20); }

// Set those aside at the head of the queue that wait for the end of the request before them.
void Sender::put_aside() {
    for (; has_request() && !std::isnan(front().pause); pop()) {
        const bool has_ended = front().number - 1 == last_taken_ && !std::isnan(last_ended_);
        const double due = has_ended ? last_ended_ + front().pause : NAN;
        if (has_ended) later_.insert({due, {queue_.front().bytes, {front()}}});
        else waiting_.insert({front().number - 1, {queue_.front().bytes, {front()}}});
    }
}

// A request has ended, or was dropped: the one that waits for it is due once it has paused.
void Sender::follow(int64_t number, double at) {
    if (number == last_taken_) last_ended_ = at;
    if (auto next = waiting_.extract(number))
        later_.insert({at + next.mapped().specs[0].pause, std::move(next.mapped())});
}

void Sender::send_due() {
    if (load_.is_open == 0 || !is(Phase::loading)) return;
    for (put_aside();; put_aside()) {
        const double due = next_due(), at = now();
        if (due > at + head_start() || at > load_.ends_at) return;
        while (now() < due) {
        }
        last_due_ = due;
        const bool is_later = !later_.empty() && later_.begin()->first == due;
        if (is_later) queue_.push_front(later_.extract(later_.begin()).mapped());
        const RequestSpec spec = front();
        if (progress.outstanding < load_.max_outstanding) {
            send(-1, due);
        } else {
            if (due >= 0) ++seen.dropped[size_t(spec.route)], add(progress.dropped, 1);
            follow(spec.number, due);
        }
        if (is_later) queue_.pop_front();  // it was taken when it was put aside
        else pop();
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
    if (load_.is_open != 0) return has_all_ && !has_request() && waiting_.empty() && later_.empty();
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
    add(progress.num_taken, -int64_t(waiting_.size() + later_.size()));
    progress.wall_seconds = at - begun_at_;
    progress.cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_;
    drain_ends_at_ = at + load_.drain_seconds;
    progress.phase = int64_t(Phase::draining);
}
