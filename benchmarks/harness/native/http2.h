// What the load client for HTTP/1.1 and the backend share: clocks, and one HTTP/2 connection on a non-blocking socket in an epoll.

#pragma once

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <string>

[[noreturn]] inline void fail(const std::string& text) {
    fprintf(stderr, "%s\n", text.c_str());
    exit(1);
}

inline double now() {  // seconds of the monotonic clock
    timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

inline std::string framed(const std::string& message) {  // as gRPC sends it: no compression, length, message
    const uint32_t size = htonl(message.size());
    return std::string(1, '\0') + std::string(reinterpret_cast<const char*>(&size), 4) + message;
}

inline nghttp2_nv header(const char* name, const std::string& value) {  // both must outlive the call that sends them
    return {(uint8_t*)name, (uint8_t*)value.data(), strlen(name), value.size(), NGHTTP2_NV_FLAG_NONE};
}

inline sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A timer in an epoll (with a null pointer as its data) that fires once at a given time of the monotonic clock.
class Timer {
public:
    explicit Timer(int epoll) : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) {
        epoll_event event{EPOLLIN, {nullptr}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event);
    }

    void set(double at) {
        const double whole = floor(at);
        itimerspec when{{0, 0}, {(time_t)whole, (long)((at - whole) * 1e9)}};
        timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr);
    }

    void clear() {
        uint64_t fired;
        if (read(fd_, &fired, sizeof fired) < 0 && errno != EAGAIN) fail("the timer cannot be read");
    }

private:
    int fd_;
};

class Connection {
public:
    Connection(int fd, int epoll) : fd_(fd), epoll_(epoll) {
        const int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        epoll_event event{EPOLLIN, {this}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }

    ~Connection() {
        nghttp2_session_del(session);
        close(fd_);
    }

    void begin() {  // SETTINGS first; windows so large that they are never what a peer waits for
        const nghttp2_settings_entry settings[] = {
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}, {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10000}};
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow);
    }

    bool receive() {  // one read; false if the peer has ended the connection
        static uint8_t buffer[1 << 16];
        const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        return size > 0 && nghttp2_session_mem_recv(session, buffer, size) == size;
    }

    bool flush() {  // all frames that are ready, in one write; false if the peer has ended the connection
        const uint8_t* frame;
        for (ssize_t size; (size = nghttp2_session_mem_send(session, &frame)) != 0;) {
            if (size < 0) return false;
            out_.append(reinterpret_cast<const char*>(frame), size);
        }
        if (!out_.empty()) {
            const ssize_t size = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
            if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (size > 0) out_.erase(0, size);
        }
        wait_for_room(!out_.empty());
        return nghttp2_session_want_read(session) || nghttp2_session_want_write(session);
    }

    nghttp2_session* session = nullptr;

private:
    static constexpr uint32_t kWindow = 1 << 24;

    void wait_for_room(bool wanted) {
        if (wanted == waits_) return;
        waits_ = wanted;
        epoll_event event{wanted ? EPOLLIN | EPOLLOUT : uint32_t{EPOLLIN}, {this}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
    }

    int fd_, epoll_;
    std::string out_;
    bool waits_ = false;
};
