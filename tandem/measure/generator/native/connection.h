// One HTTP/2 connection of the sender and the calls on it. Used by the sender's thread alone.

#pragma once

#include "call.h"

class Sender;

struct Connection : Http2Socket {
    // `fd`: of a socket that connects, or has.
    Connection(int fd, int epoll, nghttp2_session_callbacks* callbacks, nghttp2_option* option, Sender& owner_)
        : Http2Socket(epoll, fd, this), owner(owner_) {
        // A peer that is silent for so long is gone.
        const int idle_seconds = 30, probe_seconds = 5, silent_milliseconds = 40'000;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_seconds, sizeof probe_seconds);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_milliseconds, sizeof silent_milliseconds);
        note_arrivals(fd);
        watch_now(true);
        nghttp2_session_client_new2(&session, callbacks, this, option);
        // Windows so large that a server seldom waits for them.
        constexpr uint32_t window = 16 << 20;
        const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                   {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 * window);
    }

    // What has become of connecting: 0, or why it failed.
    int connected() {
        int why = 0;
        socklen_t size = sizeof why;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
        is_connected = why == 0;
        return why;
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

    Sender& owner;
    std::vector<Call*> calls;
    double opened_at = -INFINITY;  // before the run
    bool is_connected = false, is_leaving = false, is_dirty = false, is_over = false;
};
