// gRPC over HTTP/2, and HTTP/1.1: requests read, replies framed. JSON is searched, not parsed.

#include "server.h"

// What stands in replies for the number of tokens or of the prompt's words, and for the seconds since the request came:
// as text, and, of the same size as what takes its place, in protobuf and in tensors.
static const std::string_view count_text = "@TOKENS@", words_text = "@WORDS@", count_varint = "\xff\xff\xff\xff\x07",
                              count_raw = "@TK@", seconds_raw = "@SECONDS";

static size_t value_after(std::string_view text, std::string_view key, size_t from = 0) {
    const std::string quoted = '"' + std::string(key) + '"';
    const size_t at = text.find(quoted, from);
    return at == text.npos ? at : text.find_first_not_of(" :", at + quoted.size());
}

int64_t number_in(std::string_view text, std::string_view key, int64_t otherwise) {
    const size_t at = value_after(text, key);
    if (at == text.npos || text[at] < '0' || text[at] > '9') return otherwise;
    return strtoll(std::string(text.substr(at, 18)).c_str(), nullptr, 10);
}

bool is_true_in(std::string_view text, std::string_view key) {
    const size_t at = value_after(text, key);
    return at != text.npos && text.substr(at, 4) == "true";
}

// The words of the prompt, or of all messages of a chat.
int64_t words_in(std::string_view text) {
    int64_t count = 0;
    for (const std::string_view key : {"prompt", "content"})
        for (size_t at = 0; (at = value_after(text, key, at)) != text.npos;) {
            if (text[at] != '"') continue;
            for (bool is_within = false; ++at < text.size() && text[at] != '"'; at += text[at] == '\\') {
                const bool is_space = text[at] == ' ';
                count += !is_space && !is_within;
                is_within = !is_space;
            }
        }
    return count;
}

// The number at a path of fields of a protobuf message.
int64_t number_at(std::string_view message, const std::vector<uint32_t>& path, int64_t otherwise) {
    size_t depth = 0;
    for (ProtobufField field; take_field(message, field);) {
        if (field.number() != path[depth]) continue;
        const bool is_last = depth + 1 == path.size();
        if (is_last && field.wire_type() == 0) return int64_t(field.value);
        if (!is_last && field.wire_type() == 2) message = field.content, ++depth;
    }
    return otherwise;
}

static void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += by.size()) text.replace(at, what.size(), by);
}

std::string Server::filled(const Exchange& exchange, std::string_view text, double at) const {
    std::string found(text);
    replace_all(found, count_text, std::to_string(exchange.count));
    replace_all(found, words_text, std::to_string(exchange.num_words));
    const uint32_t count = uint32_t(exchange.count);
    replace_all(found, count_raw, {reinterpret_cast<const char*>(&count), sizeof count});
    char padded[5];
    for (int place = 0; place < 5; ++place) padded[place] = char((count >> 7 * place & 0x7f) | (place < 4 ? 0x80 : 0));
    replace_all(found, count_varint, {padded, sizeof padded});
    const double seconds = at - exchange.row.arrived;
    replace_all(found, seconds_raw, {reinterpret_cast<const char*>(&seconds), sizeof seconds});
    return found;
}

static std::string chunk(const std::string& bytes) {
    char size[24];
    return bytes.empty()
               ? ""
               : std::string(size, size_t(snprintf(size, sizeof size, "%zx\r\n", bytes.size()))) + bytes + "\r\n";
}

std::string Server::piece_of(const Exchange& exchange, double at) const {
    const Reply& reply = *exchange.reply;
    if (!exchange.connection->is_http1)
        return framed(filled(exchange, exchange.left > 0 ? reply.piece : reply.last, at));
    std::string events = exchange.left + 1 == exchange.count ? reply.head + reply.piece : reply.piece;
    if (exchange.left == 0) events += reply.last + (exchange.wants_usage ? reply.usage : "") + reply.done;
    return filled(exchange, events, at);
}

std::string Server::whole_of(const Exchange& exchange, double at) const {
    const Reply& reply = *exchange.reply;
    std::string bytes = reply.head;
    for (int64_t token = 0; token < exchange.count; ++token) bytes += reply.piece;
    if (reply.is_nested) {
        std::string tag(1, '\x0a');
        append_varint(tag, bytes.size());
        bytes = tag + bytes;
    }
    bytes = filled(exchange, bytes + reply.last, at);
    return exchange.connection->is_http1 ? bytes : framed(bytes);
}

void Server::take_http1(Connection& connection) {
    connection.is_http1 = true;
    while (connection.exchanges.empty() && !connection.is_over) {
        const size_t end = connection.input.find("\r\n\r\n");
        if (end == std::string::npos) return;
        const std::string head = connection.input.substr(0, end);
        const char* length = strcasestr(head.c_str(), "\r\ncontent-length:");
        const size_t size = length == nullptr ? 0 : strtoull(length + 17, nullptr, 10), whole = end + 4 + size;
        if (connection.input.size() < whole) return;
        const std::string body = connection.input.substr(end + 4, size);
        connection.input.erase(0, whole);
        connection.is_last = strcasestr(head.c_str(), "\r\nconnection: close") != nullptr;
        Exchange& exchange = *(connection.exchanges[0] = std::make_unique<Exchange>());
        exchange.connection = &connection;
        const size_t from = head.find(' ') + 1;
        exchange.path = head.substr(from, head.find_first_of(" ?", from) - from);
        begin(exchange, body);
    }
}

