// The server as Python calls it; library.py has the same functions. Every pointer that comes in is good for the call.

#include "server.h"

namespace {

// Bind, and return the socket, or -1 with errno set or, for a host that has no address, errno 0.
int listen_on(const char* host, int port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    if (getaddrinfo(host, std::to_string(port).c_str(), &hints, &found) != 0) {
        errno = 0;  // whatever it met on its way
        return -1;
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1024) == 0) return fd;
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
}

}  // namespace

extern "C" {

int tandem_http2_listen(const char* host, int port) { return listen_on(host, port); }

int tandem_http2_port(int listener) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    const bool is_6 = address.ss_family == AF_INET6;
    return ntohs(is_6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                      : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

// `busy`: the trailers of calls that are refused because Python has not come to those before; `unread`: because replies
// that were not read hold too much. `many`: paths whose calls may have many messages, each ended by a null character.
void* tandem_http2_open(int listener, const Limits* limits, const char* busy, uint64_t size, const char* unread,
                        uint64_t unread_size, const char* many, uint64_t many_size) {
    return new Server(listener, *limits, {busy, size}, {unread, unread_size}, {many, many_size});
}
void tandem_http2_start(void* server) { static_cast<Server*>(server)->start(); }
int tandem_http2_descriptor(void* server) { return static_cast<Server*>(server)->events.descriptor(); }
int64_t tandem_http2_connections(void* server) { return static_cast<Server*>(server)->num_connections(); }
void tandem_http2_drain(void* server) { static_cast<Server*>(server)->drain(); }
void tandem_http2_stop(void* server, double seconds) { static_cast<Server*>(server)->stop(seconds); }
void tandem_http2_close(void* server) { delete static_cast<Server*>(server); }

const char* tandem_http2_events(void* server, int64_t max_calls, uint64_t* size) {
    const std::string_view taken = static_cast<Server*>(server)->events.take(max_calls);
    *size = taken.size();
    return taken.data();
}

int64_t tandem_http2_send(void* server, uint64_t call, const char* message, uint64_t size) {
    return static_cast<Server*>(server)->send(call, {message, size});
}

// `standing`: the trailers of those that are refused with it; see Server::turn_away.
int64_t tandem_http2_turn_away(void* server, uint64_t call, const char* trailers, uint64_t size, const char* standing,
                               uint64_t standing_size, int64_t room) {
    return static_cast<Server*>(server)->turn_away(call, {trailers, size}, {standing, standing_size}, room);
}

int tandem_http2_make_room(void* server, uint64_t turned_away, int64_t room) {
    return static_cast<Server*>(server)->make_room(turned_away, room);
}

void tandem_http2_finish(void* server, const Finished* calls, uint64_t count) {
    static_cast<Server*>(server)->finish(calls, count);
}
}
