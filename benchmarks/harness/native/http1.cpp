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

struct Plan {
    int port;
    std::string path;
    std::vector<std::string> messages;  // without their prefixes
    bool keeps_replies;
    size_t callers, count;
    double seconds, drain_seconds;
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
    bool waits = false, lacks_room = false;
    std::string out = "", in = "";
    size_t head = 0, body = 0;  // bytes of the reply's head, with its blank line, and of its body; 0: not known yet
};

class Client {
public:
    explicit Client(Plan plan) : plan_(std::move(plan)), epoll_(epoll_create1(0)), callers_(plan_.callers) {
        for (auto& caller : callers_) connect(caller);
    }

    void run() {
        end_ = now() + plan_.seconds;
        for (auto& caller : callers_) send(caller);
        while (ended_ < sent_ && now() < end_ + plan_.drain_seconds) {
            epoll_event events[64];
            const int ready = epoll_wait(epoll_, events, 64, 100);
            for (int index = 0; index < ready; ++index) {
                auto& caller = *static_cast<Caller*>(events[index].data.ptr);
                if (events[index].events & EPOLLOUT) flush(caller);
                if (events[index].events & ~EPOLLOUT) receive(caller);
            }
        }
    }

    void write(const char* rows_path, const char* replies_path) {
        for (auto& caller : callers_)
            if (caller.waits) rows_.push_back(caller.row);
        std::ofstream(rows_path, std::ios::binary)
            .write(reinterpret_cast<const char*>(rows_.data()), rows_.size() * sizeof(Row));
        if (plan_.keeps_replies) std::ofstream(replies_path, std::ios::binary) << replies_;
        printf("%.6f\n", cpu_seconds());
    }

private:
    void connect(Caller& caller) {
        const sockaddr_in address = loopback(plan_.port);
        const int yes = 1;
        caller.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (::connect(caller.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            fail("cannot connect to port " + std::to_string(plan_.port) + ": " + strerror(errno));
        setsockopt(caller.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        fcntl(caller.fd, F_SETFL, fcntl(caller.fd, F_GETFL) | O_NONBLOCK);
        epoll_event event{EPOLLIN, {&caller}};
        epoll_ctl(epoll_, EPOLL_CTL_ADD, caller.fd, &event);
    }

    void send(Caller& caller) {
        caller.waits = sent_ < plan_.count && now() < end_;
        if (!caller.waits) return;
        const std::string& message = plan_.messages[sent_++ % plan_.messages.size()];
        caller.out = "POST " + plan_.path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
                     "Content-Length: " + std::to_string(message.size()) + "\r\n\r\n" + message;
        caller.in.clear();
        caller.head = caller.body = 0;
        caller.row = Row{now()};
        flush(caller);
    }

    void flush(Caller& caller) {
        const ssize_t size = ::send(caller.fd, caller.out.data(), caller.out.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN && errno != EINTR) fail("the server ended a connection");
        if (size > 0) caller.out.erase(0, size);
        if (caller.lacks_room == !caller.out.empty()) return;
        caller.lacks_room = !caller.out.empty();
        epoll_event event{caller.lacks_room ? EPOLLIN | EPOLLOUT : uint32_t{EPOLLIN}, {&caller}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, caller.fd, &event);
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
        if (plan_.keeps_replies) replies_ += framed(caller.in.substr(caller.head, caller.body));
        send(caller);
    }

    Plan plan_;
    int epoll_;
    std::vector<Caller> callers_;
    std::vector<Row> rows_;
    std::string replies_;
    size_t sent_ = 0, ended_ = 0;
    double end_ = 0;
};

int main(int count, char** words) {
    if (count != 10) fail("usage: see the head of http1.cpp");
    Plan plan{atoi(words[1]), words[2], messages(words[3]), strcmp(words[5], "-") != 0, strtoul(words[6], nullptr, 10),
              strtoul(words[7], nullptr, 10), atof(words[8]), atof(words[9])};
    if (plan.messages.empty()) fail("nothing to send");
    Client client(std::move(plan));
    client.run();
    client.write(words[4], words[5]);
}
