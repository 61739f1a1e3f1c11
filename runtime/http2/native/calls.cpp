// Requests, as they come in frame by frame.

#include "server.h"

namespace {

constexpr uint64_t max_untaken_messages = 1024;  // of one call, that Python has not taken

bool is_private(std::string_view name) {  // between the client's library and this one
    return name == "te" || name == "content-type" || name == "grpc-timeout" || name == "grpc-encoding" ||
           name == "grpc-accept-encoding" || name == "accept-encoding";
}

bool is_grpc(std::string_view content_type) {  // perhaps with a subtype or parameters; grpc-web is another protocol
    constexpr std::string_view name = "application/grpc";
    return content_type.starts_with(name) &&
           (content_type.size() == name.size() || content_type[name.size()] == '+' || content_type[name.size()] == ';');
}

}  // namespace

void Server::begin(Connection& connection, int32_t stream) {
    auto call = std::make_unique<Call>();
    call->id = next_call_++;
    call->connection = &connection;
    call->stream = stream;
    nghttp2_session_set_stream_user_data(connection.session, stream, call.get());
    calls_[call->id] = call.get();
    connection.calls[stream] = std::move(call);
}

void Server::header(Call& call, std::string_view name, std::string_view value) {
    if (call.has_head) return;  // these are trailers
    if (name == ":path") call.path = value.substr(0, UINT16_MAX);
    else if (name == ":method") call.is_post = value == "POST";
    else if (name == "content-type") call.is_grpc = is_grpc(value);
    else if (name == "grpc-timeout") {
        call.timeout = parse_timeout(value);
        call.deadline = now() + call.timeout;
        if (call.timeout < 0) call.fault = status_trailers(internal, "grpc-timeout is malformed");
    } else if (name == "grpc-encoding") {
        if (value != "identity")
            call.fault = status_trailers(unimplemented, "grpc-encoding: messages must not be compressed");
    } else if (name == "tandem-caller") call.caller = value;
    else if (name == "tandem-peer") call.peer = value;
    if (name.starts_with(':') || is_private(name)) return;
    if (call.metadata.size() + name.size() + value.size() > limits_.max_metadata_bytes) {
        call.fault = status_trailers(resource_exhausted, "the metadata is too large");
        return;
    }
    call.metadata.append(name).append(1, '\0').append(value).append(1, '\0');
}

void Server::headers_done(Call& call, bool is_end) {
    call.has_head = true;
    if (!call.is_post) return reject(call, "405");
    if (!call.is_grpc) return reject(call, "415");
    if (!call.fault.empty()) return refuse(call, call.fault);
    if (call.caller.empty() && call.peer.empty() && !call.connection->peer.empty()) {
        call.peer = call.connection->peer;
        call.metadata.append("tandem-peer").append(1, '\0').append(call.peer).append(1, '\0');
    }
    call.owner = call.caller.empty() ? call.peer.substr(0, call.peer.rfind(':')) : call.caller;
    call.takes_many = takes_many_.count(call.path);
    if (is_end) half_closed(call);
    else unannounced_.push_back(call.id);
}

void Server::data(Call& call, std::string_view bytes) {
    if (call.ignores_input) return;
    held_bytes_ += int64_t(bytes.size());
    call.incoming.append(bytes);
    if (held_bytes_ + events.size() > limits_.max_held_bytes)
        refuse(call, status_trailers(resource_exhausted, "the server holds too much of requests that are not whole"));
}

void Server::frame_done(Call& call, bool is_end) {
    call.is_half_closed = is_end;
    size_t used = 0;
    while (take_message(call, used)) {
    }
    if (call.ignores_input) used = call.incoming.size();
    held_bytes_ -= int64_t(used);
    if (used > 0) std::string(call.incoming, used).swap(call.incoming);  // gives back the memory
    if (is_end) half_closed(call);
}

