// A backend without a model that is never the limit: ready-made gRPC replies over plain HTTP/2, at once or paced.
//
//   backend PLAN
//
// Prints its port on 127.0.0.1 and serves until it is ended, or its standard input is. PLAN has a line for each RPC:
//
//   PATH TRAILER COUNT PER_SECOND DELAYS STALL MESSAGE
//
// A call of PATH gets COUNT times MESSAGE (in hexadecimal; "-": an empty one), PER_SECOND messages a second (0: all at
// once), and in its trailers grpc-status 0 and, unless it is "-", TRAILER as
// tandem-served-bin. Any other path is UNIMPLEMENTED. The first message comes at once ("-") or after a delay: of DELAYS,
// seconds with commas between, each call takes the next one, over and over. STALL is PERIOD:SECONDS ("-": none): from the
// first call on, PATH answers nothing for SECONDS at the start of each PERIOD, and delays count from the end of that.

#include "http2.h"

#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <vector>

struct Reply {
    std::string trailer, message;
    long count;
    double interval;
    std::vector<double> delays;
    double period, stall;
    size_t num_calls = 0;
    double began_at = 0;

    double begins(double at) {  // when the answer to a call that arrives now begins
        if (num_calls == 0) began_at = at;
        if (period > 0) at += std::max(0.0, stall - std::fmod(at - began_at, period));
        const size_t call = num_calls++;
        return delays.empty() ? at : at + delays[call % delays.size()];
    }
};

class Backend;
struct Peer;

struct Stream {
    Peer* peer;
    int32_t id;
    std::string path = "";
    Reply* reply = nullptr;
    long left = 0;           // messages that are not due yet
    std::string ready = "";  // due, not taken by nghttp2 yet
    double next_due = 0;
};

struct Peer : Connection {
    Peer(int fd, int epoll, Backend* its) : Connection(fd, epoll), backend(its) {}
    Backend* backend;
    std::map<int32_t, Stream> streams;
};

class Backend {
public:
    explicit Backend(std::map<std::string, Reply> replies) : replies_(std::move(replies)), epoll_(epoll_create1(0)), timer_(epoll_) {
        nghttp2_session_callbacks_new(&callbacks_);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks_, on_begin);
        nghttp2_session_callbacks_set_on_header_callback(callbacks_, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks_, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks_, on_close);
        listen();
    }

    void run() {
        for (;;) {
            epoll_event events[64];
            const int ready = epoll_wait(epoll_, events, 64, -1);
            for (int index = 0; index < ready; ++index) {
                void* of = events[index].data.ptr;
                if (of == &listener_) accept();
                else if (of == &input_) return;
                else if (of == nullptr) timer_.clear();
                else if (!static_cast<Peer*>(of)->receive()) drop(static_cast<Peer*>(of));
                else written_.insert(static_cast<Peer*>(of));
            }
            make_due();
            flush();
        }
    }

