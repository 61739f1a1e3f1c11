// The server with a minimal Python's part in C++, to be compiled with sanitisers: every call gets its message back,
// or several of them if the path says so. Prints its port; ends, with all memory given back, when its input ends. An
// argument is max_unsent_bytes.

#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <map>
#include <set>

#include "server.h"

// Return a socket that listens at a free port of this machine, which is printed.
static int listen_here() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t size = sizeof address;
    bind(listener, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener, 1024);
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static const std::string_view ok("grpc-status\0000\0tandem-echo\0yes\0", 30);

static const std::string_view busy("grpc-status\0008\0", 14);
static std::set<uint64_t> unanswered, refused;
static std::map<uint64_t, std::string> begun;  // paths of calls whose message comes after their head

static void finish(Server& server, uint64_t call, std::string_view message, std::string_view trailers = ok) {
    const Finished finished{call, message.data(), message.size(), trailers.data(), trailers.size()};
    server.finish(&finished, 1);
}

// Start a process that holds all descriptors open until this one ends, as one does that has not come to its exec.
static void start_a_child() {
    if (fork() != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
}

// Do nothing until the writer of this pipe has gone, as Python does that is busy.
static void stand_still(const std::string& pipe) {
    FILE* alarm = fopen(pipe.c_str(), "r");
    while (fgetc(alarm) != EOF) continue;
    fclose(alarm);
}

static void answer(Server& server, const RecordHead& record, std::string_view path, std::string_view payload) {
    if (path == "/echo/Many")
        for (int turn = 0; turn < 50; ++turn) server.send(record.call, payload);
    if (path == "/echo/Child") start_a_child();
    if (path == "/echo/Asleep") stand_still(std::string(payload));
    if (path == "/echo/Never") unanswered.insert(record.call);  // its deadline, or the client, ends it
    else if (path == "/echo/Odd") finish(server, record.call, payload, ok.substr(0, ok.size() - 5));  // no last value
    else if (path == "/echo/Full") {
        server.refuse_alike(record.call, busy, busy);
        refused.insert(record.call);
    } else if (path == "/echo/Trailers" || path == "/echo/Headers") {  // with a trailer as large as the message
        const std::string trailers = std::string(ok) + "tandem-long" + '\0' + std::string(payload) + '\0';
        finish(server, record.call, path == "/echo/Trailers" ? "a reply" : std::string_view(), trailers);
    } else finish(server, record.call, payload);
}

static void take(Server& server) {
    std::string_view records = server.events.take(64);
    while (!records.empty()) {
        RecordHead record;
        memcpy(&record, records.data(), sizeof record);
        const std::string_view path = records.substr(sizeof record, record.path_size);
        const size_t payload_at = sizeof record + record.path_size + record.metadata_size;
        const std::string_view payload = records.substr(payload_at, record.payload_size);
        switch (Kind(record.kind)) {
            case Kind::call:
                if (record.flags & (has_message | is_half_closed)) answer(server, record, path, payload);
                else begun.emplace(record.call, path);
                break;
            case Kind::cancelled:
                unanswered.erase(record.call);
                begun.erase(record.call);
                break;
            case Kind::writable:
            case Kind::refused: break;
            default:
                if (const auto head = begun.extract(record.call)) answer(server, record, head.mapped(), payload);
        }
        records.remove_prefix(record.size);
    }
}

int main(int count, char** arguments) {
    const int64_t max_unsent_bytes = count > 1 ? atoll(arguments[1]) : 512 << 20;
    const Limits limits{4 << 20, 1024, 16 << 10, 8 << 20, 60, 600, 3, 4096, 50, 30, max_unsent_bytes, .5};
    Server server(listen_here(), limits, busy, busy, {"/echo/First\0", 12});
    server.start();
    for (pollfd of[] = {{server.events.descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};;) {
        poll(of, 2, refused.empty() ? -1 : 1);
        take(server);
        std::erase_if(refused, [&](uint64_t each) { return !server.set_capacity(each, each % 3); });
        if (of[1].revents != 0) break;
    }
    server.drain();
    server.stop(0);
    puts(server.holds_nothing() ? "ended" : "something is held");
}
