// A backend without a model that is never the limit: ready-made gRPC replies, by the product's own compiled server.
//
//   backend PLAN LISTENER
//
// Serves at a socket that it inherits until its standard input ends. PLAN has a line for each RPC:
//
//   PATH TRAILER COUNT PER_SECOND MESSAGE
//
// A call of PATH gets COUNT times MESSAGE (in hexadecimal; "-": an empty one), PER_SECOND messages a second (0: all at
// once), and in its trailers grpc-status 0 and TRAILER as tandem-served-bin ("-": none). Others are UNIMPLEMENTED.

#include <poll.h>
#include <stdio.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "server.h"

struct Reply {
    std::string trailers, message;
    long count = 1;
    double interval = 0;
};

struct Stream {
    const Reply* reply;
    long left;
    double due;
};

static const std::string busy("grpc-status\0008\0", 14);
static const Reply unknown{std::string("grpc-status\00012\0", 15)};

class Backend {
public:
    Backend(int listener, std::map<std::string, Reply, std::less<>> replies)
        : replies_(std::move(replies)), server_(listener, kLimits, busy, busy, {}) {
        server_.start();
    }

    void run() {
        for (pollfd of[] = {{server_.events.descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}; of[1].revents == 0;) {
            const double seconds = due_.empty() ? 1 : std::max(0.0, due_.begin()->first - now());
            const timespec wait{time_t(seconds), long((seconds - time_t(seconds)) * 1e9)};
            ppoll(of, 2, &wait, nullptr);
            take(server_.events.take(1024));
            while (!due_.empty() && due_.begin()->first <= now()) advance(due_.extract(due_.begin()).value().second);
            server_.finish(finished_.data(), finished_.size());
            finished_.clear();
        }
        server_.stop(0);
    }

private:
    // Connections may grow old; the rest is what the product's servers have.
    static constexpr Limits kLimits{4 << 20, 1024, 16 << 10, 256 << 20, INFINITY,  600,
                                    3,       4096, 1024,     30,        128 << 20, .5};

    void take(std::string_view records) {
        RecordHead record;
        for (; !records.empty(); records.remove_prefix(record.size)) {
            memcpy(&record, records.data(), sizeof record);
            const auto found = replies_.find(records.substr(sizeof record, record.path_size));
            const bool has_come = record.flags & (has_message | is_half_closed);
            if (Kind(record.kind) == Kind::call) {
                streams_[record.call] = {found == replies_.end() ? &unknown : &found->second, 0, 0};
                if (has_come) begin(record.call);
            } else if (Kind(record.kind) == Kind::message) begin(record.call);
            else if (Kind(record.kind) == Kind::cancelled) forget(record.call);
        }
    }

    void begin(uint64_t call) {  // once, when its message has come
        const auto found = streams_.find(call);
        if (found == streams_.end() || found->second.left > 0) return;
        found->second.left = found->second.reply->count;
        found->second.due = now();
        advance(call);
    }

    void advance(uint64_t call) {  // send what is due, and remember when the next message is
        Stream& stream = streams_.at(call);
        const Reply& reply = *stream.reply;
        for (const double at = now(); stream.due <= at; stream.due += reply.interval) {
            if (--stream.left == 0) {
                finished_.push_back(
                    {call, reply.message.data(), reply.message.size(), reply.trailers.data(), reply.trailers.size()});
                return forget(call);
            }
            server_.send(call, reply.message);
        }
        due_.insert({stream.due, call});
    }

    void forget(uint64_t call) {
        const auto found = streams_.find(call);
        if (found == streams_.end()) return;
        due_.erase({found->second.due, call});
        streams_.erase(found);
    }

    const std::map<std::string, Reply, std::less<>> replies_;
    Server server_;
    std::map<uint64_t, Stream> streams_;
    std::set<std::pair<double, uint64_t>> due_;
    std::vector<Finished> finished_;
};

int main(int count, char** words) {
    std::ifstream plan(count == 3 ? words[1] : "");
    std::map<std::string, Reply, std::less<>> replies;
    std::string path, trailer, digits;
    long messages;
    for (double per_second; plan >> path >> trailer >> messages >> per_second >> digits;) {
        Reply& reply =
            replies[path] = {std::string("grpc-status\0000\0", 14), "", messages, per_second > 0 ? 1 / per_second : 0};
        if (trailer != "-") reply.trailers.append("tandem-served-bin").append(1, '\0').append(trailer).append(1, '\0');
        for (size_t at = 0; at + 1 < digits.size(); at += 2)
            reply.message += char(strtol(digits.substr(at, 2).c_str(), nullptr, 16));
    }
    if (replies.empty()) return fprintf(stderr, "usage: backend PLAN LISTENER, see the head of backend.cpp\n"), 1;
    Backend(atoi(words[2]), std::move(replies)).run();
}