// Send the next events, or the whole of a reply; the exchange is no more once it is over.
void Server::respond_http1(Exchange& exchange, const std::string& bytes) {
    Connection& connection = *exchange.connection;
    const bool is_events = exchange.is_streamed;
    std::string& output = connection.output;
    if (!exchange.has_head) {
        output += "HTTP/1.1 200 OK\r\ncontent-type: ";
        output += is_events ? "text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                            : "application/json\r\ncontent-length: " + std::to_string(bytes.size()) + "\r\n\r\n";
        exchange.has_head = true;
    }
    output += is_events ? chunk(bytes) + (exchange.is_over ? "0\r\n\r\n" : "") : bytes;
    const bool is_over = exchange.is_over;
    flush(connection);
    if (!is_over) return;
    connection.exchanges.clear();
    if (connection.is_last) shutdown(connection.fd, SHUT_WR);
}

void Server::take_http2(Connection& connection, std::string_view bytes) {
    if (connection.session == nullptr) {
        nghttp2_session_server_new(&connection.session, callbacks_, &connection);
        const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100000},
                                                   {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4 << 20}};
        nghttp2_submit_settings(connection.session, NGHTTP2_FLAG_NONE, settings, 2);
        nghttp2_session_set_local_window_size(connection.session, NGHTTP2_FLAG_NONE, 0, 64 << 20);
    }
    const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
    connection.is_reading = true;  // within which nghttp2 does not send
    connection.is_over |= nghttp2_session_mem_recv(connection.session, from, bytes.size()) < 0;
    connection.is_reading = false;
    flush(connection);
}

void Server::header(Exchange& exchange, std::string_view name, std::string_view value) {
    if (name == ":path") exchange.path = value;
}

void Server::frame(Connection& connection, const nghttp2_frame& frame, Exchange* exchange) {
    if (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA) {
        if (exchange == nullptr || exchange->has_begun) return;
        const bool is_whole = exchange->input.size() >= prefix_bytes &&
                              exchange->input.size() >= prefix_bytes + size_of_framed(exchange->input);
        if (!is_whole && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
        begin(*exchange, is_whole ? std::string_view(exchange->input).substr(prefix_bytes) : "");
    }
}

void Server::closed(Exchange& exchange, uint32_t) {
    if (!exchange.is_over) end(exchange, Ending::cancelled, now());
    exchange.connection->exchanges.erase(exchange.stream);
}

void Server::respond_grpc(Exchange& exchange, std::string_view messages, bool is_over) {
    nghttp2_session* session = exchange.connection->session;
    exchange.output.append(messages);
    exchange.is_over = is_over;
    if (exchange.has_head) {
        if (std::exchange(exchange.is_deferred, false)) nghttp2_session_resume_data(session, exchange.stream);
    } else {
        exchange.has_head = true;
        const nghttp2_nv headers[] = {field(":status", "200"), field("content-type", "application/grpc")};
        nghttp2_data_provider body{};
        body.source.ptr = &exchange;
        body.read_callback = [](nghttp2_session* its, int32_t stream, uint8_t* to, size_t room, uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
            Exchange& of = *static_cast<Exchange*>(source->ptr);
            const size_t size = std::min(room, of.output.size() - of.taken);
            if (size == 0 && !of.is_over) return of.is_deferred = true, NGHTTP2_ERR_DEFERRED;
            memcpy(to, of.output.data() + of.taken, size);
            of.taken += size;
            if (of.taken == of.output.size()) {
                of.output.clear();
                of.taken = 0;
                if (of.is_over) {
                    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
                    const nghttp2_nv trailers[] = {field("grpc-status", "0")};
                    nghttp2_submit_trailer(its, stream, trailers, 1);
                }
            }
            return ssize_t(size);
        };
        nghttp2_submit_response(session, exchange.stream, headers, 2, &body);
    }
    flush(*exchange.connection);
}

void Server::refuse(Exchange& exchange, int http_status, int grpc_status, const char* text) {
    exchange.is_over = true;
    if (exchange.connection->is_http1) {
        const std::string body = std::string(R"({"error": {"message": ")") + text + R"(", "type": "error"}})";
        exchange.connection->output +=
            "HTTP/1.1 " + std::to_string(http_status) +
            " Refused\r\ncontent-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n";
        exchange.has_head = true;
        exchange.is_streamed = false;
        return respond_http1(exchange, body);
    }
    const std::string status = std::to_string(grpc_status);
    const nghttp2_nv headers[] = {field(":status", "200"), field("content-type", "application/grpc"),
                                  field("grpc-status", status), field("grpc-message", text)};
    nghttp2_submit_response(exchange.connection->session, exchange.stream, headers, 4, nullptr);
    flush(*exchange.connection);
}

// Hand all that is to go to the kernel, as far as it takes it.
void Server::flush(Connection& connection) {
    if (connection.is_over || connection.is_reading) return;
    if (connection.session != nullptr) {
        connection.is_over |= !connection.write() || !connection.is_in_use();
    } else if (!connection.output.empty()) {
        connection.sent_at = now();
        const ssize_t size =
            send(connection.fd, connection.output.data(), connection.output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN) connection.is_over = true;
        if (size > 0) connection.output.erase(0, size_t(size));
        epoll_event event{connection.output.empty() ? uint32_t{EPOLLIN} : EPOLLIN | EPOLLOUT, {&connection}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
    }
}
