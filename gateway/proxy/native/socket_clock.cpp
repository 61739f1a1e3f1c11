// When bytes came into the proxy's sockets and when they left it, which Envoy's own clock does not say. It begins when a
// request is parsed, and ends when a reply is handed to its connection: where 32 requests come at once, the last has
// waited for 31 by then, and no reply goes out before all of its burst are handed over.
//
// As a transport socket (plain TCP, otherwise as Envoy's own) the module asks the kernel for the time at which bytes
// arrived. As a filter it gives that time to the backend and to the log. The log's entry is made before the reply goes
// out, so the time of that goes another way: each entry has a number, and the file of sent times a place for it. A worker
// is one thread, and what it parses is what it has just read: `last_read` is whose that was.

#include "envoy.h"
#include "unused_hooks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr int request_header = 0, connected = 2;
constexpr size_t read_size = 128 << 10, most_slices = 64;
constexpr int64_t billion = 1'000'000'000;

int64_t nanoseconds(const timespec& time) { return time.tv_sec * billion + time.tv_nsec; }

int64_t now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return nanoseconds(time);
}

struct Sent {  // sent_times.py has the same
    std::atomic<uint64_t> number;
    std::atomic<int64_t> first, last;  // bytes, when the kernel had them; 0: not yet
};
static_assert(sizeof(Sent) == 24);

Sent* sent_times = nullptr;  // a ring
size_t num_sent_times = 0;
std::atomic<uint64_t> last_number = 0;

Sent& place_of(uint64_t number) { return sent_times[number % num_sent_times]; }

void open_sent_times(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) return;
    void* mapped = mmap(nullptr, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) return;
    sent_times = static_cast<Sent*>(mapped);
    num_sent_times = status.st_size / sizeof(Sent);
}

struct Socket {
    void* envoy;
    bool is_upstream;
    int fd = -1;
    int64_t arrived = 0;                 // the last of the bytes that were read last; 0: the kernel did not say
    std::vector<uint64_t> begun, ended;  // numbers of the replies whose first or last byte is in the buffer

    Socket(void* its, bool is_its) : envoy(its), is_upstream(is_its) {}

    int descriptor() {
        if (fd < 0) {
            fd = envoy_dynamic_module_callback_transport_socket_get_fd(envoy);
            int yes = 1;
            setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
        }
        return fd;
    }

    ssize_t receive(char* into) {
        iovec space{into, read_size};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
        msghdr message{};
        message.msg_iov = &space;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        ssize_t size = recvmsg(descriptor(), &message, 0);
        if (size <= 0) return size;
        for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
            if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SO_TIMESTAMPNS) continue;
            timespec time;
            memcpy(&time, CMSG_DATA(each), sizeof time);
            arrived = nanoseconds(time);
        }
        return size;
    }

    void note_sent(int64_t at) {
        for (const uint64_t number : begun) {
            Sent& place = place_of(number);
            place.first.store(at, std::memory_order_relaxed);
            place.last.store(0, std::memory_order_relaxed);
            place.number.store(number, std::memory_order_release);
        }
        for (const uint64_t number : ended)  // another has the place of one that took very long
            if (Sent& place = place_of(number); place.number == number) place.last = at;
        begun.clear();
        ended.clear();
    }
};

thread_local Socket* last_read = nullptr;

struct Stream {
    Socket* socket = nullptr;  // the client's; it outlives its streams
    int64_t arrived = 0, replied = 0;
    uint64_t number = 0;  // of the log's entry
};

// Called before the first and the last bytes of a reply go into the buffer of its connection.
void note_reply(Stream* stream, bool is_first, bool is_last) {
    if (stream->socket == nullptr || last_read == nullptr || !last_read->is_upstream) return;  // it is Envoy's own
    if (is_first) stream->socket->begun.push_back(stream->number = ++last_number);
    if (!is_last || stream->number == 0) return;
    stream->replied = last_read->arrived;
    stream->socket->ended.push_back(stream->number);
}

int upstream, downstream;  // configurations; their addresses tell them apart

}  // namespace

