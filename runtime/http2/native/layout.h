// What the server exchanges with Python and with compiled code of the services. Python has the same in events.py (Kind,
// Flag, RecordHead) and library.py (Finished).

#pragma once

#include <stdint.h>

enum class Kind : uint8_t { call = 1, message = 2, half_closed = 3, cancelled = 4, writable = 5, refused = 6 };

enum Flag : uint8_t {
    has_message = 1,
    is_half_closed = 2,
    is_too_large = 4,  // instead of its bytes, the message is their number, eight bytes
};

struct RecordHead {  // of a record; path, metadata and payload follow it
    uint32_t size;   // of all
    uint8_t kind, flags;
    uint16_t path_size;
    uint64_t call;
    double deadline;
    uint32_t metadata_size, payload_size;
};
static_assert(sizeof(RecordHead) == 32);

struct Finished {  // a call that ends
    uint64_t call;
    const char* message;  // null: there is none
    uint64_t message_size;
    const char* trailers;
    uint64_t trailers_size;
};
