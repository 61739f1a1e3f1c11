// The thread: requests as they come, messages as they are due, and what is recorded of both.

#include "server.h"

#include <poll.h>
#include <sched.h>

Server::Server(int listener, const Law& law, std::vector<double> firsts, std::vector<double> gaps,
               std::vector<uint8_t> fails)
    : law_(law),
      firsts_(std::move(firsts)),
      gaps_(std::move(gaps)),
      fails_(std::move(fails)),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      callbacks_(new_callbacks<Connection, Exchange>()) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks_, [](nghttp2_session* session, const nghttp2_frame* frame, void* its) {
            auto& connection = *static_cast<Connection*>(its);
            if (nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) != nullptr) return 0;  // trailers
            auto& exchange = connection.exchanges[frame->hd.stream_id] = std::make_unique<Exchange>();
            exchange->connection = &connection;
            exchange->stream = frame->hd.stream_id;
            nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange.get());
            return 0;
        });
    watch(epoll_, listener_, EPOLLIN, this);
    watch(epoll_, bell_.fd, EPOLLIN, nullptr);
}

Server::~Server() {
    stop();
    connections_.clear();
    nghttp2_session_callbacks_del(callbacks_);
    close(epoll_);
}

void Server::start() {
    thread_ = std::thread([this] { run(); });
}

void Server::stop() {
    is_stopped_ = true;
    bell_.ring();
    if (!thread_.joinable()) return;
    thread_.join();
    for (const auto& [_, connection] : connections_) lose(*connection, Ending::unfinished);
    connections_.clear();
}

// End what is under way on a connection.
void Server::lose(Connection& connection, Ending ending) {
    for (const auto& [_, exchange] : connection.exchanges)
        if (!exchange->is_over) end(*exchange, ending, now());
}

void Server::run() {
    prctl(PR_SET_TIMERSLACK, 1UL);  // to the nanosecond, not to 50 us
    const sched_param lowest{1};
    sched_setscheduler(0, SCHED_RR, &lowest);  // where the system allows it
    for (pollfd ready{epoll_, POLLIN, 0}; !is_stopped_;) {
        const double seconds = due_.empty() ? 1 : std::max(0.0, due_.begin()->first - now());
        const timespec wait{time_t(seconds), long((seconds - double(time_t(seconds))) * 1e9)};
        ppoll(&ready, 1, &wait, nullptr);
        epoll_event events[64];
        for (int place = 0, count = epoll_wait(epoll_, events, 64, 0); place < count; ++place) {
            void* of = events[place].data.ptr;
            if (of == this) accept_all();
            else if (of != nullptr) receive(*static_cast<Connection*>(of));
        }
        while (!due_.empty() && due_.begin()->first <= now()) advance(*due_.extract(due_.begin()).value().second);
        for (auto each = connections_.begin(); each != connections_.end();) {
            Connection& connection = *each->second;
            if (!connection.input.empty() && !connection.is_last) take_http1(connection);  // of requests sent ahead
            if (connection.is_over) lose(connection, Ending::cancelled);
            each = connection.is_over ? connections_.erase(each) : std::next(each);
        }
    }
}

void Server::accept_all() {
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        connections_[fd] = std::make_unique<Connection>(epoll_, fd, *this);
}

