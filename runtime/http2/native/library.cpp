// The server as Python calls it. Every pointer that comes in is good for the call.

#include "server.h"

static Server& of(void* server) { return *static_cast<Server*>(server); }

// `busy`: the trailers of calls that are refused because Python has not come to those before; `unread`: because replies
// that were not read hold too much. `many`: paths whose calls may have many messages, each ended by a null character.
void* tandem_http2_open(int listener, const Limits* limits, const char* busy, uint64_t size, const char* unread,
                        uint64_t unread_size, const char* many, uint64_t many_size) {
    return new Server(listener, *limits, {busy, size}, {unread, unread_size}, {many, many_size});
}
void tandem_http2_start(void* server) { of(server).start(); }
int tandem_http2_descriptor(void* server) { return of(server).events.descriptor(); }
int64_t tandem_http2_connections(void* server) { return of(server).num_connections(); }
int64_t tandem_http2_unbegun(void* server) { return of(server).events.num_calls(); }
void tandem_http2_drain(void* server) { of(server).drain(); }
void tandem_http2_stop(void* server, double seconds) { of(server).stop(seconds); }
void tandem_http2_close(void* server) { delete &of(server); }

void* tandem_http2_events(void* server, int64_t max_calls, uint64_t* size) {
    std::string& taken = of(server).events.take(max_calls);
    *size = taken.size();
    return taken.data();
}

int64_t tandem_http2_send(void* server, uint64_t call, const char* message, uint64_t size) {
    return of(server).send(call, {message, size});
}

// `cached`: the trailers of those that are refused with it; see Server::refuse_alike.
int64_t tandem_http2_refuse_alike(void* server, uint64_t call, const char* trailers, uint64_t size, const char* cached,
                                  uint64_t cached_size) {
    return of(server).refuse_alike(call, {trailers, size}, {cached, cached_size});
}

int tandem_http2_set_capacity(void* server, uint64_t refused_call, int64_t capacity) {
    return of(server).set_capacity(refused_call, capacity);
}

void tandem_http2_finish(void* server, const Finished* calls, uint64_t count) { of(server).finish(calls, count); }
