// A load client that is never the limit: gRPC's framing over plain HTTP/2, one thread, about 15 us of CPU a request.
//
//   load PORT PATH REQUESTS ROWS REPLIES CONNECTIONS CALLERS COUNT SECONDS DRAIN_SECONDS SCHEDULE NICE TIMEOUT
//
// Closed loop (SCHEDULE is "-"): CALLERS callers, each with one request at a time, until COUNT requests were sent or
// SECONDS have passed. Open loop: one request at each of the times in SCHEDULE, whatever the server does (CALLERS is
// not used). Requests take turns on the CONNECTIONS to 127.0.0.1:PORT and among the messages of REQUESTS.
// What has not ended DRAIN_SECONDS after the last was sent is given up. The client asks for the niceness NICE: a negative
// one lets it look at its clock at once when others want the processor, too; where that is not allowed, it stays as it is.
// TIMEOUT: the deadline of each request, as the header grpc-timeout has it; "-": none.
//
// REQUESTS: gRPC messages with their 5-byte prefixes. SCHEDULE: doubles, seconds from the start, ascending.
// ROWS: a `Row` for each request, in the order in which they ended. REPLIES ("-": not kept): the replies' messages with
// their prefixes, in the same order. Standard output: one JSON object with the client's own cost.

#include "http2.h"
#include "plan.h"

#include <deque>
#include <memory>

struct Call {
    Row row;
    const std::string* message;
    size_t uploaded = 0, left = 0, have = 0;  // `left`: of a reply's message; `have`: of a prefix
    uint8_t prefix[5];
    std::string reply;
    Connection* connection;
};

class Client {
public:
    explicit Client(Plan plan) : plan_(std::move(plan)), epoll_(epoll_create1(0)), timer_(epoll_) {
        nghttp2_session_callbacks_new(&callbacks_);
        nghttp2_session_callbacks_set_on_header_callback(callbacks_, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks_, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks_, on_close);
        for (size_t index = 0; index < plan_.connections; ++index) connect();
    }

    void run() {
        begin_ = now();
        if (!plan_.is_open)
            for (size_t caller = 0; caller < plan_.callers; ++caller) send(*connections_[caller % plan_.connections], now());
        flush();
        arm();
        while (!is_done()) {
            epoll_event events[64];
            const int ready = epoll_wait(epoll_, events, 64, -1);
            for (int index = 0; index < ready; ++index) take(static_cast<Connection*>(events[index].data.ptr));
            if (plan_.is_open) send_due();
            flush();
        }
    }

    void write(const char* rows_path, const char* replies_path) {
        for (auto& call : calls_)
            if (!call->has_ended) rows_.push_back(call->row);
        report(plan_, rows_, replies_, sent_, rows_path, replies_path);
    }

private:
    struct Tracked : Call {
        bool has_ended = false;
    };

    void connect() {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        const sockaddr_in address = loopback(plan_.port);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            fail("cannot connect to port " + std::to_string(plan_.port) + ": " + strerror(errno));
        connections_.push_back(std::make_unique<Connection>(fd, epoll_));
        nghttp2_session_client_new(&connections_.back()->session, callbacks_, this);
        connections_.back()->begin();
    }

    double end() const { return plan_.is_open ? begin_ + plan_.schedule.back() : begin_ + plan_.seconds; }
    bool has_sent_all() const { return sent_ >= plan_.count || (!plan_.is_open && now() >= end()); }
    bool is_done() const {
        return (has_sent_all() && ended_ == sent_) || now() >= end() + plan_.drain_seconds;
    }

    void arm() {  // wake up for the next request to send, or else to look whether all is over
        timer_.set(plan_.is_open && sent_ < plan_.count ? begin_ + plan_.schedule[sent_] : end() + plan_.drain_seconds);
    }

    void take(Connection* connection) {
        if (connection == nullptr) {
            timer_.clear();
            arm();
        } else if (!connection->receive()) {
            fail("the server ended a connection");
        } else {
            written_.push_back(connection);
        }
    }

