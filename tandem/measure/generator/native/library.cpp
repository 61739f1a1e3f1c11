// The sender as Python calls it. Every pointer that comes in is good for the call.

#include "sender.h"

static Sender& of(void* sender) { return *static_cast<Sender*>(sender); }

void* tandem_sender_open(const char* authority) { return new Sender(authority); }

// Take a socket that is connected.
void tandem_sender_adopt(void* sender, int fd) { of(sender).adopt(fd); }

// Forget the last run, but for the connections.
void tandem_sender_reset(void* sender) { of(sender).reset(); }

void tandem_sender_metadata(void* sender, const char* name, const char* value) {
    of(sender).metadata.push_back({name, value});
}

void tandem_sender_route(void* sender, const char* path, const char* timeout, double deadline, int is_streamed,
                         int is_kept, uint32_t* bulk, uint64_t depth) {
    of(sender).routes.push_back({path, timeout, deadline, is_streamed != 0, is_kept != 0, {bulk, bulk + depth}});
}

void tandem_sender_start(void* sender, const Load* load, const Caller* callers, uint64_t count) {
    of(sender).start(*load, {callers, callers + count});
}

void tandem_sender_feed(void* sender, const RequestSpec* specs, uint64_t count, const char* bytes, uint64_t size,
                        int is_last) {
    of(sender).feed({std::make_shared<const std::string>(bytes, size), {specs, specs + count}}, is_last != 0);
}

const Progress* tandem_sender_progress(void* sender) { return &of(sender).progress; }
void tandem_sender_stop(void* sender) { of(sender).stop(); }
void tandem_sender_join(void* sender) { of(sender).join(); }
void tandem_sender_close(void* sender) { delete &of(sender); }

// The number of entries of a table, by its place in tables.py's Seen; they are copied, too, if there is where `to`.
uint64_t tandem_sender_table(void* sender, int number, void* to) {
    const Seen& seen = of(sender).seen;
    switch (number) {
        case 0: return copied(seen.rows, to);
        case 1: return copied(seen.messages, to);
        case 2: return copied(seen.message_bytes, to);
        case 3: return copied(seen.lags, to);
        case 4: return copied(seen.dropped, to);
        default: return copied(seen.texts, to);
    }
}
