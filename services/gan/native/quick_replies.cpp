// Replies to plain requests for images: messages and trailers, many at once, byte for byte what protobuf writes.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "../../../runtime/http2/native/layout.h"

namespace {

struct Shared {  // by all replies of a model; quick_replies.py has the same
    const char* shape;  // of an image, as varints
    uint64_t shape_size, image_bytes;
    const char* encoding;  // the field of an ImageBatch, whole
    uint64_t encoding_size;
    const char* fingerprint;  // the field of the reply, whole
    uint64_t fingerprint_size;
    const char* served;  // a Served without figures
    uint64_t served_size;
};

struct Reply {  // quick_replies.py has the same
    uint64_t call, seed;
    uint64_t count;  // of images
    const uint8_t* pixels;
    const int64_t* labels;  // of each image; null: the model has no classes
    double queue_seconds, batch_wait_seconds, compute_seconds, encode_seconds, total_seconds, batch_size;
    double arrival_wait_seconds;
};

struct Writer {
    std::string& to;

    void varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) to.push_back(char(value | 0x80));
        to.push_back(char(value));
    }

    void number(int field, uint64_t value) {
        if (value == 0) return;
        varint(uint64_t(field) << 3);
        varint(value);
    }

    void real(int field, double value) {
        if (value == 0) return;
        varint(uint64_t(field) << 3 | 1);
        to.append(reinterpret_cast<const char*>(&value), sizeof value);
    }

    void bytes(int field, std::string_view value) {
        varint(uint64_t(field) << 3 | 2);
        varint(value.size());
        to.append(value);
    }
};

size_t varint_size(uint64_t value) {
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) ++size;
    return size;
}

// Of a field of bytes whose number is below 16.
size_t field_size(uint64_t num_bytes) { return 1 + varint_size(num_bytes) + num_bytes; }

std::string timings_of(const Reply& reply) {  // a tandem.common.v1.Timings
    std::string made;
    Writer writer{made};
    writer.real(1, reply.queue_seconds);
    writer.real(3, reply.batch_wait_seconds);
    writer.real(5, reply.compute_seconds);
    writer.real(6, reply.encode_seconds);
    writer.real(7, reply.total_seconds);
    writer.real(8, reply.batch_size);
    return made;
}

void write_message(std::string& to, const Shared& shared, const Reply& reply, std::string_view timings) {
    Writer writer{to};
    const uint64_t num_bytes = reply.count * shared.image_bytes;
    const uint64_t shape_size = varint_size(reply.count) + shared.shape_size;
    writer.varint(1 << 3 | 2);  // an ImageBatch
    writer.varint(field_size(shape_size) + shared.encoding_size + field_size(num_bytes));
    writer.varint(1 << 3 | 2);  // its shape, packed
    writer.varint(shape_size);
    writer.varint(reply.count);
    to.append(shared.shape, shared.shape_size);
    to.append(shared.encoding, shared.encoding_size);
    writer.bytes(3, {reinterpret_cast<const char*>(reply.pixels), num_bytes});
    if (reply.labels != nullptr) {  // packed
        uint64_t size = 0;
        for (uint64_t each = 0; each < reply.count; ++each) size += varint_size(uint64_t(reply.labels[each]));
        writer.varint(2 << 3 | 2);
        writer.varint(size);
        for (uint64_t each = 0; each < reply.count; ++each) writer.varint(uint64_t(reply.labels[each]));
    }
    writer.number(3, reply.seed);
    writer.bytes(5, timings);
    to.append(shared.fingerprint, shared.fingerprint_size);
}

void write_base64(std::string& to, std::string_view bytes) {  // without padding
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.size(); at += 3) {
        uint32_t group = 0;
        const size_t size = std::min<size_t>(3, bytes.size() - at);
        for (size_t each = 0; each < 3; ++each) group = group << 8 | (each < size ? uint8_t(bytes[at + each]) : 0);
        for (size_t each = 0; each <= size; ++each) to.push_back(digits[group >> (18 - 6 * each) & 63]);
    }
}

void write_trailers(std::string& to, std::string_view served) {
    static constexpr std::string_view before("grpc-status\0" "0\0tandem-served-bin\0", 32);
    to.append(before);
    write_base64(to, served);
    to.push_back('\0');
}

// What replies are written to; kept, as to ask for memory each time takes longer than to write.
struct Replies {
    struct Ends {
        size_t message, trailers, served;
    };
    std::string text, served;
    std::vector<Ends> ends;
    std::vector<Finished> finished;
};

}  // namespace

extern "C" {

void* tandem_gan_open_replies() { return new Replies; }
void tandem_gan_close_replies(void* replies) { delete static_cast<Replies*>(replies); }

// Write replies; return their records, for the HTTP/2 server to finish the calls with, valid until the next time. What
// each call was served is in `served`, one behind the other, with the ends in `served_ends`; `num_bytes` gets the size
// of all messages.
const void* tandem_gan_replies(void* of, const Shared* shared, const Reply* replies, uint64_t count,
                               const char** served, uint64_t* served_ends, uint64_t* num_bytes) {
    auto& [text, all_served, ends, finished] = *static_cast<Replies*>(of);
    text.clear();
    all_served.clear();
    ends.clear();
    finished.clear();
    *num_bytes = 0;
    for (const Reply* reply = replies; reply != replies + count; ++reply) {
        const std::string timings = timings_of(*reply);
        const size_t begins = text.size(), served_begins = all_served.size();
        write_message(text, *shared, *reply, timings);
        const size_t message_ends = text.size();
        all_served.append(shared->served, shared->served_size);
        Writer writer{all_served};
        writer.number(2, reply->count);  // outputs, all in the first message
        writer.number(3, reply->count);
        writer.bytes(5, timings);
        writer.real(6, reply->total_seconds);
        writer.real(7, reply->arrival_wait_seconds);
        write_trailers(text, std::string_view(all_served).substr(served_begins));
        ends.push_back({message_ends, text.size(), all_served.size()});
        *num_bytes += message_ends - begins;
    }
    size_t begins = 0;
    for (uint64_t each = 0; each < count; ++each) {
        const auto [message, trailers, its_served] = ends[each];
        finished.push_back({replies[each].call, text.data() + begins, message - begins, text.data() + message,
                            trailers - message});
        served_ends[each] = its_served;
        begins = trailers;
    }
    *served = all_served.data();
    return finished.data();
}
}