void Server::receive(Connection& connection) {
    static thread_local char buffer[256 << 10];
    const ssize_t size = receive_noted(connection.fd, buffer, sizeof buffer, connection.arrived);
    if (size > 0) {
        const std::string_view bytes(buffer, size_t(size));
        if (connection.session != nullptr) return take_http2(connection, bytes);
        connection.input.append(bytes);
        if (connection.is_http1 || connection.input.compare(0, 4, "PRI ") != 0) return take_http1(connection);
        return take_http2(connection, std::exchange(connection.input, ""));
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return flush(connection);
    connection.is_over = true;
}

// A request has come whole.
void Server::begin(Exchange& exchange, std::string_view message) {
    exchange.has_begun = true;
    exchange.row.arrived = exchange.connection->arrived;
    exchange.row.first = exchange.row.ended = NAN;
    const auto found = replies.find(exchange.path);
    if (found == replies.end()) return refuse(exchange, 404, 12, "no such path");
    exchange.is_streamed = found->second.size() == 1 ? found->second.begin()->first : is_true_in(message, "stream");
    exchange.reply = &found->second.at(exchange.is_streamed);
    if (exchange.reply->mode == Mode::at_once || exchange.reply->mode == Mode::left_open) {
        const std::string piece = filled(exchange, exchange.reply->piece, 0);
        exchange.is_over = exchange.reply->mode == Mode::at_once;
        if (exchange.connection->is_http1) return respond_http1(exchange, piece);
        return respond_grpc(exchange, framed(piece), exchange.is_over);
    }
    const Reply& reply = *exchange.reply;
    const int64_t asked = reply.count_at.empty() ? number_in(message, "max_tokens",
                                                             number_in(message, "max_completion_tokens", law_.tokens))
                                                 : number_at(message, reply.count_at, law_.tokens);
    exchange.count = exchange.left = std::clamp<int64_t>(asked, 1, 1 << 20);
    exchange.num_words = words_in(message);
    exchange.wants_usage = is_true_in(message, "include_usage");
    exchange.row.number = num_begun_++;
    exchange.fails = fails_[size_t(exchange.row.number) % fails_.size()] != 0;
    if (exchange.row.number == 0) first_arrival_ = exchange.row.arrived;
    if (law_.slots > 0 && num_running_ == law_.slots) return waiting_.push_back(&exchange);
    start(exchange, exchange.row.arrived);
}

void Server::start(Exchange& exchange, double at) {
    ++num_running_;
    exchange.has_slot = true;
    exchange.due = at + firsts_[size_t(exchange.row.number) % firsts_.size()];
    if (!exchange.is_streamed)
        for (int64_t rest = exchange.count - 1; rest > 0; --rest) exchange.due += gaps_[num_gaps_++ % gaps_.size()];
    exchange.due = held(exchange.due);
    exchange.row.due = exchange.due;
    due_.insert({exchange.due, &exchange});
    // As most servers do, the head goes ahead of the first token.
    if (exchange.connection->is_http1 && exchange.is_streamed && !exchange.fails) respond_http1(exchange, "");
}

// Nothing goes out while the server stands still.
double Server::held(double due) const {
    const double from = first_arrival_ + law_.stall_at, until = from + law_.stall_seconds;
    return due >= from && due < until ? until : due;
}

// The exchange's next message is due.
void Server::advance(Exchange& exchange) {
    if (exchange.fails) {
        end(exchange, Ending::failed, now());
        return refuse(exchange, 503, 14, "the law wants this request to fail");
    }
    --exchange.left;
    const bool is_http1 = exchange.connection->is_http1, is_over = !exchange.is_streamed || exchange.left == 0;
    const double due = exchange.due;
    if (!is_over) {
        exchange.due = held(due + gaps_[num_gaps_++ % gaps_.size()]);
        due_.insert({exchange.due, &exchange});
    }
    const std::string bytes = exchange.is_streamed ? piece_of(exchange, now()) : whole_of(exchange, now());
    const RequestRow row = exchange.row;
    Connection& connection = *exchange.connection;
    ++exchange.row.num_messages;
    if (is_over) end(exchange, Ending::answered, NAN);
    if (is_http1) respond_http1(exchange, bytes);
    else respond_grpc(exchange, bytes, is_over);
    // `exchange` may be no more.
    RequestRow& noted = is_over ? requests.back() : exchange.row;
    messages.push_back({row.number, connection.sent_at});
    if (row.num_messages == 0) noted.first = connection.sent_at;
    if (is_over) noted.ended = connection.sent_at, ++num_ended, free_slot(due);
}

void Server::end(Exchange& exchange, Ending ending, double at) {
    exchange.is_over = true;
    if (exchange.reply == nullptr || exchange.count == 0) return;  // none that is timed
    due_.erase({exchange.due, &exchange});
    std::erase(waiting_, &exchange);
    exchange.row.ended = at;
    exchange.row.ending = int64_t(ending);
    requests.push_back(exchange.row);
    if (ending == Ending::answered) return;
    ++num_ended;
    if (exchange.has_slot) free_slot(at);
}

void Server::free_slot(double at) {
    --num_running_;
    if (waiting_.empty()) return;
    Exchange& next = *waiting_.front();
    waiting_.pop_front();
    start(next, std::max(at, next.row.arrived));
}

extern "C" {

void* tandem_truth_open(int listener, const Law* law, double* firsts, double* gaps, uint8_t* fails, uint64_t count) {
    return new Server(listener, *law, {firsts, firsts + count}, {gaps, gaps + count}, {fails, fails + count});
}

void tandem_truth_reply(void* server, const char* path, int is_streamed, int mode, int is_nested, uint32_t* count_at,
                        uint64_t depth, const char* parts, uint64_t* sizes) {
    Reply& reply = static_cast<Server*>(server)->replies[path][is_streamed != 0];
    reply = {Mode(mode), {count_at, count_at + depth}, "", "", "", "", "", is_nested != 0};
    for (std::string* each : {&reply.head, &reply.piece, &reply.last, &reply.usage, &reply.done}) {
        each->assign(parts, *sizes);
        parts += *sizes++;
    }
}

void tandem_truth_start(void* server) { static_cast<Server*>(server)->start(); }
void tandem_truth_stop(void* server) { static_cast<Server*>(server)->stop(); }
void tandem_truth_close(void* server) { delete static_cast<Server*>(server); }
int64_t tandem_truth_ended(void* server) { return static_cast<Server*>(server)->num_ended; }

// The record of a server that has stopped; see `copied`.
uint64_t tandem_truth_requests(void* server, void* to) { return copied(static_cast<Server*>(server)->requests, to); }
uint64_t tandem_truth_messages(void* server, void* to) { return copied(static_cast<Server*>(server)->messages, to); }
}