// Tell of the message that begins at `at`, and move `at` behind it. False: it is not whole, or is refused.
bool Server::take_message(Call& call, size_t& at) {
    if (call.ignores_input || at == call.incoming.size()) return false;
    const std::string_view rest = std::string_view(call.incoming).substr(at);
    if (call.num_messages > 0 && !call.takes_many) return refuse_malformed(call, "the method takes one message");
    if (rest[0] != 0) return refuse_malformed(call, "a message is compressed, and no grpc-encoding says how");
    if (rest.size() < prefix_bytes) return false;
    const uint32_t size = size_of_framed(rest);
    const size_t whole = prefix_bytes + size;
    const bool is_large = size > limits_.max_message_bytes;
    if (rest.size() < whole && !is_large) return false;
    if (rest.size() > whole && !call.takes_many) return refuse_malformed(call, "the method takes one message");
    if (const uint64_t epoch = events.epoch(); std::exchange(call.epoch, epoch) != epoch) call.num_untaken = 0;
    if (++call.num_untaken > max_untaken_messages) {
        refuse(call, status_trailers(resource_exhausted, "too many messages that the method has not read"));
        return false;
    }
    const bool is_last = call.is_half_closed && rest.size() == whole;
    const int64_t flags = has_message | (is_large ? is_too_large : 0) | (is_last ? is_half_closed : 0);
    const uint64_t told = size;
    tell(call, flags,
         is_large ? std::string_view(reinterpret_cast<const char*>(&told), sizeof told)
                  : rest.substr(prefix_bytes, size));
    call.ignores_input |= is_large;
    call.is_end_told |= is_last;
    ++call.num_messages;
    at += whole;
    return true;
}

void Server::tell(Call& call, int64_t flags, std::string_view payload) {
    if (call.is_announced) events.add(Kind::message, flags, call.id, 0, {}, {}, payload);
    else announce(call, flags, payload);
}

bool Server::refuse_malformed(Call& call, const char* why) {
    refuse(call, status_trailers(internal, why));
    return false;
}

void Server::half_closed(Call& call) {
    call.is_half_closed = true;
    if (call.ignores_input || call.is_end_told) return;
    call.is_end_told = true;
    tell(call, is_half_closed, {});
}

void Server::announce(Call& call, int64_t flags, std::string_view payload) {
    // Whether a server is well must be told however busy it is.
    if (events.num_calls() >= limits_.max_unbegun_calls && !call.path.starts_with("/grpc.health."))
        return refuse_unheard(call, busy_trailers_);
    call.model = model_named(payload);
    std::string kind = kind_of(call);
    if (const std::string* trailers = refusal_of(call, kind)) return refuse_unheard(call, *trailers);
    call.is_announced = true;
    call.kind = std::move(kind);
    ++open_[call.kind].count;
    if (call.deadline < INFINITY) timers_.emplace(call.deadline, call.id);
    call.backlog = std::make_shared<Backlog>();
    {
        std::lock_guard lock(mutex_);
        backlogs_[call.id] = call.backlog;
    }
    events.add(Kind::call, flags, call.id, call.deadline, call.path, call.metadata, payload);
    std::string().swap(call.metadata);
}

void Server::frame(Connection& connection, const nghttp2_frame& frame, Call* call) {
    connection.has_shaken_hands |= frame.hd.type == NGHTTP2_SETTINGS;
    const bool is_end = frame.hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (call == nullptr) return;
    if (frame.hd.type == NGHTTP2_DATA) frame_done(*call, is_end);
    else if (frame.hd.type != NGHTTP2_HEADERS) return;
    else if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) headers_done(*call, is_end);
    else if (is_end) half_closed(*call);
}

// A reply that ends before its request does: the client need not send the rest.
void Server::headers_sent(Call& call, const nghttp2_frame& frame) {
    if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) && !call.is_half_closed)
        nghttp2_submit_rst_stream(call.connection->session, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_NO_ERROR);
}

nghttp2_session_callbacks* Server::callbacks() {
    nghttp2_session_callbacks* made = new_callbacks<Connection, Call>();
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* its) {
            auto& connection = *static_cast<Connection*>(its);
            if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) connection.owner.begin(connection, frame->hd.stream_id);
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_not_send_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
            // Headers or trailers larger than nghttp2 sends: nothing else would end the call.
            if (frame->hd.type == NGHTTP2_HEADERS && call_of<Call>(session, frame->hd.stream_id) != nullptr)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
            return 0;
        });
    return made;
}
