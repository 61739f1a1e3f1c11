// Which calls of a buffer of records are plain requests for images, and what they say. Whatever is unusual about a
// call, in its metadata or its message, leaves it to the path that all other calls take, which also answers what is wrong.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "../../../runtime/http2/native/layout.h"

namespace {

constexpr uint8_t whole_message = has_message | is_half_closed;  // not too large

struct Text {  // a part of the records
    uint32_t at = 0, size = 0;
};

struct QuickCall {  // quick_calls.py has the same
    uint64_t call;
    double deadline;
    double arrived;  // at the proxy, seconds since the epoch; 0: not told
    uint64_t seed;
    Text record, model, caller, peer, request_id;
    int32_t label = -1;  // of all images; -1: none is asked for
    uint32_t count = 1, has_seed = 0, unused = 0;
};
static_assert(sizeof(QuickCall) == 88);

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <class Allowed>
bool consists_of(std::string_view text, size_t least, size_t most, Allowed allowed) {
    if (text.size() < least || text.size() > most) return false;
    for (const char c : text)
        if (!allowed(c)) return false;
    return true;
}

// As runtime/rpc/caller.py has them: an identifier, and an address with a port (here without a zone).
bool is_identifier(std::string_view text) {
    return consists_of(text, 1, 64, [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

bool is_peer(std::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || !consists_of(text.substr(colon + 1), 1, 5, is_digit)) return false;
    const std::string_view host = text.substr(0, colon);
    if (!host.starts_with('[')) return consists_of(host, 7, 15, [](char c) { return is_digit(c) || c == '.'; });
    const auto in_address = [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':';
    };
    return host.ends_with(']') && consists_of(host.substr(1, host.size() - 2), 2, 45, in_address);
}

// As runtime/rpc/arrival.py has it: up to 12 digits, and a point with 1 to 9 more.
bool read_time(std::string_view text, double& seconds) {
    const size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    if (!consists_of(whole, 1, 12, is_digit)) return false;
    if (point != std::string_view::npos && !consists_of(text.substr(point + 1), 1, 9, is_digit)) return false;
    return std::from_chars(text.data(), text.data() + text.size(), seconds).ec == std::errc();
}

// Whether it is a traceparent of version 00 whose trace is not recorded.
bool is_unrecorded(std::string_view text) {
    const char flag = text.size() == 55 ? text[54] : '1';
    return text.starts_with("00-") && std::string_view("02468ace").find(flag) != std::string_view::npos;
}

struct Reader {
    std::string_view left;

    bool varint(uint64_t& value) {
        value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (left.empty()) return false;
            const uint8_t byte = left.front();
            left.remove_prefix(1);
            if (shift == 63 && byte > 1) return false;
            value |= uint64_t(byte & 0x7f) << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }

    bool bytes(std::string_view& value) {
        uint64_t size;
        if (!varint(size) || size > left.size()) return false;
        value = left.substr(0, size);
        left.remove_prefix(size);
        return true;
    }
};

class Parser {
public:
    Parser(std::string_view records, QuickCall& call) : records_(records), call_(call) {}

    // Metadata is key, value, key, value, ..., each ended by a null character.
    bool metadata(std::string_view text) {
        bool has_time = false, has_id = false, has_caller = false, has_peer = false, has_trace = false;
        while (!text.empty()) {
            const std::string_view key = until_null(text), value = until_null(text);
            const auto first = [](bool& had) { return !std::exchange(had, true); };
            if (key == "tandem-arrived") {
                if (!first(has_time) || !read_time(value, call_.arrived)) return false;
            } else if (key == "x-request-id") {
                if (!first(has_id)) return false;
                call_.request_id = place(value);
            } else if (key == "tandem-caller") {
                if (!first(has_caller) || !is_identifier(value)) return false;
                call_.caller = place(value);
            } else if (key == "tandem-peer") {
                if (!first(has_peer) || !is_peer(value)) return false;
                call_.peer = place(value);
            } else if (key == "traceparent") {
                if (!first(has_trace) || !is_unrecorded(value)) return false;
            }
        }
        return true;
    }

    // A tandem.gan.v1.SampleRequest that asks for images in raw bytes, from a seed, all of one class if of any.
    bool message(std::string_view text) {
        enum { model = 1 << 3 | 2, count = 2 << 3, label = 3 << 3, labels = 3 << 3 | 2, seed = 4 << 3, encoding = 7 << 3 };
        for (Reader reader{text}; !reader.left.empty();) {
            uint64_t tag, value;
            std::string_view bytes;
            if (!reader.varint(tag)) return false;
            if (tag == model || tag == labels) {
                if (!reader.bytes(bytes)) return false;
                if (tag == model) call_.model = place(bytes);
                else if (!only_label(bytes)) return false;
                continue;
            }
            if (!reader.varint(value)) return false;
            if (tag == seed) {
                call_.seed = value;
                call_.has_seed = 1;
            } else if (tag == label) {
                if (!set_label(value)) return false;
            } else if (tag == count) {
                if (value < 1 || value > INT32_MAX) return false;
                call_.count = uint32_t(value);
            } else if (tag != encoding || value > 1) {
                return false;
            }
        }
        return true;
    }

private:
    static std::string_view until_null(std::string_view& text) {
        const std::string_view found = text.substr(0, text.find('\0'));
        text.remove_prefix(std::min(text.size(), found.size() + 1));
        return found;
    }

    bool only_label(std::string_view packed) {
        Reader reader{packed};
        uint64_t value;
        return packed.empty() || (reader.varint(value) && reader.left.empty() && set_label(value));
    }

    bool set_label(uint64_t value) {
        if (call_.label >= 0 || value > INT32_MAX) return false;
        call_.label = int32_t(value);
        return true;
    }

    Text place(std::string_view text) const { return {uint32_t(text.data() - records_.data()), uint32_t(text.size())}; }

    const std::string_view records_;
    QuickCall& call_;
};

}  // namespace

extern "C" {

// Find the plain requests among the calls to `path`, at most `most`, and return how many they are.
uint64_t tandem_gan_quick_calls(const char* records, uint64_t size, const char* path, uint64_t path_size,
                                QuickCall* found, uint64_t most) {
    const std::string_view all(records, size), wanted(path, path_size);
    uint64_t count = 0;
    RecordHead head;
    for (uint64_t at = 0; at < size && count < most; at += head.size) {
        memcpy(&head, records + at, sizeof head);
        if (Kind(head.kind) != Kind::call || head.flags != whole_message) continue;
        std::string_view rest = all.substr(at + sizeof head, head.size - sizeof head);
        if (!rest.starts_with(wanted) || head.path_size != path_size) continue;
        rest.remove_prefix(path_size);
        QuickCall call{head.call, head.deadline, 0, 0, {uint32_t(at), head.size}, {}, {}, {}, {}};
        Parser parser(all, call);
        if (parser.metadata(rest.substr(0, head.metadata_size)) &&
            parser.message(rest.substr(head.metadata_size, head.payload_size)))
            found[count++] = call;
    }
    return count;
}
}
