// Which of several replicas a request goes to: of those that have its model, to the one whose prefix cache has the beginning
// of its prompt, since prompts that begin alike all go there; of all other requests, to the one with the fewest in flight.
//
// As a filter, behind the one that waits for the whole request, the module reads which model is asked for, if replicas
// differ in that, and puts a hash of the prompt's beginning into the header tandem-affinity; one that the client sends
// stays. As a load balancer it ranks the replicas by a hash of this header and of their addresses (rendezvous hashing), and
// takes the first that has less than 1.25 times its part of the requests in flight. So a replica that comes or goes moves
// the prompts of that one alone, gateways need not agree, and what a replica loses is tried again where its prompts go from
// then on. A prompt that is under way once, as that of a conversation, may find a few requests more: with few in flight
// chance alone exceeds the bound, and each move costs the conversation what its replica knows.

#include "envoy.h"
#include "pools.h"
#include "requests.h"
#include "unused_hooks.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

constexpr int request_header = 0, buffered_request = 1, goes_on = 0, stops = 1, requests_active = 7;
constexpr uint64_t most_percent = 125;  // of the mean number of requests in flight
constexpr uint64_t few_more = 4;        // requests beyond that, for a prompt that no other request in flight has
constexpr size_t most_read = 64 << 10, most_of_text = 1024, most_tokens = 256;
constexpr size_t fewest_tokens = 64;  // fewer have little in common, and are those of images
constexpr std::string_view affinity = "tandem-affinity", asked_header = "tandem-model", pools_path = "/pools";

struct Balanced {  // the replicas of one paradigm
    std::atomic<bool> by_prompt = false;
    std::atomic<size_t> num_serving = 0;
} balanced[2];  // sequential, parallel

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

// The beginning of a request's message, put together in `joined` if it is in pieces; null if it cannot be read.
std::string_view message_of(void* envoy, std::string& joined, size_t most) {
    std::vector<Bytes> pieces(envoy_dynamic_module_callback_http_get_body_chunks_size(envoy, buffered_request));
    if (pieces.empty()) return {};
    envoy_dynamic_module_callback_http_get_body_chunks(envoy, buffered_request, pieces.data());
    std::string_view body(pieces[0].at, std::min(pieces[0].size, most));
    if (pieces.size() > 1) {
        for (const Bytes& piece : pieces) joined.append(piece.at, std::min(piece.size, most - joined.size()));
        body = joined;
    }
    return body.size() < 5 || body[0] != 0 ? std::string_view() : body.substr(5);  // it is compressed
}

void set_header(void* envoy, std::string_view name, std::string_view value) {
    envoy_dynamic_module_callback_http_set_header(envoy, request_header, {name.data(), name.size()},
                                                  {value.data(), value.size()});
}

void add_affinity(void* envoy, std::string_view request) {
    Hash hash;
    hash.add(header(envoy, "tandem-caller"));  // callers with keys share no cache
    if (!add_request(hash, request)) return;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash.value);
    set_header(envoy, affinity, {text, 16});
}

void answer(void* envoy, uint32_t status, const char* grpc_status, std::string_view text) {
    constexpr std::string_view name = "grpc-status";
    Bytes headers[] = {{name.data(), name.size()}, {grpc_status, strlen(grpc_status)}};
    envoy_dynamic_module_callback_http_send_response(envoy, status, headers, 1, {text.data(), text.size()},
                                                     {affinity.data(), affinity.size()});
}

struct Replica {
    uint32_t index;  // among those that serve
    uint64_t in_flight, rank;
    bool was_tried;
};

// Of the replicas that serve, those in `fitting`, or all if it is null. Each seed ranks them in its own way.
void look_at(void* balancer, void* request, uint64_t seed, const Addresses* fitting, std::vector<Replica>& replicas) {
    replicas.clear();
    const size_t num_serving = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(balancer, 0);
    const size_t num_known = envoy_dynamic_module_callback_lb_get_hosts_count(balancer, 0);
    size_t known = 0;  // among all, of which those that serve are a part in the same order
    for (uint32_t index = 0; index < num_serving; ++index, ++known) {
        Bytes address{nullptr, 0}, other{nullptr, 0};
        envoy_dynamic_module_callback_lb_get_healthy_host_address(balancer, 0, index, &address);
        const std::string_view name(address.at, address.size);
        for (; known < num_known; ++known) {
            envoy_dynamic_module_callback_lb_get_host_address(balancer, 0, known, &other);
            if (name == std::string_view(other.at, other.size)) break;
        }
        if (fitting != nullptr && !fitting->contains(name)) continue;
        replicas.push_back({
            index,
            envoy_dynamic_module_callback_lb_get_host_stat(balancer, 0, known, requests_active),
            mixed(seed ^ hash_of(name)),
            envoy_dynamic_module_callback_lb_context_should_select_another_host(balancer, request, 0, known),
        });
    }
}