private:
    void listen() {
        listener_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 512) != 0)
            fail(std::string("cannot listen: ") + strerror(errno));
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        epoll_event incoming{EPOLLIN, {&listener_}}, ended{EPOLLIN, {&input_}};
        epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &incoming);
        epoll_ctl(epoll_, EPOLL_CTL_ADD, input_, &ended);
        printf("%d\n", ntohs(address.sin_port));
        fflush(stdout);
    }

    void accept() {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        auto* peer = new Peer(fd, epoll_, this);
        nghttp2_session_server_new(&peer->session, callbacks_, peer);
        peer->begin();
        written_.insert(peer);
    }

    void drop(Peer* peer) {
        for (auto& [id, stream] : peer->streams) due_.erase({stream.next_due, &stream});
        written_.erase(peer);
        delete peer;
    }

    void flush() {
        for (auto peers = std::move(written_); Peer* peer : peers)
            if (!peer->flush()) drop(peer);
        written_.clear();
    }

    void answer(Stream& stream) {
        const auto found = replies_.find(stream.path);
        const std::string ok = "200", type = "application/grpc", unknown = "12";
        const nghttp2_nv headers[] = {header(":status", ok), header("content-type", type), header("grpc-status", unknown)};
        nghttp2_data_provider body{{}, take};
        body.source.ptr = &stream;
        if (found == replies_.end()) {
            nghttp2_submit_response(stream.peer->session, stream.id, headers, 3, nullptr);
            return;
        }
        stream.reply = &found->second;
        stream.left = stream.reply->count;
        const double at = now();
        stream.next_due = stream.reply->begins(at);
        advance(stream, at);
        nghttp2_submit_response(stream.peer->session, stream.id, headers, 2, &body);
    }

    void advance(Stream& stream, double at) {  // make ready what is due, and remember when the next message is
        for (; stream.left > 0 && stream.next_due <= at; stream.next_due += stream.reply->interval) {
            --stream.left;
            stream.ready += stream.reply->message;
        }
        if (stream.left > 0) due_.insert({stream.next_due, &stream});
        if (!due_.empty()) timer_.set(due_.begin()->first);
    }

    void make_due() {
        for (const double at = now(); !due_.empty() && due_.begin()->first <= at;) {
            Stream& stream = *due_.begin()->second;
            due_.erase(due_.begin());
            advance(stream, at);
            nghttp2_session_resume_data(stream.peer->session, stream.id);
            written_.insert(stream.peer);
        }
    }

    static ssize_t take(nghttp2_session* session, int32_t id, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source* source, void*) {
        auto& stream = *static_cast<Stream*>(source->ptr);
        if (stream.ready.empty() && stream.left > 0) return NGHTTP2_ERR_DEFERRED;
        const size_t size = std::min(room, stream.ready.size());
        memcpy(to, stream.ready.data(), size);
        stream.ready.erase(0, size);
        if (stream.ready.empty() && stream.left == 0) {
            *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
            const std::string ok = "0";
            const nghttp2_nv trailers[] = {header("grpc-status", ok), header("tandem-served-bin", stream.reply->trailer)};
            nghttp2_submit_trailer(session, id, trailers, stream.reply->trailer.empty() ? 1 : 2);
        }
        return size;
    }

    static int on_begin(nghttp2_session*, const nghttp2_frame* frame, void* peer) {
        auto& at = *static_cast<Peer*>(peer);
        if (frame->hd.type == NGHTTP2_HEADERS) at.streams[frame->hd.stream_id] = {&at, frame->hd.stream_id};
        return 0;
    }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                         const uint8_t* value, size_t value_size, uint8_t, void* peer) {
        if (name_size == 5 && memcmp(name, ":path", 5) == 0)
            static_cast<Peer*>(peer)->streams[frame->hd.stream_id].path.assign(value, value + value_size);
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* peer) {
        auto& at = *static_cast<Peer*>(peer);
        const bool is_request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
        const auto found = at.streams.find(frame->hd.stream_id);
        if (is_request && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && found != at.streams.end())
            at.backend->answer(found->second);
        return 0;
    }

    static int on_close(nghttp2_session*, int32_t id, uint32_t, void* peer) {
        auto& at = *static_cast<Peer*>(peer);
        const auto found = at.streams.find(id);
        if (found == at.streams.end()) return 0;
        at.backend->due_.erase({found->second.next_due, &found->second});
        at.streams.erase(found);
        return 0;
    }

    std::map<std::string, Reply> replies_;
    int epoll_, listener_ = -1, input_ = STDIN_FILENO;
    Timer timer_;
    nghttp2_session_callbacks* callbacks_;
    std::set<Peer*> written_;
    std::set<std::pair<double, Stream*>> due_;
};

static std::vector<double> numbers(std::string text, char separator) {  // none of "-"
    std::vector<double> found;
    if (text == "-") return found;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, separator);) found.push_back(std::stod(word));
    return found;
}

static std::string message(const std::string& digits) {  // hexadecimal, framed
    std::string bytes;
    for (size_t at = 0; at + 1 < digits.size(); at += 2) bytes += char(std::stoi(digits.substr(at, 2), nullptr, 16));
    return framed(bytes);
}

int main(int count, char** words) {
    std::ifstream plan(count == 2 ? words[1] : "");
    if (!plan) fail("usage: backend PLAN, see the head of backend.cpp");
    std::map<std::string, Reply> replies;
    for (std::string line; std::getline(plan, line);) {
        std::istringstream fields(line);
        std::string path, trailer, delays, stall, each;
        long messages;
        double per_second;
        if (!(fields >> path >> trailer >> messages >> per_second >> delays >> stall >> each)) fail("cannot read: " + line);
        if (trailer == "-") trailer.clear();
        auto standing = numbers(stall, ':');
        standing.resize(2);
        replies[path] = {trailer, message(each), messages, per_second > 0 ? 1 / per_second : 0,
                         numbers(delays, ','), standing[0], standing[1]};
    }
    Backend(std::move(replies)).run();
}
