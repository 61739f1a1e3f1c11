// What compiled servers and senders share: clocks, waking a thread, gRPC's framing, fields of protobuf messages, and the
// socket and nghttp2 session of an HTTP/2 connection. Knows no call.

#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

inline double seconds_of(clockid_t clock) {
    timespec at;
    clock_gettime(clock, &at);
    return double(at.tv_sec) + double(at.tv_nsec) * 1e-9;
}

inline double now() { return seconds_of(CLOCK_MONOTONIC); }  // which is Python's time.monotonic()

inline void watch(int epoll, int fd, uint32_t events, void* data) {
    epoll_event event{events, {data}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// To close a descriptor does not do this while a process that was forked holds it too, which it does until its exec.
inline void unwatch(int epoll, int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr); }

// Have the kernel note when bytes arrive at a socket.
inline void note_arrivals(int fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

// Receives as recv does. `at` is the instant when the kernel got the last of the bytes, or now if the kernel noted none.
inline ssize_t receive_noted(int fd, void* bytes, size_t room, double& at) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    iovec space{bytes, room};
    msghdr message{};
    message.msg_iov = &space;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    at = now();
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); size > 0 && each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SO_TIMESTAMPNS) continue;
        timespec time;
        memcpy(&time, CMSG_DATA(each), sizeof time);
        // The kernel's clock is the time of day; how long ago it was is the same on both.
        at -= std::max(0.0, seconds_of(CLOCK_REALTIME) - (double(time.tv_sec) + double(time.tv_nsec) * 1e-9));
    }
    return size;
}

// A descriptor that is readable from when it is rung until it is cleared.
class Bell {
public:
    Bell() : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Bell() { close(fd); }
    Bell(const Bell&) = delete;

    void ring() { eventfd_write(fd, 1); }
    void clear() {
        eventfd_t count;
        eventfd_read(fd, &count);
    }

    const int fd;
};

// gRPC's framing: whether the message is compressed, its size, and the message.
constexpr size_t prefix_bytes = 5;

inline std::string framed(std::string_view message) {
    const uint32_t size = htonl(uint32_t(message.size()));
    std::string bytes;
    bytes.reserve(prefix_bytes + message.size());
    bytes.append(1, '\0').append(reinterpret_cast<const char*>(&size), sizeof size).append(message);
    return bytes;
}

inline uint32_t size_of_framed(std::string_view bytes) {  // of a message whose prefix is there
    uint32_t size;
    memcpy(&size, bytes.data() + 1, sizeof size);
    return ntohl(size);
}

