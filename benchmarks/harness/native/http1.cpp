// A load client for a server that speaks HTTP/1.1 alone: closed loop, keep-alive, each message the body of a POST.
//
//   http1 PORT PATH REQUESTS ROWS REPLIES CALLERS COUNT SECONDS DRAIN_SECONDS
//
// CALLERS callers, each with a connection to 127.0.0.1:PORT and one request at a time, until COUNT requests were sent or
// SECONDS have passed; requests take turns among the messages of REQUESTS. What has not ended DRAIN_SECONDS later is
// given up.
//
// REQUESTS: messages with 5-byte prefixes, as gRPC has them. ROWS: a `Row` for each request, in the order in which they
// ended; its status is 0 where HTTP's is 200, else HTTP's. REPLIES ("-": not kept): the replies' bodies with such prefixes,
// in the same order. Replies must come with a Content-Length. Standard output: the CPU seconds of the client itself.

#include "http2.h"

#include <strings.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <vector>

struct Row {  // seconds of the monotonic clock; NaN: did not happen
    double sent, first_message = NAN, ended = NAN, status = -1;  // -1: no reply arrived
};

static double cpu_seconds() {  // of this process, user and system
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static std::vector<std::string> messages(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::string> found;
    for (size_t at = 0; at + 5 <= all.size(); at += 5 + found.back().size()) {
        uint32_t size;
        memcpy(&size, all.data() + at + 1, 4);
        found.push_back(all.substr(at + 5, ntohl(size)));
    }
    return found;
}

struct Caller {
    int fd;
    Row row;
    bool waits = false;
    std::string in = "";
    size_t head = 0, body = 0;  // bytes of the reply's head, with its blank line, and of its body; 0: not known yet
};

class Client {
public:
    explicit Client(char** words)
        : port_(atoi(words[1])), path_(words[2]), messages_(messages(words[3])), rows_path_(words[4]), replies_path_(words[5]),
          count_(strtoul(words[7], nullptr, 10)), seconds_(atof(words[8])), drain_seconds_(atof(words[9])),
          epoll_(epoll_create1(0)), callers_(strtoul(words[6], nullptr, 10)) {
        if (messages_.empty()) fail("nothing to send");
        for (auto& caller : callers_) connect(caller);
    }

    void run() {
        end_ = now() + seconds_;
        for (auto& caller : callers_) send(caller);
        while (ended_ < sent_ && now() < end_ + drain_seconds_) {
            epoll_event events[64];
            const int ready = epoll_wait(epoll_, events, 64, 100);
            for (int index = 0; index < ready; ++index) receive(*static_cast<Caller*>(events[index].data.ptr));
        }
    }

    void write() {
        for (auto& caller : callers_)
            if (caller.waits) rows_.push_back(caller.row);
        std::ofstream(rows_path_, std::ios::binary)
            .write(reinterpret_cast<const char*>(rows_.data()), rows_.size() * sizeof(Row));
        if (replies_path_ != "-") std::ofstream(replies_path_, std::ios::binary) << replies_;
        printf("%.6f\n", cpu_seconds());
    }

private:
    void connect(Caller& caller) {
        const sockaddr_in address = loopback(port_);
        const int yes = 1;
        caller.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (::connect(caller.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            fail("cannot connect to port " + std::to_string(port_) + ": " + strerror(errno));
        setsockopt(caller.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        fcntl(caller.fd, F_SETFL, fcntl(caller.fd, F_GETFL) | O_NONBLOCK);
        epoll_event event{EPOLLIN, {&caller}};
        epoll_ctl(epoll_, EPOLL_CTL_ADD, caller.fd, &event);
    }

    void send(Caller& caller) {
        caller.waits = sent_ < count_ && now() < end_;
        if (!caller.waits) return;
        const std::string& message = messages_[sent_++ % messages_.size()];
        const std::string request = "POST " + path_ + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
                     "Content-Length: " + std::to_string(message.size()) + "\r\n\r\n" + message;
        caller.in.clear();
        caller.head = caller.body = 0;
        caller.row = Row{now()};
        // It is so small that the socket takes it at once.
        if (::send(caller.fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size()))
            fail("the server ended a connection, or a request was too large");
    }

    void receive(Caller& caller) {
        static char buffer[1 << 16];
        const ssize_t size = recv(caller.fd, buffer, sizeof buffer, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0 || !caller.waits) fail("the server ended a connection");
        caller.in.append(buffer, size);
        if (caller.head == 0) read_head(caller);
        if (caller.head > 0 && caller.in.size() >= caller.head + caller.body) finish(caller);
    }

    void read_head(Caller& caller) {
        const size_t blank = caller.in.find("\r\n\r\n");
        if (blank == std::string::npos) return;
        const std::string head = caller.in.substr(0, blank + 2);
        const char* length = strcasestr(head.c_str(), "\r\ncontent-length:");
        if (length == nullptr) fail("a reply without Content-Length: " + head);
        caller.head = blank + 4;
        caller.body = strtoul(strchr(length, ':') + 1, nullptr, 10);
        const int status = atoi(head.c_str() + head.find(' '));
        caller.row.status = status == 200 ? 0 : status;
        caller.row.first_message = now();
    }

    void finish(Caller& caller) {
        caller.row.ended = now();
        rows_.push_back(caller.row);
        ++ended_;
        if (replies_path_ != "-") replies_ += framed(caller.in.substr(caller.head, caller.body));
        send(caller);
    }

    const int port_;
    const std::string path_;
    const std::vector<std::string> messages_;  // without their prefixes
    const std::string rows_path_, replies_path_;
    const size_t count_;
    const double seconds_, drain_seconds_;
    int epoll_;
    std::vector<Caller> callers_;
    std::vector<Row> rows_;
    std::string replies_;
    size_t sent_ = 0, ended_ = 0;
    double end_ = 0;
};

int main(int count, char** words) {
    if (count != 10) fail("usage: see the head of http1.cpp");
    Client client(words);
    client.run();
    client.write();
}
