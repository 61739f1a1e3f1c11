// What a request says of where it belongs: the model that it names, or else which kind of model it needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The fields of a protobuf message, one after another, up to the end of what is there of it.
struct Fields {
    std::string_view rest;
    uint64_t number = 0;
    std::string_view value = {};  // without its length; empty for a number

    bool next() {
        uint64_t tag = 0, size = 0;
        if (!read(tag)) return false;
        number = tag >> 3;
        value = {};
        switch (tag & 7) {
            case 0: return read(size);
            case 1: size = 8; break;
            case 2:
                if (!read(size)) return false;
                break;
            case 5: size = 4; break;
            default: return false;
        }
        value = rest.substr(0, size);
        rest.remove_prefix(value.size());
        return true;
    }

    bool read(uint64_t& number) {
        for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
            const unsigned char byte = rest.front();
            rest.remove_prefix(1);
            number |= uint64_t(byte & 127) << shift;
            if (byte < 128) return true;
        }
        return false;
    }
};

// An RPC that a model answers. What its request says of the kind of model stands by the numbers of its fields in `says`:
// t: it is one of texts, i: of images, s: it takes steps, S: likewise, if the field itself has one of the number 21.
struct Rpc {
    std::string_view path;
    bool is_parallel = false;
    std::string_view says = "";
    bool is_of_texts = false;  // whatever the request says
    bool is_wrapped = false;   // the request is the first field of the message
    bool has_prompt = false;   // whose beginning a prefix cache may know
};

constexpr Rpc rpcs[] = {
    {.path = "/tandem.ar.v1.AutoregressiveService/Generate", .says = "  tt iS", .has_prompt = true},
    {.path = "/tandem.ar.v1.AutoregressiveService/Complete", .says = "  tt iS", .is_wrapped = true, .has_prompt = true},
    {.path = "/tandem.ar.v1.AutoregressiveService/Score", .says = "  t i s"},
    {.path = "/tandem.ar.v1.AutoregressiveService/Tokenize", .is_of_texts = true},
    {.path = "/tandem.ar.v1.AutoregressiveService/Detokenize", .is_of_texts = true},
    {.path = "/tandem.ar.v1.AutoregressiveService/DescribeTokenizer", .is_of_texts = true},
    {.path = "/tandem.gan.v1.GanService/Sample", .is_parallel = true},
    {.path = "/tandem.gan.v1.GanService/SampleStream", .is_parallel = true, .is_wrapped = true},
    {.path = "/tandem.gan.v1.GanService/Discriminate", .is_parallel = true},
};

inline const Rpc* find_rpc(std::string_view path) {
    for (const Rpc& rpc : rpcs)
        if (rpc.path == path) return &rpc;
    return nullptr;
}

// What a request asks for: its model's name, or else a question mark and the kind of model that it needs.
inline std::string asked_of(const Rpc& rpc, std::string_view request) {
    bool is_of_images = false, is_of_texts = rpc.is_of_texts, in_steps = false;
    for (Fields field{request}; field.next();) {
        if (field.number == 1 && !field.value.empty()) return std::string(field.value);
        switch (field.number < rpc.says.size() ? rpc.says[field.number] : ' ') {
            case 't': is_of_texts = true; break;
            case 'i': is_of_images = true; break;
            case 's': in_steps = true; break;
            case 'S':
                for (Fields inner{field.value}; inner.next();) in_steps |= inner.number == 21;
        }
    }
    return is_of_texts ? "?text" : !is_of_images ? "?" : in_steps ? "?steps" : "?image";
}
