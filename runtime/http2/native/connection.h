// One HTTP/2 connection of the server and the calls on it. Used by the server's thread alone.

#pragma once

#include <memory>
#include <unordered_map>

#include "call.h"

class Server;

// The address and port of a peer as metadata.py has it; empty for one at a Unix socket.
inline std::string named(const sockaddr_storage& peer) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(peer);
    const auto& six = reinterpret_cast<const sockaddr_in6&>(peer);
    const bool is_mapped = peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six.sin6_addr);
    const std::string port = ':' + std::to_string(ntohs(four.sin_port));  // both have it at the same place
    char text[INET6_ADDRSTRLEN];
    if (peer.ss_family == AF_INET) return inet_ntop(AF_INET, &four.sin_addr, text, sizeof text) + port;
    if (is_mapped) return inet_ntop(AF_INET, six.sin6_addr.s6_addr + 12, text, sizeof text) + port;
    if (peer.ss_family != AF_INET6) return {};
    return '[' + std::string(inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text)) + ']' + port;
}

struct Connection : Http2Socket {
    Connection(int epoll, int fd, std::string peer_, Server& owner_, nghttp2_session_callbacks* callbacks,
               const nghttp2_option* option, const Limits& limits)
        : Http2Socket(epoll, fd, this), peer(std::move(peer_)), owner(owner_), opened_at(now()) {
        nghttp2_session_server_new2(&session, callbacks, this, option);
        const nghttp2_settings_entry settings[] = {
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams},
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
            {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.max_metadata_bytes},
        };
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 3);
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 << 20);
        watch_now(false);
    }

    // Read what is there, once the connection has ended only to throw it away. False: the connection is over.
    bool receive() {
        uint8_t buffer[64 << 10];
        for (int turn = 0; turn < 8; ++turn) {  // others want their turn too; epoll comes back to the rest
            const ssize_t size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size < 0) return errno == EAGAIN || errno == EINTR;
            if (size == 0) return false;
            if (!is_ended() && nghttp2_session_mem_recv(session, buffer, size_t(size)) < 0) return false;
            if (size_t(size) < sizeof buffer) return true;
        }
        return true;
    }

    // Write what can be written. False: the connection is over.
    bool flush() {
        if (is_ended()) return true;
        if (!write()) return false;
        if (has_pending() || is_in_use()) return true;
        if (!calls.empty()) return false;  // the client has broken the protocol
        end();
        return true;
    }

    // Once all is sent, say so, and wait for the client to close: to close while it sends would take ours back.
    void end() {
        if (is_ended() || has_pending()) return;
        ended_at = now();
        shutdown(fd, SHUT_WR);
    }

    bool is_ended() const { return ended_at < INFINITY; }

    // Whether a finished reply is not with the kernel yet: the client's window may be too small for it.
    bool is_replying() const {
        for (const auto& [_, call] : calls)
            if (call->is_finished) return true;
        return false;
    }

    // Ask the client to begin no more calls here. It may have begun some already: those are let in for a while.
    void announce_end(double at) {
        if (ends_at < INFINITY) return;
        nghttp2_submit_shutdown_notice(session);
        ends_at = at;
    }

    void refuse_new_calls() {
        if (is_refusing) return;
        is_refusing = true;
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session),
                              NGHTTP2_NO_ERROR, nullptr, 0);
    }

    const std::string peer;
    Server& owner;
    const double opened_at;
    std::unordered_map<int32_t, std::unique_ptr<Call>> calls;
    bool has_shaken_hands = false, is_dirty = false, is_refusing = false;
    double ends_at = INFINITY;   // when new calls are refused
    double ended_at = INFINITY;  // when all was sent
};
