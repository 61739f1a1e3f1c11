// Requests and their replies: sent, read frame by frame, ended in exactly one way, recorded.

#include "sender.h"

namespace {

constexpr int kMaxUnsent = 3, kMaxRefused = 1;
constexpr size_t kMaxTextBytes = 1500, kPrefixBytes = 5;

nghttp2_nv header_of(std::string_view name, std::string_view value) {  // both must outlive the submission
    return {(uint8_t*)name.data(), (uint8_t*)value.data(), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// gRPC's status for a reply without one, by HTTP's status, as gRPC's documents say.
int status_of_http(int status) {
    switch (status) {
        case 400: return kInternal;
        case 401: return 16;  // UNAUTHENTICATED
        case 403: return 7;   // PERMISSION_DENIED
        case 404: return 12;  // UNIMPLEMENTED
        case 429: case 502: case 503: case 504: return kUnavailable;
        default: return kUnknown;
    }
}

int status_of_reset(uint32_t error) {
    switch (error) {
        case NGHTTP2_REFUSED_STREAM: return kUnavailable;
        case NGHTTP2_CANCEL: return kCancelled;
        case NGHTTP2_ENHANCE_YOUR_CALM: return 8;  // RESOURCE_EXHAUSTED
        case NGHTTP2_INADEQUATE_SECURITY: return 7;
        default: return kInternal;
    }
}

int number_of(std::string_view digits, int otherwise) {
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != digits.npos) return otherwise;
    return std::stoi(std::string(digits));
}

Call* call_of(nghttp2_session* session, int32_t stream) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
}

ssize_t upload(nghttp2_session* session, int32_t stream, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source*, void*) {
    Call* call = call_of(session, stream);
    if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // it has ended meanwhile
    const size_t size = std::min(room, size_t(call->spec.size) - call->uploaded);
    memcpy(to, call->message() + call->uploaded, size);
    call->uploaded += size;
    if (call->uploaded == size_t(call->spec.size)) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return ssize_t(size);
}

}  // namespace

nghttp2_session_callbacks* Sender::callbacks() {
    nghttp2_session_callbacks* made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_header_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                 const uint8_t* value, size_t value_size, uint8_t, void* its) {
            if (Call* call = call_of(session, frame->hd.stream_id))
                static_cast<Sender*>(its)->header(*call, {(const char*)name, name_size}, {(const char*)value, value_size});
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* bytes, size_t size, void* its) {
            Call* call = call_of(session, stream);
            auto& self = *static_cast<Sender*>(its);
            if (call != nullptr && !self.data(*call, bytes, size))
                self.end_here(*call, End::answered, kInternal, "the reply is no message of its type");
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(made, [](nghttp2_session* session, const nghttp2_frame* frame, void*) {
        if (frame->hd.type == NGHTTP2_HEADERS)
            if (Call* call = call_of(session, frame->hd.stream_id)) call->is_on_wire = true;
        return 0;
    });
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, [](nghttp2_session* session, const nghttp2_frame* frame, void* its) {
        if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<Sender*>(its)->leave(session);
        return 0;
    });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session* session, int32_t stream, uint32_t error, void* its) {
            if (Call* call = call_of(session, stream)) static_cast<Sender*>(its)->closed(*call, error);
            return 0;
        });
    return made;
}

void Sender::leave(nghttp2_session* session) {
    for (const auto& each : slots_)
        if (each && each->session == session) each->is_leaving = true;
}

Connection* Sender::connection_for(int caller) {
    const size_t first = caller >= 0 ? size_t(caller) : turn_++;
    for (size_t step = 0; step < slots_.size(); ++step) {
        Connection* each = slots_[(first + step) % slots_.size()].get();
        if (each != nullptr && !each->is_over && !each->is_leaving) return each;
    }
    return nullptr;
}

Call& Sender::new_call() {
    if (free_.empty()) {
        calls_.push_back(std::make_unique<Call>());
        free_.push_back(calls_.back().get());
    }
    Call& call = *free_.back();
    free_.pop_back();
    return call;
}

// Send the request at the head of the queue; the caller of this takes it from there.
void Sender::send(int caller, double intended) {
    Call& call = new_call();
    call.spec = front();
    call.spec.intended = intended;
    call.block = queue_.front().bytes;
    call.route = &routes[size_t(call.spec.route)];
    call.caller = caller;
    call.sent = now();
    call.deadline_at = call.sent + call.route->deadline_seconds;
    call.cancel_at = call.sent + call.spec.cancel_after;
    if (const double at = std::min(call.deadline_at, call.cancel_at); at < INFINITY) timers_.insert({at, &call});
    add(progress.num_sent, 1);
    add(progress.outstanding, 1);
    if (progress.outstanding > progress.max_outstanding) progress.max_outstanding = progress.outstanding.load();
    if (!submit(call)) finish(call, End::answered, kUnavailable, last_failure_);
}

