// One HTTP/2 connection: its socket, its nghttp2 session and the calls on it. Used by the sender's thread alone.

#pragma once

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"

struct Connection {
    // Begin to connect; `fd` is -1, with errno set, if that fails at once.
    Connection(const addrinfo& address, int epoll_, nghttp2_session_callbacks* callbacks, nghttp2_option* option, void* owner)
        : epoll(epoll_), fd(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // A peer that is silent for so long is gone.
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kProbeSeconds, sizeof kProbeSeconds);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kSilentMilliseconds, sizeof kSilentMilliseconds);
        if (connect(fd, address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS) {
            const int why = errno;
            close(fd);
            errno = why;
            fd = -1;
            return;
        }
        epoll_event event{EPOLLIN | EPOLLOUT, {this}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        nghttp2_session_client_new2(&session, callbacks, owner, option);
        // Windows so large that a server seldom waits for them.
        const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                   {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 * kWindow);
    }

    ~Connection() {
        nghttp2_session_del(session);
        if (fd < 0) return;
        // To close it does not do this while a process that was forked holds it too, which it does until its exec.
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
        close(fd);
    }

    Connection(const Connection&) = delete;

    // What has become of connecting: 0, or why it failed.
    int connected() {
        int why = 0;
        socklen_t size = sizeof why;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
        is_connected = why == 0;
        return why;
    }

    // Write what can be written. False: the connection is over.
    bool flush() {
        for (bool has_room = true; has_room;) {
            while (pending.size() < (256 << 10)) {
                const uint8_t* data;
                const ssize_t size = nghttp2_session_mem_send(session, &data);
                if (size < 0) return false;
                if (size == 0) break;
                pending.append(reinterpret_cast<const char*>(data), size_t(size));
            }
            if (pending.empty()) break;
            const ssize_t size = send(fd, pending.data(), pending.size(), MSG_NOSIGNAL);
            if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (size > 0) pending.erase(0, size_t(size));
            has_room = pending.empty();
        }
        wait_for_room(!pending.empty());
        return nghttp2_session_want_read(session) || nghttp2_session_want_write(session);
    }

    void add(Call* call) {
        call->connection = this;
        call->place = calls.size();
        calls.push_back(call);
    }

    void remove(Call* call) {
        calls[call->place] = calls.back();
        calls[call->place]->place = call->place;
        calls.pop_back();
    }

    const int epoll;
    int fd;
    nghttp2_session* session = nullptr;
    std::vector<Call*> calls;
    double opened_at = -INFINITY;  // before the run
    bool is_connected = false, is_leaving = false, is_dirty = false, is_over = false;

private:
    static constexpr uint32_t kWindow = 16 << 20;
    static constexpr int kIdleSeconds = 30, kProbeSeconds = 5, kSilentMilliseconds = 40'000;

    void wait_for_room(bool wanted) {
        if (wanted == is_waiting_) return;
        is_waiting_ = wanted;
        epoll_event event{wanted ? EPOLLIN | EPOLLOUT : uint32_t{EPOLLIN}, {this}};
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
    }

    std::string pending;  // framed, and not taken by the socket yet
    bool is_waiting_ = true;
};