extern "C" {

void* envoy_dynamic_module_on_transport_socket_factory_config_new(void*, Bytes, Bytes, bool is_upstream) {
    return is_upstream ? &upstream : &downstream;
}
void envoy_dynamic_module_on_transport_socket_factory_config_destroy(void*) {}
void* envoy_dynamic_module_on_transport_socket_new(void* configuration, void* envoy) {
    return new Socket(envoy, configuration == &upstream);
}
void envoy_dynamic_module_on_transport_socket_destroy(void* socket) {
    if (last_read == socket) last_read = nullptr;
    delete static_cast<Socket*>(socket);
}
void envoy_dynamic_module_on_transport_socket_set_callbacks(void*, void*) {}
void envoy_dynamic_module_on_transport_socket_on_connected(void* envoy, void*) {
    envoy_dynamic_module_callback_transport_socket_raise_event(envoy, connected);
}

IoResult envoy_dynamic_module_on_transport_socket_do_read(void* envoy, void* module) {
    static thread_local char bytes[read_size];
    Socket* socket = last_read = static_cast<Socket*>(module);
    socket->arrived = 0;
    for (uint64_t total = 0;;) {
        ssize_t size = socket->receive(bytes);
        if (size == 0) return {0, total, true};
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return {errno != EAGAIN, total, false};
        envoy_dynamic_module_callback_transport_socket_read_buffer_add(envoy, bytes, size);
        total += size;
        if (envoy_dynamic_module_callback_transport_socket_should_drain_read_buffer(envoy)) {
            envoy_dynamic_module_callback_transport_socket_set_is_readable(envoy);
            return {0, total, false};
        }
    }
}

IoResult envoy_dynamic_module_on_transport_socket_do_write(void* envoy, void* module, bool is_last) {
    Socket* socket = static_cast<Socket*>(module);
    // The write takes its own time; a reader that wakes up may get this core at once, and what it does is not ours.
    const bool tells = !socket->begun.empty() || !socket->ended.empty();
    const int64_t begun = tells ? now(CLOCK_REALTIME) : 0, used = tells ? now(CLOCK_THREAD_CPUTIME_ID) : 0;
    for (uint64_t total = 0;;) {
        if (envoy_dynamic_module_callback_transport_socket_write_buffer_length(envoy) == 0) {
            if (tells) socket->note_sent(begun + now(CLOCK_THREAD_CPUTIME_ID) - used);
            if (is_last) envoy_dynamic_module_callback_transport_socket_io_shutdown_write(envoy);
            return {0, total, false};
        }
        Bytes slices[most_slices];
        size_t count = most_slices;
        envoy_dynamic_module_callback_transport_socket_write_buffer_get_slices(envoy, slices, &count);
        iovec parts[most_slices];
        for (size_t index = 0; index < count; ++index)
            parts[index] = {const_cast<char*>(slices[index].at), slices[index].size};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = count;
        ssize_t size = sendmsg(socket->descriptor(), &message, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return {errno != EAGAIN, total, false};
        envoy_dynamic_module_callback_transport_socket_write_buffer_drain(envoy, size);
        total += size;
    }
}

void envoy_dynamic_module_on_transport_socket_close(void*, void*, int) {}
void envoy_dynamic_module_on_transport_socket_get_protocol(void*, void*, Bytes* out) { *out = {nullptr, 0}; }
void envoy_dynamic_module_on_transport_socket_get_failure_reason(void*, void*, Bytes* out) { *out = {nullptr, 0}; }
bool envoy_dynamic_module_on_transport_socket_can_flush_close(void*, void*) { return true; }
bool envoy_dynamic_module_on_transport_socket_start_secure_transport(void*, void*) { return false; }

void* envoy_dynamic_module_on_http_filter_config_new(void*, Bytes, Bytes path) {
    if (sent_times == nullptr) open_sent_times(std::string(path.at, path.size));
    return sent_times != nullptr ? &downstream : nullptr;
}
void envoy_dynamic_module_on_http_filter_config_destroy(void*) {}
void* envoy_dynamic_module_on_http_filter_new(void*, void*) { return new Stream; }
void envoy_dynamic_module_on_http_filter_destroy(void* stream) { delete static_cast<Stream*>(stream); }

int envoy_dynamic_module_on_http_filter_request_headers(void* envoy, void* module, bool) {
    Stream* stream = static_cast<Stream*>(module);
    if (last_read == nullptr || last_read->is_upstream || last_read->arrived == 0) return 0;
    stream->socket = last_read;
    stream->arrived = last_read->arrived;
    char text[32];
    int size = snprintf(text, sizeof text, "%lld.%06lld", (long long)(stream->arrived / billion),
                        (long long)(stream->arrived % billion / 1000));
    constexpr char name[] = "tandem-arrived";
    envoy_dynamic_module_callback_http_set_header(envoy, request_header, {name, sizeof name - 1}, {text, size_t(size)});
    return 0;
}
int envoy_dynamic_module_on_http_filter_request_body(void*, void*, bool) { return 0; }
int envoy_dynamic_module_on_http_filter_request_trailers(void*, void*) { return 0; }
int envoy_dynamic_module_on_http_filter_response_headers(void*, void* stream, bool is_last) {
    note_reply(static_cast<Stream*>(stream), true, is_last);
    return 0;
}
int envoy_dynamic_module_on_http_filter_response_body(void*, void*, bool) { return 0; }
int envoy_dynamic_module_on_http_filter_response_trailers(void*, void* stream) {
    note_reply(static_cast<Stream*>(stream), false, true);
    return 0;
}

// The log's entry is made next.
void envoy_dynamic_module_on_http_filter_stream_complete(void* envoy, void* module) {
    Stream* stream = static_cast<Stream*>(module);
    if (stream->socket == nullptr) return;
    char text[72];
    int size = snprintf(text, sizeof text, "%lld %lld %llu", (long long)stream->arrived, (long long)stream->replied,
                        (unsigned long long)stream->number);
    constexpr char name[] = "tandem", key[] = "clock";
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy, {name, sizeof name - 1},
                                                                   {key, sizeof key - 1}, {text, size_t(size)});
}
}