bool Sender::submit(Call& call) {
    call.values = call.route->initial;
    Connection* connection = connection_for(call.caller);
    if (connection == nullptr) return false;
    std::vector<nghttp2_nv> headers{header_of(":method", "POST"), header_of(":scheme", "http"),
                                    header_of(":path", call.route->path), header_of(":authority", authority_),
                                    header_of("content-type", "application/grpc"), header_of("te", "trailers"),
                                    header_of("user-agent", "tandem-load")};
    if (!call.route->timeout.empty()) headers.push_back(header_of("grpc-timeout", call.route->timeout));
    for (const auto& [name, value] : metadata) headers.push_back(header_of(name, value));
    nghttp2_data_provider body{{}, upload};
    call.stream = nghttp2_submit_request(connection->session, nullptr, headers.data(), headers.size(), &body, &call);
    if (call.stream < 0) return false;
    connection->add(&call);
    mark_dirty(*connection);
    return true;
}

void Sender::header(Call& call, std::string_view name, std::string_view value) {
    call.has_headers = true;
    if (name == ":status") call.http_status = number_of(value, 0);
    else if (name == "grpc-status") call.status = number_of(value, kUnknown);
    else if (name == "grpc-message") call.text = value.substr(0, kMaxTextBytes);
}

// False: what came is no sequence of messages of the type that is due.
bool Sender::data(Call& call, const uint8_t* bytes, size_t size) {
    call.reply.append(reinterpret_cast<const char*>(bytes), size);
    std::string_view rest = call.reply;
    while (rest.size() >= kPrefixBytes) {
        if (rest[0] != 0) return false;  // compressed, which no header of ours has allowed
        uint32_t message_size;
        memcpy(&message_size, rest.data() + 1, sizeof message_size);
        const size_t end = kPrefixBytes + ntohl(message_size);
        if (rest.size() < end) break;
        if (!take(call, rest.substr(kPrefixBytes, end - kPrefixBytes))) return false;
        rest.remove_prefix(end);
    }
    call.reply.erase(0, call.reply.size() - rest.size());
    return true;
}

// Take a message that has come. False: it is none.
bool Sender::take(Call& call, std::string_view message) {
    const double outputs_before = call.outputs();
    if (!FieldReader(call.values.data()).read(call.route->fields, message)) return false;
    ++call.num_messages;
    const double num_outputs = call.outputs() - outputs_before;
    if (num_outputs > 0 && isnan(call.first_output)) call.first_output = received_at_;
    if (call.route->is_streamed)
        seen.messages.push_back({call.spec.number, received_at_, int32_t(message.size()), int32_t(num_outputs)});
    if (call.route->is_kept) {
        auto& bytes = seen.kept_bytes;
        seen.kept.push_back({call.spec.number, int64_t(bytes.size()), int64_t(message.size()), call.num_messages - 1});
        bytes.insert(bytes.end(), message.begin(), message.end());
    }
    return true;
}

void Sender::closed(Call& call, uint32_t error) {
    const bool is_refused = !call.has_headers && error == NGHTTP2_REFUSED_STREAM;
    const int most = !call.is_on_wire ? kMaxUnsent : is_refused ? kMaxRefused : 0;
    if (call.num_retries < most) {  // the server has not looked at it: gRPC's transparent retries (gRFC A6)
        ++call.num_retries;
        call.connection->remove(&call);
        call.connection = nullptr;
        call.uploaded = 0;
        call.is_on_wire = false;
        if (!submit(call)) finish(call, End::answered, kUnavailable, last_failure_);
        return;
    }
    const bool is_whole = call.reply.empty() && (call.route->is_streamed || call.num_messages == 1);
    if (call.status == kOk && !is_whole) finish(call, End::answered, kInternal, "OK without a whole reply");
    else if (call.status >= 0) finish(call, End::answered, call.status > 16 ? kUnknown : call.status, call.text);
    else if (call.http_status != 0 && call.http_status != 200)
        finish(call, End::answered, status_of_http(call.http_status), "HTTP status " + std::to_string(call.http_status));
    else if (error != NGHTTP2_NO_ERROR)
        finish(call, End::answered, status_of_reset(error), std::string("reset: ") + nghttp2_http2_strerror(error));
    else finish(call, End::answered, kUnknown, "the reply ended without a status");
}

// End a request from this side.
void Sender::end_here(Call& call, End end, int code, const char* text) {
    nghttp2_session* session = call.connection->session;
    nghttp2_session_set_stream_user_data(session, call.stream, nullptr);
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL);
    mark_dirty(*call.connection);
    finish(call, end, code, text);
}
