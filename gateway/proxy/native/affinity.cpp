// Which of several sequential replicas a request goes to: of prompts that begin alike, to the same one, whose prefix cache
// has what they have in common; of all others, to the one with the fewest requests in flight.
//
// As a filter, behind the one that waits for the whole request, the module puts a hash of the prompt's beginning into the
// header tandem-affinity; one that the client sends stays. As a load balancer it ranks the replicas by a hash of this
// header and of their addresses (rendezvous hashing), and takes the first that has less than 1.25 times its part of the
// requests in flight. So a replica that comes or goes moves the prompts of that one alone, gateways need not agree, and
// what a replica loses is tried again where its prompts go from then on. A prompt that is under way once, as that of a
// conversation, may find a few requests more: with few in flight chance alone exceeds the bound, and each move costs the
// conversation what its replica knows.

#include "envoy.h"
#include "unused_hooks.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

constexpr int request_header = 0, buffered_request = 1, goes_on = 0, requests_active = 7;
constexpr uint64_t most_percent = 125;  // of the mean number of requests in flight
constexpr uint64_t few_more = 4;        // requests beyond that, for a prompt that no other request in flight has
constexpr size_t most_read = 64 << 10, most_of_text = 1024, most_tokens = 256;
constexpr size_t fewest_tokens = 64;  // fewer have little in common, and are those of images
constexpr std::string_view affinity = "tandem-affinity";

std::atomic<size_t> num_replicas = 0;          // that serve
std::atomic<uint32_t> num_under_way[1 << 14];  // requests by the last bits of their key's hash

struct Hash {
    uint64_t value = 0xcbf29ce484222325;

    void add(std::string_view bytes) {  // FNV-1a
        for (const unsigned char byte : bytes) value = (value ^ byte) * 0x100000001b3;
        value = (value ^ bytes.size()) * 0x100000001b3;
    }
};

uint64_t mixed(uint64_t bits) {  // every bit depends on all: the end of MurmurHash3
    bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccd;
    bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53;
    return bits ^ bits >> 33;
}

uint64_t hash_of(std::string_view bytes) {
    Hash hash;
    hash.add(bytes);
    return mixed(hash.value);
}

std::atomic<uint32_t>& under_way(uint64_t key) { return num_under_way[key % std::size(num_under_way)]; }

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

// The messages of a conversation that each of its later requests begins with.
void add_chat(Hash& hash, std::string_view chat) {
    for (Fields message{chat}; message.next();) {
        bool is_users = false;
        for (Fields part{message.value}; part.next();) {
            is_users |= part.number == 1 && part.value == "user";
            hash.add(part.value.substr(0, most_of_text));
        }
        if (is_users) break;
    }
}

bool add_tokens(Hash& hash, std::string_view prompt) {
    Fields ids{prompt};
    ids.next();
    size_t count = 0, size = 0;
    while (size < ids.value.size() && count < most_tokens) count += (ids.value[size++] & 128) == 0;
    hash.add(ids.value.substr(0, size));
    return count >= fewest_tokens;
}

// Add a GenerateRequest's model and the beginning of its prompt. False: it has none that another may have, too.
bool add_request(Hash& hash, std::string_view request) {
    for (Fields field{request}; field.next();) switch (field.number) {
            case 1: hash.add(field.value); break;
            case 2: hash.add(field.value.substr(0, most_of_text)); return true;
            case 3: add_chat(hash, field.value); return true;
            case 4: return add_tokens(hash, field.value);
        }
    return false;
}

std::string_view header(void* envoy, std::string_view name) {
    Bytes value{nullptr, 0};
    envoy_dynamic_module_callback_http_get_header(envoy, request_header, {name.data(), name.size()}, &value, 0,
                                                  nullptr);
    return {value.at, value.size};
}

// The beginning of a request's body, put together in `joined` if it is in pieces.
std::string_view beginning(void* envoy, std::string& joined) {
    std::vector<Bytes> pieces(envoy_dynamic_module_callback_http_get_body_chunks_size(envoy, buffered_request));
    if (pieces.empty()) return {};
    envoy_dynamic_module_callback_http_get_body_chunks(envoy, buffered_request, pieces.data());
    if (pieces.size() == 1) return {pieces[0].at, std::min(pieces[0].size, most_read)};
    for (const Bytes& piece : pieces) joined.append(piece.at, std::min(piece.size, most_read - joined.size()));
    return joined;
}

void add_affinity(void* envoy) {
    const std::string_view path = header(envoy, ":path");
    const bool is_complete = path == "/tandem.ar.v1.AutoregressiveService/Complete";
    if (!is_complete && path != "/tandem.ar.v1.AutoregressiveService/Generate") return;
    std::string joined;
    std::string_view message = beginning(envoy, joined);
    if (message.size() <= 5 || message[0] != 0) return;  // it is compressed
    message.remove_prefix(5);
    if (is_complete) {
        Fields generate{message};
        generate.next();
        message = generate.value;
    }
    Hash hash;
    hash.add(header(envoy, "tandem-caller"));  // callers with keys share no cache
    if (!add_request(hash, message)) return;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash.value);
    envoy_dynamic_module_callback_http_set_header(envoy, request_header, {affinity.data(), affinity.size()},
                                                  {text, 16});
}

