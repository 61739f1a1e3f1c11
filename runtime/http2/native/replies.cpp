// Replies: they go out as the client's windows allow, and hold only so much while they are not read.

#include "server.h"

constexpr int64_t low_backlog_bytes = 64 << 10;
constexpr double reset_after_seconds = 1;

static std::string_view until_null(std::string_view& text) {
    const std::string_view found = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(text.size(), found.size() + 1));
    return found;
}

static std::vector<nghttp2_nv> fields(
    std::string_view text) {  // key, value, key, value, ..., each ended by a null character
    std::vector<nghttp2_nv> found;
    while (!text.empty()) {
        const std::string_view name = until_null(text), value = until_null(text);
        found.push_back(field(name, value));
    }
    return found;
}

void Server::reply(Call& call, Command& command) {
    if (is_too_much(call, int64_t(command.bytes.size())))
        return call.has_begun ? reset(call) : refuse(call, unread_trailers_);
    if (call.unsent() == 0) call.moved_at = now();
    if (call.outgoing.empty()) call.outgoing = std::move(command.bytes);
    else call.outgoing += command.bytes;
    count_unsent(call);
    if (command.is_last) {
        conclude(call);
        call.trailers = std::move(command.trailers);
    }
    respond(call);
}

// A call alone may have any message, as Python writes no more while it has some: a part of images may have 64 MiB.
bool Server::is_too_much(const Call& call, int64_t more) const {
    if (more == 0) return false;
    const auto found = unsent_of_.find(call.owner);
    const int64_t of_owner = found == unsent_of_.end() ? 0 : found->second, own = int64_t(call.counted);
    const int64_t share = int64_t(limits_.max_unsent_bytes * limits_.max_owner_share);
    return (of_owner > own && of_owner + more > share) ||
           (unsent_bytes_ > own && unsent_bytes_ + more > limits_.max_unsent_bytes);
}

void Server::count_unsent(Call& call) {  // after each change of what a call holds
    const int64_t more = int64_t(call.outgoing.size()) - int64_t(std::exchange(call.counted, call.outgoing.size()));
    if (more == 0) return;
    unsent_bytes_ += more;
    const auto its = unsent_of_.try_emplace(call.owner).first;
    if ((its->second += more) == 0) unsent_of_.erase(its);
}

void Server::reset(Call& call) {
    if (call.is_announced && !call.is_finished) events.add(Kind::cancelled, 0, call.id);
    conclude(call);
    std::string().swap(call.outgoing);
    call.sent = 0;
    count_unsent(call);
    nghttp2_submit_rst_stream(call.connection->session, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL);
    touch(*call.connection);
}

void Server::refuse(Call& call, std::string trailers) {
    if (call.is_finished) return;
    if (call.is_announced) events.add(Kind::cancelled, 0, call.id);
    conclude(call);
    call.trailers = std::move(trailers);
    respond(call);
}

void Server::conclude(Call& call) {
    call.is_finished = call.ignores_input = true;
    count_ended(call);
}

void Server::expire(Call& call) {
    // One who takes what is sent hears of the deadline behind it. One who does not has a deadline of its own, by which
    // it ends the call, or a proxy does: only if not is the call reset.
    if (call.unsent() > 0 && call.resets_at == INFINITY)
        timers_.emplace(call.resets_at = now() + reset_after_seconds, call.id);
    refuse(call, status_trailers(deadline_exceeded, "Deadline Exceeded"));
}

void Server::reject(Call& call, const char* http_status) {
    conclude(call);
    const nghttp2_nv headers[] = {field(":status", http_status)};
    nghttp2_submit_response(call.connection->session, call.stream, headers, 1, nullptr);
    touch(*call.connection);
}

void Server::respond(Call& call) {
    nghttp2_session* session = call.connection->session;
    touch(*call.connection);
    if (call.has_begun) {
        if (call.is_deferred) nghttp2_session_resume_data(session, call.stream);
        call.is_deferred = false;
        return;
    }
    call.has_begun = true;
    std::vector<nghttp2_nv> headers{field(":status", "200"), field("content-type", "application/grpc"),
                                    field("grpc-accept-encoding", "identity")};
    if (call.is_finished && call.outgoing.empty()) {
        for (const nghttp2_nv& each : fields(call.trailers)) headers.push_back(each);
        nghttp2_submit_response(session, call.stream, headers.data(), headers.size(), nullptr);
        return;
    }
    nghttp2_data_provider body{};
    body.source.ptr = &call;
    body.read_callback = [](nghttp2_session* of, int32_t stream, uint8_t* to, size_t room, uint32_t* flags,
                            nghttp2_data_source* source, void* connection) -> ssize_t {
        (void)of, (void)stream;
        auto& its = *static_cast<Call*>(source->ptr);
        return static_cast<Connection*>(connection)->owner.take_outgoing(its, to, room, flags);
    };
    nghttp2_submit_response(session, call.stream, headers.data(), headers.size(), &body);
}

ssize_t Server::take_outgoing(Call& call, uint8_t* to, size_t room, uint32_t* flags) {
    const size_t size = std::min(room, call.unsent());
    if (size == 0 && !call.is_finished) {
        call.is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    memcpy(to, call.outgoing.data() + call.sent, size);
    call.sent += size;
    if (size > 0) call.moved_at = now();
    if (call.unsent() == 0 || call.sent > (1 << 20)) {
        std::string(call.outgoing, std::exchange(call.sent, 0)).swap(call.outgoing);  // gives back the memory
        count_unsent(call);
    }
    const int64_t left = call.backlog->bytes -= int64_t(size);
    if (left < low_backlog_bytes && call.backlog->is_awaited.exchange(false)) events.add(Kind::writable, 0, call.id);
    if (call.is_finished && call.unsent() == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> trailers = fields(call.trailers);
        nghttp2_submit_trailer(call.connection->session, call.stream, trailers.data(), trailers.size());
    }
    return ssize_t(size);
}

void Server::closed(Call& call, uint32_t) {
    forget(call);
    call.connection->calls.erase(call.stream);  // ends the call
}

void Server::forget(Call& call) {
    if (call.is_announced && !call.is_finished) events.add(Kind::cancelled, 0, call.id);
    count_ended(call);
    held_bytes_ -= int64_t(call.incoming.size());
    call.outgoing.clear();
    count_unsent(call);
    calls_.erase(call.id);
    if (call.backlog == nullptr) return;  // Python has not heard of it
    timers_.erase({call.deadline, call.id});
    std::lock_guard lock(mutex_);
    backlogs_.erase(call.id);
}