struct Request {
    bool is_internal = false;
    std::atomic<uint32_t>* count = nullptr;  // in which it is counted
};

int internal, other;  // configurations; their addresses tell them apart

std::string_view downstream_header(void* request, std::string_view name) {
    Bytes value{nullptr, 0};
    envoy_dynamic_module_callback_lb_context_get_downstream_header(request, {name.data(), name.size()}, &value, 0,
                                                                   nullptr);
    return {value.at, value.size};
}

}  // namespace

extern "C" {

void* envoy_dynamic_module_on_http_filter_config_new(void*, Bytes name, Bytes) {
    return std::string_view(name.at, name.size) == "internal" ? &internal : &other;
}
void envoy_dynamic_module_on_http_filter_config_destroy(void*) {}
void* envoy_dynamic_module_on_http_filter_new(void* configuration, void*) {
    return new Request{.is_internal = configuration == &internal};
}
void envoy_dynamic_module_on_http_filter_destroy(void* module) {
    const auto* request = static_cast<Request*>(module);
    if (request->count != nullptr) --*request->count;
    delete request;
}
int envoy_dynamic_module_on_http_filter_request_headers(void* envoy, void* module, bool) {
    auto* request = static_cast<Request*>(module);
    const std::string_view path = header(envoy, ":path");
    std::string joined;
    if (request->is_internal && path == pools_path) {
        tell_pools(message_of(envoy, joined, SIZE_MAX));
        answer(envoy, 200, "0", "");
        return stops;
    }
    const Rpc* rpc = find_rpc(path);
    if (rpc == nullptr) return goes_on;
    const Pool& pool = known_pools()[rpc->is_parallel];
    const Balanced& its = balanced[rpc->is_parallel];
    const bool by_prompt = its.by_prompt && its.num_serving > 1;
    const bool adds_affinity = by_prompt && rpc->has_prompt && header(envoy, affinity).empty();
    if (pool.is_mixed || adds_affinity) {
        std::string_view message = message_of(envoy, joined, pool.is_mixed ? SIZE_MAX : most_read);
        if (Fields first{message}; rpc->is_wrapped && first.next() && first.number == 1) message = first.value;
        if (pool.is_mixed && message.data() != nullptr) {
            const std::string asked = asked_of(*rpc, message);
            if (!pool.having.contains(asked)) {
                answer(envoy, 404, "5", pool.not_found(asked));
                return stops;
            }
            set_header(envoy, asked_header, asked);
        }
        if (adds_affinity) add_affinity(envoy, message);
    }
    const std::string_view key = by_prompt ? header(envoy, affinity) : std::string_view();
    if (key.empty()) return goes_on;
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

// `name` is the paradigm, and `text` says whether its prompts are to be told apart.
void* envoy_dynamic_module_on_lb_config_new(void*, Bytes name, Bytes text) {
    Balanced& its = balanced[std::string_view(name.at, name.size) == "parallel"];
    its.by_prompt = std::string_view(text.at, text.size) == "prompts";
    return &its;
}
void envoy_dynamic_module_on_lb_config_destroy(void*) {}
void* envoy_dynamic_module_on_lb_new(void* configuration, void*) { return configuration; }
void envoy_dynamic_module_on_lb_destroy(void*) {}
void envoy_dynamic_module_on_lb_on_host_membership_update(void* balancer, void* module, size_t, size_t) {
    static_cast<Balanced*>(module)->num_serving = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(balancer, 0);
}

// The result is an index among the replicas that serve.
bool envoy_dynamic_module_on_lb_choose_host(void* balancer, void* module, void* request, uint32_t*, uint32_t* index) {
    static thread_local std::vector<Replica> replicas;
    static thread_local uint64_t turn = 0;
    auto* its = static_cast<Balanced*>(module);
    its->num_serving = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(balancer, 0);
    const std::string_view affine = its->by_prompt ? downstream_header(request, affinity) : std::string_view();
    const uint64_t key = affine.empty() ? 0 : hash_of(affine);
    const uint64_t seed = key != 0 ? key : ++turn;
    const Pool& pool = known_pools()[its - balanced];
    const std::string_view asked = pool.is_mixed ? downstream_header(request, asked_header) : std::string_view();
    look_at(balancer, request, seed, &pool.fitting(asked), replicas);
    if (replicas.empty() && !pool.is_mixed) look_at(balancer, request, seed, nullptr, replicas);
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
    *index = best->index;
    return true;
}
}