    void send_due() {
        bool has_sent = false;
        for (; sent_ < plan_.count && begin_ + plan_.schedule[sent_] <= now(); has_sent = true)
            send(*connections_[sent_ % plan_.connections], begin_ + plan_.schedule[sent_]);
        if (has_sent) arm();
    }

    void send(Connection& connection, double intended) {
        if (has_sent_all()) return;
        auto call = std::make_unique<Tracked>();
        call->message = &plan_.messages[sent_++ % plan_.messages.size()];
        call->connection = &connection;
        call->row.intended = intended;
        call->row.sent = now();
        const std::string authority = "127.0.0.1", type = "application/grpc", post = "POST", http = "http", te = "trailers";
        const nghttp2_nv headers[] = {header(":method", post), header(":scheme", http), header(":path", plan_.path),
                                      header(":authority", authority), header("content-type", type), header("te", te),
                                      header("grpc-timeout", plan_.timeout)};
        nghttp2_data_provider body{{}, upload};
        body.source.ptr = call.get();
        if (nghttp2_submit_request(connection.session, nullptr, headers, plan_.timeout.empty() ? 6 : 7, &body, call.get()) < 0)
            fail("a request cannot be sent");
        calls_.push_back(std::move(call));
        written_.push_back(&connection);
    }

    void flush() {
        for (Connection* connection : written_)
            if (!connection->flush()) fail("the server ended a connection");
        written_.clear();
    }

    void finish(Tracked& call) {
        call.row.ended = now();
        call.has_ended = true;
        rows_.push_back(call.row);
        replies_ += call.reply;
        ++ended_;
        if (!plan_.is_open) send(*call.connection, now());
        while (!calls_.empty() && calls_.front()->has_ended) calls_.pop_front();
    }

    static ssize_t upload(nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source* source, void*) {
        auto& call = *static_cast<Tracked*>(source->ptr);
        const size_t size = std::min(room, call.message->size() - call.uploaded);
        memcpy(to, call.message->data() + call.uploaded, size);
        call.uploaded += size;
        if (call.uploaded == call.message->size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return size;
    }

    static Tracked* of(nghttp2_session* session, int32_t stream) {
        return static_cast<Tracked*>(nghttp2_session_get_stream_user_data(session, stream));
    }

    static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                         const uint8_t* value, size_t value_size, uint8_t, void*) {
        if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
            of(session, frame->hd.stream_id)->row.status = atoi(std::string(value, value + value_size).c_str());
        return 0;
    }

    static int on_data(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* self) {
        Tracked& call = *of(session, stream);
        if (static_cast<Client*>(self)->plan_.keeps_replies) call.reply.append(reinterpret_cast<const char*>(data), size);
        if (isnan(call.row.first_message)) call.row.first_message = now();
        while (size > 0) {  // count messages by their prefixes
            const size_t step = call.left > 0 ? std::min(size, call.left) : 1;
            if (call.left > 0) {
                call.left -= step;
            } else if ((call.prefix[call.have++] = *data, call.have) == 5) {
                call.left = size_t{call.prefix[1]} << 24 | call.prefix[2] << 16 | call.prefix[3] << 8 | call.prefix[4];
                call.have = 0;
                ++call.row.messages;
            }
            data += step;
            size -= step;
        }
        return 0;
    }

    static int on_close(nghttp2_session* session, int32_t stream, uint32_t, void* self) {
        static_cast<Client*>(self)->finish(*of(session, stream));
        return 0;
    }

    Plan plan_;
    int epoll_;
    Timer timer_;
    nghttp2_session_callbacks* callbacks_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<Connection*> written_;
    std::deque<std::unique_ptr<Tracked>> calls_;
    std::vector<Row> rows_;
    std::string replies_;
    size_t sent_ = 0, ended_ = 0;
    double begin_ = 0;
};

int main(int count, char** words) {
    Plan plan = plan_of(count, words, "load.cpp");
    Client client(std::move(plan));
    client.run();
    client.write(words[4], words[5]);
}