struct Replica {
    uint64_t in_flight, rank;
    bool was_tried;
};

// Those that serve, in Envoy's order. A key ranks them in its own way; without one (0) equals take turns.
void look_at(void* balancer, void* request, uint64_t key, std::vector<Replica>& replicas) {
    static thread_local uint64_t turn = 0;
    ++turn;
    const size_t num_known = envoy_dynamic_module_callback_lb_get_hosts_count(balancer, 0);
    replicas.resize(num_replicas = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(balancer, 0));
    size_t known = 0;  // among all, of which those that serve are a part in the same order
    for (size_t index = 0; index < replicas.size(); ++index, ++known) {
        Bytes address{nullptr, 0}, other{nullptr, 0};
        envoy_dynamic_module_callback_lb_get_healthy_host_address(balancer, 0, index, &address);
        const std::string_view name(address.at, address.size);
        for (; known < num_known; ++known) {
            envoy_dynamic_module_callback_lb_get_host_address(balancer, 0, known, &other);
            if (name == std::string_view(other.at, other.size)) break;
        }
        replicas[index] = {
            envoy_dynamic_module_callback_lb_get_host_stat(balancer, 0, known, requests_active),
            key == 0 ? (index + turn) % replicas.size() : mixed(key ^ hash_of(name)),
            envoy_dynamic_module_callback_lb_context_should_select_another_host(balancer, request, 0, known),
        };
    }
}

struct Request {
    std::atomic<uint32_t>* count = nullptr;  // in which it is counted
};

int marker;  // Envoy wants an address that is not null, and does not read what is there

}  // namespace

extern "C" {

void* envoy_dynamic_module_on_http_filter_config_new(void*, Bytes, Bytes) { return &marker; }
void envoy_dynamic_module_on_http_filter_config_destroy(void*) {}
void* envoy_dynamic_module_on_http_filter_new(void*, void*) { return new Request; }
void envoy_dynamic_module_on_http_filter_destroy(void* module) {
    const auto* request = static_cast<Request*>(module);
    if (request->count != nullptr) --*request->count;
    delete request;
}
int envoy_dynamic_module_on_http_filter_request_headers(void* envoy, void* module, bool) {
    if (num_replicas < 2) return goes_on;
    if (header(envoy, affinity).empty()) add_affinity(envoy);
    const std::string_view key = header(envoy, affinity);
    if (key.empty()) return goes_on;
    auto* request = static_cast<Request*>(module);
    request->count = &under_way(hash_of(key));
    ++*request->count;
    return goes_on;
}
int envoy_dynamic_module_on_http_filter_request_body(void*, void*, bool) { return goes_on; }
int envoy_dynamic_module_on_http_filter_request_trailers(void*, void*) { return goes_on; }
int envoy_dynamic_module_on_http_filter_response_headers(void*, void*, bool) { return goes_on; }
int envoy_dynamic_module_on_http_filter_response_body(void*, void*, bool) { return goes_on; }
int envoy_dynamic_module_on_http_filter_response_trailers(void*, void*) { return goes_on; }
void envoy_dynamic_module_on_http_filter_stream_complete(void*, void*) {}

void* envoy_dynamic_module_on_lb_config_new(void*, Bytes, Bytes) { return &marker; }
void envoy_dynamic_module_on_lb_config_destroy(void*) {}
void* envoy_dynamic_module_on_lb_new(void*, void*) { return &marker; }
void envoy_dynamic_module_on_lb_destroy(void*) {}
void envoy_dynamic_module_on_lb_on_host_membership_update(void* balancer, void*, size_t, size_t) {
    num_replicas = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(balancer, 0);
}

// The result is an index among the replicas that serve.
bool envoy_dynamic_module_on_lb_choose_host(void* balancer, void*, void* request, uint32_t*, uint32_t* index) {
    static thread_local std::vector<Replica> replicas;
    Bytes value{nullptr, 0};
    envoy_dynamic_module_callback_lb_context_get_downstream_header(request, {affinity.data(), affinity.size()}, &value,
                                                                   0, nullptr);
    const uint64_t key = value.size == 0 ? 0 : hash_of({value.at, value.size});
    look_at(balancer, request, key, replicas);
    if (replicas.empty()) return false;
    uint64_t all = 1;  // this one among them
    for (const Replica& each : replicas) all += each.in_flight;
    const uint64_t parts = 100 * replicas.size(), more = under_way(key) < 2 ? few_more : 0;
    const uint64_t most = (all * most_percent + parts - 1) / parts + more;
    const auto cost = [&](const Replica& each) {
        return std::tuple(each.was_tried, key == 0 ? each.in_flight : each.in_flight >= most, each.rank);
    };
    const auto best = std::min_element(replicas.begin(), replicas.end(), [&](const Replica& one, const Replica& other) {
        return cost(one) < cost(other);
    });
    *index = uint32_t(best - replicas.begin());
    return true;
}
}