// Remove a number of a protobuf message from the front of `bytes`. False: there is none.
inline bool take_varint(std::string_view& bytes, uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; !bytes.empty() && shift < 70; shift += 7) {
        const auto byte = uint8_t(bytes.front());
        bytes.remove_prefix(1);
        value |= uint64_t(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

inline void append_varint(std::string& to, uint64_t value) {
    for (; value > 0x7f; value >>= 7) to.push_back(char(value | 0x80));
    to.push_back(char(value));
}

// A field of a protobuf message: `value` where its wire type is 0, `content` behind the size where that is 2.
struct ProtobufField {
    uint64_t tag, value;
    std::string_view content;
    uint64_t number() const { return tag >> 3; }
    uint64_t wire_type() const { return tag & 7; }
};

// Remove a field from the front of a message. False: it is no message.
inline bool take_field(std::string_view& message, ProtobufField& field) {
    if (!take_varint(message, field.tag)) return false;
    const uint64_t wire_type = field.wire_type();
    if ((wire_type == 0 || wire_type == 2) && !take_varint(message, field.value)) return false;
    const uint64_t size = wire_type == 2 ? field.value : wire_type == 1 ? 8 : wire_type == 5 ? 4 : 0;
    if (size > message.size()) return false;
    field.content = message.substr(0, size);
    message.remove_prefix(size);
    return true;
}

// Copy a table to where there is room for it, if there is; return how many rows it has.
template <typename Table> uint64_t copied(const Table& table, void* to) {
    if (to != nullptr) std::copy(table.begin(), table.end(), static_cast<typename Table::value_type*>(to));
    return table.size();
}

inline nghttp2_nv field(std::string_view name, std::string_view value) {  // both must outlive the submission
    return {(uint8_t*)name.data(), (uint8_t*)value.data(), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// A non-blocking socket in an epoll, with a session of nghttp2 once that is made.
class Http2Socket {
public:
    // `data`: of its events.
    Http2Socket(int epoll, int fd, void* data) : fd(fd), epoll_(epoll), data_(data) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }

    ~Http2Socket() {
        nghttp2_session_del(session);
        if (fd < 0) return;
        unwatch(epoll_, fd);
        close(fd);
    }

    Http2Socket(const Http2Socket&) = delete;

    // Send what the session has to send, as far as the socket takes it; the rest when it takes more. False: it is broken.
    bool write() {
        do {
            while (pending_.size() < max_pending_bytes) {
                const uint8_t* frames;
                const ssize_t size = nghttp2_session_mem_send(session, &frames);
                if (size < 0) return false;
                if (size == 0) break;
                pending_.append(reinterpret_cast<const char*>(frames), size_t(size));
            }
            if (pending_.empty()) break;
            sent_at = now();
            const ssize_t size = send(fd, pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (size > 0) pending_.erase(0, size_t(size));
            if (size > 0 || !is_blocked_) wrote_at_ = now();
            is_blocked_ = !pending_.empty();
        } while (!is_blocked_);
        is_blocked_ = !pending_.empty();
        if (is_blocked_ == is_watched_for_room_) return true;
        is_watched_for_room_ = is_blocked_;
        epoll_event event{is_blocked_ ? EPOLLIN | EPOLLOUT : uint32_t{EPOLLIN}, {data_}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
        return true;
    }

    bool has_pending() const { return !pending_.empty(); }
    bool is_in_use() const { return nghttp2_session_want_read(session) || nghttp2_session_want_write(session); }
    // Whether the socket takes nothing, since an instant before this one.
    bool is_blocked_since(double instant) const { return is_blocked_ && wrote_at_ < instant; }

    int fd;
    nghttp2_session* session = nullptr;
    double sent_at = 0;  // when bytes were handed to the kernel last

protected:
    void watch_now(bool is_for_room) {
        is_watched_for_room_ = is_for_room;
        watch(epoll_, fd, is_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, data_);
    }

private:
    static constexpr size_t max_pending_bytes = 128 << 10;

    const int epoll_;
    void* const data_;
    std::string pending_;  // framed, and not taken by the socket yet
    bool is_blocked_ = false, is_watched_for_room_ = false;
    double wrote_at_ = 0;  // when the socket took something, or began to take nothing
};

template <class Call> Call* call_of(nghttp2_session* session, int32_t stream) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
}

// Callbacks of sessions whose user data is a Connection and whose streams' is a Call: its `owner` is told of both.
template <class Connection, class Call> nghttp2_session_callbacks* new_callbacks() {
    nghttp2_session_callbacks* made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_header_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                 const uint8_t* value, size_t value_size, uint8_t, void* its) {
            if (Call* call = call_of<Call>(session, frame->hd.stream_id))
                static_cast<Connection*>(its)->owner.header(*call, {(const char*)name, name_size},
                                                            {(const char*)value, value_size});
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* bytes, size_t size, void* its) {
            if (Call* call = call_of<Call>(session, stream))
                static_cast<Connection*>(its)->owner.data(*call, {(const char*)bytes, size});
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, void* its) {
            auto& connection = *static_cast<Connection*>(its);
            connection.owner.frame(connection, *frame, call_of<Call>(session, frame->hd.stream_id));
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        made, [](nghttp2_session* session, const nghttp2_frame* frame, void* its) {
            Call* call = frame->hd.type == NGHTTP2_HEADERS ? call_of<Call>(session, frame->hd.stream_id) : nullptr;
            if (call != nullptr) static_cast<Connection*>(its)->owner.headers_sent(*call, *frame);
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session* session, int32_t stream, uint32_t error, void* its) {
            if (Call* call = call_of<Call>(session, stream)) static_cast<Connection*>(its)->owner.closed(*call, error);
            return 0;
        });
    return made;
}
