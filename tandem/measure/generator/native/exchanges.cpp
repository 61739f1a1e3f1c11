// Requests and their replies: sent, read frame by frame, ended in exactly one way, recorded.

#include "sender.h"

#include <span>

namespace {

constexpr int max_unsent = 3, max_refused = 1;
constexpr size_t max_text_bytes = 1500, max_texts = 2000;
const std::string more_texts = "(more texts than are kept)";

// gRPC's status for a reply without one, by HTTP's status, as gRPC's documents say.
int status_of_http(int status) {
    switch (status) {
        case 400: return status_internal;
        case 401: return 16;  // UNAUTHENTICATED
        case 403: return 7;   // PERMISSION_DENIED
        case 404: return 12;  // UNIMPLEMENTED
        case 429:
        case 502:
        case 503:
        case 504: return status_unavailable;
        default: return status_unknown;
    }
}

int status_of_reset(uint32_t error) {
    switch (error) {
        case NGHTTP2_REFUSED_STREAM: return status_unavailable;
        case NGHTTP2_CANCEL: return status_cancelled;
        case NGHTTP2_ENHANCE_YOUR_CALM: return 8;  // RESOURCE_EXHAUSTED
        case NGHTTP2_INADEQUATE_SECURITY: return 7;
        default: return status_internal;
    }
}

int number_of(std::string_view digits, int otherwise) {
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != digits.npos) return otherwise;
    return std::stoi(std::string(digits));
}

ssize_t upload(nghttp2_session* session, int32_t stream, uint8_t* to, size_t room, uint32_t* flags,
               nghttp2_data_source*, void*) {
    Call* call = call_of<Call>(session, stream);
    if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // it has ended meanwhile
    const size_t size = std::min(room, size_t(call->spec.size) - call->uploaded);
    memcpy(to, call->message() + call->uploaded, size);
    call->uploaded += size;
    if (call->uploaded == size_t(call->spec.size)) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return ssize_t(size);
}

// Append a message to `kept`, but for the field at the end of a path of messages. False: it is no message.
bool keep_without(std::span<const uint32_t> path, std::string_view message, std::string& kept) {
    while (!message.empty()) {
        const std::string_view from = message;
        ProtobufField field;
        if (!take_field(message, field)) return false;
        if (field.wire_type() != 2 || field.number() != path[0]) {
            kept.append(from.substr(0, from.size() - message.size()));
        } else if (path.size() > 1) {
            std::string inner;
            if (!keep_without(path.subspan(1), field.content, inner)) return false;
            append_varint(kept, field.tag);
            append_varint(kept, inner.size());
            kept.append(inner);
        }
    }
    return true;
}

}  // namespace

void Sender::frame(Connection& connection, const nghttp2_frame& frame, Call*) {
    if (frame.hd.type == NGHTTP2_GOAWAY) connection.is_leaving = true;
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
    if (!submit(call)) finish(call, End::answered, status_unavailable, last_failure_);
}

bool Sender::submit(Call& call) {
    Connection* connection = connection_for(call.caller);
    if (connection == nullptr) return false;
    std::vector<nghttp2_nv> headers{field(":method", "POST"),
                                    field(":scheme", "http"),
                                    field(":path", call.route->path),
                                    field(":authority", authority_),
                                    field("content-type", "application/grpc"),
                                    field("te", "trailers"),
                                    field("user-agent", "tandem-load")};
    if (!call.route->timeout.empty()) headers.push_back(field("grpc-timeout", call.route->timeout));
    for (const auto& [name, value] : metadata) headers.push_back(field(name, value));
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
    else if (name == "grpc-status") call.status = number_of(value, status_unknown);
    else if (name == "grpc-message") call.text = value.substr(0, max_text_bytes);
}

void Sender::data(Call& call, std::string_view bytes) {
    if (!take_all(call, bytes)) end_here(call, End::answered, status_internal, "the reply is no message of its type");
}

