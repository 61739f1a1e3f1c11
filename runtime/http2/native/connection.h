// One HTTP/2 connection: its socket, its nghttp2 session and the calls on it. Used by the server's thread alone.

#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "call.h"

struct Limits {
    uint32_t max_message_bytes = 4 << 20;
    uint32_t max_streams = 1024;
    uint32_t max_metadata_bytes = 16 << 10;
    int64_t max_held_bytes = 256 << 20;  // of requests that are not whole, all connections together
    double max_age_seconds = 60, max_age_grace_seconds = 600, handshake_seconds = 3;
    uint32_t max_connections = 4096;
    uint32_t max_unbegun_calls = 1024;  // that Python has not taken; health checks come through all the same
    double unread_seconds = 30;         // after which a call ends, or a connection, that takes nothing of what there is
    int64_t max_unsent_bytes = 128 << 20;  // of replies, all calls together
    double max_owner_share = .5;           // of these, for the calls of one owner
};

class Server;

// The address and port of a peer as caller.py has it; empty for one at a Unix socket.
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

struct Connection {
    Connection(int fd_, std::string peer_, Server* server_, nghttp2_session_callbacks* callbacks,
               const nghttp2_option* option, const Limits& limits)
        : fd(fd_), peer(std::move(peer_)), server(server_), opened_at(now()) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        nghttp2_session_server_new2(&session, callbacks, this, option);
        const nghttp2_settings_entry settings[] = {
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams},
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
            {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.max_metadata_bytes},
        };
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 3);
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 << 20);
    }

    ~Connection() {
        nghttp2_session_del(session);
        close(fd);
    }

    Connection(const Connection&) = delete;

    // Read what is there, once the connection has ended only to throw it away. False: the connection is over.
    bool receive() {
        uint8_t buffer[64 << 10];
        for (int turn = 0; turn < 8; ++turn) {  // others want their turn too; epoll comes back to the rest
            const ssize_t size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size < 0) return errno == EAGAIN || errno == EINTR;
            if (size == 0) return false;
            if (!is_ended() && nghttp2_session_mem_recv(session, buffer, size) < 0) return false;
            if (size_t(size) < sizeof buffer) return true;
        }
        return true;
    }

    // Write what can be written. False: the connection is over.
    bool flush() {
        if (is_ended()) return true;
        for (;;) {
            while (pending.size() < (128 << 10)) {
                const uint8_t* data;
                const ssize_t size = nghttp2_session_mem_send(session, &data);
                if (size < 0) return false;
                if (size == 0) break;
                pending.append(reinterpret_cast<const char*>(data), size);
            }
            if (pending.empty()) break;
            const ssize_t size = send(fd, pending.data(), pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (size > 0) pending.erase(0, size);
            if (size > 0 || !is_blocked) wrote_at = now();
            is_blocked = !pending.empty();
            if (is_blocked) return true;
        }
        is_blocked = false;
        if (nghttp2_session_want_read(session) || nghttp2_session_want_write(session)) return true;
        if (!calls.empty()) return false;  // the client has broken the protocol
        end();
        return true;
    }

    // Once all is sent, say so, and wait for the client to close: to close while it sends would take ours back.
    void end() {
        if (is_ended() || !pending.empty()) return;
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

    const int fd;
    const std::string peer;
    Server* const server;
    const double opened_at;
    nghttp2_session* session = nullptr;
    std::unordered_map<int32_t, std::unique_ptr<Call>> calls;
    std::string pending;  // framed, and not taken by the socket yet
    bool is_blocked = false, is_watched_for_room = false, has_shaken_hands = false, is_dirty = false;
    double wrote_at = 0;         // when the socket took something, or began to take nothing
    double ends_at = INFINITY;  // when new calls are refused
    double ended_at = INFINITY;  // when all was sent
    bool is_refusing = false;
};
