// What the server does for calls: requests come in frame by frame, replies go out as the client's windows allow.

#include "server.h"

namespace {

constexpr int64_t low_backlog_bytes = 64 << 10;
constexpr size_t prefix_bytes = 5;
constexpr double reset_after_seconds = 1;

nghttp2_nv field(std::string_view name, std::string_view value) {
    return {(uint8_t*)name.data(), (uint8_t*)value.data(), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> fields(std::string_view text) {  // key, value, key, value, ..., each ended by a null character
    std::vector<nghttp2_nv> found;
    while (!text.empty()) {
        const std::string_view name = text.substr(0, text.find('\0'));
        text.remove_prefix(name.size() + 1);
        const std::string_view value = text.substr(0, text.find('\0'));
        text.remove_prefix(value.size() + 1);
        found.push_back(field(name, value));
    }
    return found;
}

std::string status_trailers(int status, const char* text) {
    std::string trailers("grpc-status");
    trailers.append(1, '\0').append(std::to_string(status)).append(1, '\0');
    return trailers.append("grpc-message").append(1, '\0').append(text).append(1, '\0');
}

bool is_private(std::string_view name) {  // between the client's library and this one
    return name == "te" || name == "content-type" || name == "grpc-timeout" || name == "grpc-accept-encoding" ||
           name == "accept-encoding";
}

}  // namespace

void Server::begin(Connection& connection, int32_t stream) {
    auto call = std::make_unique<Call>();
    call->id = next_call_++;
    call->connection = &connection;
    call->stream = stream;
    nghttp2_session_set_stream_user_data(connection.session, stream, call.get());
    calls_[call->id] = call.get();
    {
        std::lock_guard lock(mutex_);
        backlogs_[call->id] = call->backlog;
    }
    connection.calls[stream] = std::move(call);
}

void Server::header(Call& call, std::string_view name, std::string_view value) {
    if (name == ":path") call.path = value.substr(0, UINT16_MAX);
    else if (name == ":method") call.is_post = value == "POST";
    else if (name == "content-type") call.is_grpc = value.starts_with("application/grpc");
    else if (name == "grpc-timeout") {
        const double seconds = parse_timeout(value);
        call.is_valid &= seconds >= 0;
        call.timeout = seconds;
        call.deadline = now() + seconds;
    } else if (name == "tandem-caller" || (name == "tandem-peer" && call.owner.empty())) {
        call.owner = value;
    }
    if (name.starts_with(':') || is_private(name)) return;
    if (call.metadata.size() + name.size() + value.size() > limits_.max_metadata_bytes) {
        call.is_valid = false;
        return;
    }
    call.metadata.append(name).append(1, '\0').append(value).append(1, '\0');
}

void Server::headers_done(Call& call, bool is_end) {
    if (!call.is_post) return reject(call, "405");
    if (!call.is_grpc) return reject(call, "415");
    if (!call.is_valid) return refuse(call, status_trailers(8, "the metadata is too large or malformed"));
    if (call.deadline < INFINITY) timers_.emplace(call.deadline, call.id);
    if (is_end) half_closed(call);
    else unannounced_.push_back(call.id);
}

void Server::data(Call& call, std::string_view bytes) {
    if (call.ignores_input) return;
    held_bytes_ += int64_t(bytes.size());
    call.incoming.append(bytes);
    if (!holds_too_much()) return;
    if (call.is_announced) events.add(Kind::cancelled, 0, call.id);
    refuse(call, status_trailers(8, "the server holds too much of requests that are not whole"));
}

void Server::frame_done(Call& call, bool is_end) {
    call.is_half_closed = is_end;
    while (take_message(call)) {}
    if (is_end) half_closed(call);
}

bool Server::take_message(Call& call) {
    if (call.ignores_input || call.incoming.size() < prefix_bytes) return false;
    uint32_t size;
    memcpy(&size, call.incoming.data() + 1, sizeof size);
    size = ntohl(size);
    const bool is_last = call.is_half_closed && call.incoming.size() == prefix_bytes + size;
    uint8_t flags = has_message | (call.incoming[0] ? is_compressed : 0) | (is_last ? is_half_closed : 0);
    const auto tell = [&](std::string_view payload) {
        if (call.is_announced) events.add(Kind::message, flags, call.id, 0, {}, {}, payload);
        else announce(call, flags, payload);
        call.is_end_told |= is_last;
    };
    if (size > limits_.max_message_bytes) {
        const uint64_t told = size;
        flags = has_message | is_too_large;
        tell({reinterpret_cast<const char*>(&told), sizeof told});
        call.ignores_input = true;
    } else if (call.incoming.size() < prefix_bytes + size) {
        return false;
    } else {
        tell(std::string_view(call.incoming).substr(prefix_bytes, size));
    }
    const size_t used = call.ignores_input ? call.incoming.size() : prefix_bytes + size;
    held_bytes_ -= int64_t(used);
    call.incoming.erase(0, used);
    return true;
}

void Server::half_closed(Call& call) {
    call.is_half_closed = true;
    if (call.ignores_input || call.is_end_told) return;
    call.is_end_told = true;
    if (call.is_announced) events.add(Kind::half_closed, is_half_closed, call.id);
    else announce(call, is_half_closed, {});
}

void Server::announce(Call& call, uint8_t flags, std::string_view payload) {
    if (is_too_busy_for(call)) return refuse_unheard(call, busy_trailers_);
    if (!(flags & is_compressed)) call.model = model_named(payload);
    if (const std::string* trailers = refusal_of(call)) return refuse_unheard(call, *trailers);
    call.is_announced = true;
    standing_.began(call);
    events.add(Kind::call, flags, call.id, call.deadline, call.path, call.metadata, payload);
    std::string().swap(call.metadata);
}

void Server::refuse(Call& call, std::string trailers) {
    if (call.is_finished) return;
    conclude(call);
    call.trailers = std::move(trailers);
    respond(call);
}

void Server::conclude(Call& call) {
    call.is_finished = call.ignores_input = true;
    standing_.ended(call);
}

void Server::expire(Call& call) {
    if (!call.is_finished) events.add(Kind::cancelled, 0, call.id);
    // One who takes what is sent hears of the deadline behind it. One who does not has a deadline of its own, by which
    // it ends the call, or a proxy does: only if not is the call reset.
    if (call.unsent() > 0 && call.resets_at == INFINITY) timers_.emplace(call.resets_at = now() + reset_after_seconds, call.id);
    refuse(call, status_trailers(4, "Deadline Exceeded"));
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
                                    field("grpc-accept-encoding", "identity,deflate,gzip")};
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
        return static_cast<Connection*>(connection)->server->take_outgoing(its, to, room, flags);
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
    if (call.unsent() == 0 || call.sent > (1 << 20)) {
        call.outgoing.erase(0, call.sent);
        call.sent = 0;
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

void Server::close(Call& call) {
    forget(call);
    call.connection->calls.erase(call.stream);  // ends the call
}

void Server::forget(Call& call) {
    if (call.is_announced && !call.is_finished) events.add(Kind::cancelled, 0, call.id);
    standing_.ended(call);
    held_bytes_ -= int64_t(call.incoming.size());
    if (call.deadline < INFINITY) timers_.erase({call.deadline, call.id});
    calls_.erase(call.id);
    std::lock_guard lock(mutex_);
    backlogs_.erase(call.id);
}

nghttp2_session_callbacks* Server::callbacks() {
    nghttp2_session_callbacks* made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* its) {
            auto& connection = *static_cast<Connection*>(its);
            if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) connection.server->begin(connection, frame->hd.stream_id);
            return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                 const uint8_t* value, size_t value_size, uint8_t, void* its) {
            Call* call = call_of(session, frame->hd.stream_id);
            if (call != nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
                static_cast<Connection*>(its)->server->header(*call, {(const char*)name, name_size},
                                                              {(const char*)value, value_size});
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* bytes, size_t size, void* its) {
            if (Call* call = call_of(session, stream))
                static_cast<Connection*>(its)->server->data(*call, {(const char*)bytes, size});
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, void* its) {
            auto& connection = *static_cast<Connection*>(its);
            connection.has_shaken_hands |= frame->hd.type == NGHTTP2_SETTINGS;
            const bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
            const bool is_data = frame->hd.type == NGHTTP2_DATA, is_head = frame->hd.type == NGHTTP2_HEADERS;
            Call* call = is_data || is_head ? call_of(session, frame->hd.stream_id) : nullptr;
            if (call == nullptr) return 0;
            if (is_head && frame->headers.cat == NGHTTP2_HCAT_REQUEST) connection.server->headers_done(*call, is_end);
            else if (is_data) connection.server->frame_done(*call, is_end);
            else if (is_end) connection.server->half_closed(*call);
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, void*) {
            // A reply that ends before its request does: the client need not send the rest.
            if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
            Call* call = call_of(session, frame->hd.stream_id);
            if (call != nullptr && !call->is_half_closed)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_not_send_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
            // Headers or trailers larger than nghttp2 sends: nothing else would end the call.
            if (frame->hd.type == NGHTTP2_HEADERS && call_of(session, frame->hd.stream_id) != nullptr)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session* session, int32_t stream, uint32_t, void* its) {
            if (Call* call = call_of(session, stream)) static_cast<Connection*>(its)->server->close(*call);
            return 0;
        });
    return made;
}