// False: what came is no sequence of messages.
bool Sender::take_all(Call& call, std::string_view bytes) {
    call.reply.append(bytes);
    std::string_view rest = call.reply;
    while (rest.size() >= prefix_bytes) {
        if (rest[0] != 0) return false;  // compressed, which no header of ours has allowed
        const size_t end = prefix_bytes + size_of_framed(rest);
        if (rest.size() < end) break;
        take(call, rest.substr(prefix_bytes, end - prefix_bytes));
        rest.remove_prefix(end);
    }
    call.reply.erase(0, call.reply.size() - rest.size());
    return true;
}

void Sender::take(Call& call, std::string_view message) {
    ++call.num_messages;
    std::string shorter;
    const Route& route = *call.route;
    if (!route.is_kept) message = {};
    else if (!route.bulk.empty() && keep_without(route.bulk, message, shorter)) message = shorter;
    seen.messages.push_back({call.spec.number, received_at_, int64_t(message.size())});
    seen.message_bytes.insert(seen.message_bytes.end(), message.begin(), message.end());
}

void Sender::closed(Call& call, uint32_t error) {
    const bool is_refused = !call.has_headers && error == NGHTTP2_REFUSED_STREAM;
    const int most = !call.is_on_wire ? max_unsent : is_refused ? max_refused : 0;
    if (call.num_retries < most) {  // the server has not looked at it: gRPC's transparent retries (gRFC A6)
        ++call.num_retries;
        call.connection->remove(&call);
        call.connection = nullptr;
        call.uploaded = 0;
        call.is_on_wire = false;
        if (!submit(call)) finish(call, End::answered, status_unavailable, last_failure_);
        return;
    }
    const bool is_whole = call.reply.empty() && (call.route->is_streamed || call.num_messages == 1);
    if (call.status == status_ok && !is_whole) finish(call, End::answered, status_internal, "OK without a whole reply");
    else if (call.status >= 0) finish(call, End::answered, call.status > 16 ? status_unknown : call.status, call.text);
    else if (call.http_status != 0 && call.http_status != 200)
        finish(call, End::answered, status_of_http(call.http_status),
               "HTTP status " + std::to_string(call.http_status));
    else if (error != NGHTTP2_NO_ERROR)
        finish(call, End::answered, status_of_reset(error), std::string("reset: ") + nghttp2_http2_strerror(error));
    else finish(call, End::answered, status_unknown, "the reply ended without a status");
}

// End a request from this side.
void Sender::end_here(Call& call, End end, int code, const char* text) {
    nghttp2_session* session = call.connection->session;
    nghttp2_session_set_stream_user_data(session, call.stream, nullptr);
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL);
    mark_dirty(*call.connection);
    finish(call, end, code, text);
}

void Sender::finish(Call& call, End end, int code, const std::string& text) {
    if (const double at = std::min(call.deadline_at, call.cancel_at); at < INFINITY) timers_.erase({at, &call});
    if (call.connection != nullptr) call.connection->remove(&call);
    const double ended = end == End::answered && call.has_headers ? received_at_ : now();
    seen.rows.push_back({call.spec.number, call.spec.intended, call.sent, ended, call.spec.route, code, int32_t(end),
                         call.spec.length, code == status_ok ? -1 : text_number(text)});
    count(end, code);
    follow(call.spec.number, ended);
    if (call.caller >= 0) {
        if (code == status_ok) hungry_.push_back({call.caller, now()});
        else sleeping_.insert({now() + load_.pause_seconds, call.caller});
    }
    call.clear();
    free_.push_back(&call);
}

int Sender::text_number(const std::string& text) {
    if (const auto found = text_numbers_.find(text); found != text_numbers_.end()) return found->second;
    const size_t number = text_numbers_.size();
    if (number >= max_texts && text != more_texts) return text_number(more_texts);
    seen.texts.append(text.c_str(), text.size() + 1);
    return text_numbers_[text] = int(number);
}

void Sender::count(End end, int code) {
    add(progress.outstanding, -1);
    if (end == End::cancelled) add(progress.cancelled, 1);
    else if (end == End::cut_off) add(progress.unfinished, 1);
    else if (code == status_ok) add(progress.ok, 1);
    else if (code == status_deadline_exceeded) add(progress.deadline, 1);
    else add(progress.error, 1);
    if (code == status_unavailable) return add(progress.unavailable_in_a_row, 1);
    progress.unavailable_in_a_row = 0;
    progress.answered_at = now();
}
