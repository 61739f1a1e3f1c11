// What one caller may take of the proxy: connections, requests in flight, and the bytes of those requests, of each a
// share of the whole. A caller is an API key's identifier, else an address. A connection that has less than an equal part
// of its caller's share may go beyond the share, up to half of what it leaves: neither a program that floods one connection
// nor one that opens fifty keeps out the others on its host.
//
// The filter "keys" comes before keys are checked. An address that has shown many unknown keys has few others checked,
// besides those that were known before. All counts are of the whole process, whose threads share them.

#include "envoy.h"
#include "unused_hooks.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace {

constexpr int request_header = 0, response_header = 2, request_body = 0, goes_on = 0, stops = 1, drops_body = 3;
constexpr int close_at_once = 1;
constexpr double unknown_keys_per_second = 10, unknown_keys_at_once = 100;
constexpr size_t max_known_keys = 64, max_callers = 10'000;
constexpr std::string_view too_much = "this caller has as many requests at the gateway as one may";
constexpr std::string_view too_large = "the requests of this caller hold as much of the gateway's memory as one's may";
constexpr std::string_view too_many_keys = "too many unknown API keys came from this address";

struct Whole {
    long long connections = 0, requests = 0, bytes = 0;
    double share = 0;

    double share_of(long long all) const { return share * double(all); }
} whole;

enum Kind { sequential, parallel, other };  // of other requests there may be as many as connections

struct Caller {
    int64_t connections = 0, bytes = 0;
    std::array<int64_t, 3> requests{};
    std::unordered_map<std::string, int64_t> of_connection;  // requests
    double unknown_keys = 0, unknown_at = 0;
    std::unordered_set<size_t> known_keys;  // hashes

    bool is_idle() const {
        return connections == 0 && bytes == 0 && of_connection.empty() && unknown_keys == 0 && known_keys.empty();
    }
};

std::mutex mutex;  // of what follows
std::unordered_map<std::string, Caller> callers;

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

std::string_view header(void* envoy, int type, std::string_view name) {
    Bytes value{nullptr, 0};
    envoy_dynamic_module_callback_http_get_header(envoy, type, {name.data(), name.size()}, &value, 0, nullptr);
    return value.at == nullptr ? std::string_view() : std::string_view(value.at, value.size);
}

void refuse(void* envoy, std::string_view why) {
    constexpr std::string_view details = "caller_share";
    envoy_dynamic_module_callback_http_send_response(envoy, 429, nullptr, 0, {why.data(), why.size()},
                                                     {details.data(), details.size()});
}

std::string_view address_of(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }

void let_go(const std::string& name) {
    const auto found = callers.find(name);
    if (found != callers.end() && found->second.is_idle()) callers.erase(found);
}

// One request of the filter "shares" (`checks_keys` false) or "keys".
struct Request {
    bool checks_keys = false, is_checked = false, is_counted = false;
    std::string caller, connection;
    Kind kind = other;
    int64_t bytes = 0;
    size_t key = 0;

    bool begin(void* envoy) {
        const std::string_view peer = header(envoy, request_header, "tandem-peer");
        const std::string_view key_owner = header(envoy, request_header, "tandem-caller");
        const std::string_view path = header(envoy, request_header, ":path");
        caller = key_owner.empty() ? address_of(peer) : key_owner;
        connection = peer;
        kind = path.starts_with("/tandem.ar.") ? sequential : path.starts_with("/tandem.gan.") ? parallel : other;
        std::lock_guard lock(mutex);
        Caller& its = callers[caller];
        const long long all = kind == other ? whole.connections : whole.requests;
        const double share = whole.share_of(all);
        const auto own = its.of_connection.find(connection);
        const bool is_new = own == its.of_connection.end();
        const bool has_less = is_new || double(own->second) * double(its.of_connection.size()) < share;
        if (double(its.requests[kind]) >= (has_less ? (share + double(all)) / 2 : share)) return false;
        ++its.requests[kind];
        ++its.of_connection[connection];
        return is_counted = true;
    }

    bool receive(int64_t size) {
        std::lock_guard lock(mutex);
        Caller& its = callers[caller];
        bytes += size;
        its.bytes += size;
        return double(its.bytes) <= whole.share_of(whole.bytes);
    }

    void end() {
        std::lock_guard lock(mutex);
        Caller& its = callers[caller];
        --its.requests[kind];
        its.bytes -= bytes;
        if (--its.of_connection[connection] == 0) its.of_connection.erase(connection);
        let_go(caller);
        is_counted = false;
    }

    // Whether the key may be checked: it is known, or few that are not have come from the address. Pages, probes and health
    // need none.
    bool begin_check(void* envoy) {
        const std::string_view path = header(envoy, request_header, ":path");
        const std::string_view shown = header(envoy, request_header, "authorization");
        if (shown.empty() && !path.starts_with("/tandem.") && !path.starts_with("/inference.")) return true;
        caller = address_of(header(envoy, request_header, "tandem-peer"));
        key = std::hash<std::string_view>()(shown);
        is_checked = true;
        std::lock_guard lock(mutex);
        const auto found = callers.find(caller);
        if (found == callers.end() || found->second.known_keys.count(key) > 0) return true;
        Caller& its = found->second;
        const double at = now();
        its.unknown_keys = std::max(0.0, its.unknown_keys - (at - its.unknown_at) * unknown_keys_per_second);
        its.unknown_at = at;
        return its.unknown_keys < unknown_keys_at_once;
    }

    void end_check(bool is_known) {
        std::lock_guard lock(mutex);
        Caller& its = callers[caller];
        if (!is_known) {
            its.unknown_keys += 1;
            if (its.unknown_at == 0) its.unknown_at = now();
        } else {
            if (its.known_keys.size() >= max_known_keys) its.known_keys.clear();
            its.known_keys.insert(key);
        }
        let_go(caller);
        if (callers.size() <= max_callers) return;
        std::erase_if(callers, [](const auto& each) {
            return each.second.connections + each.second.bytes == 0 && each.second.of_connection.empty();
        });
    }
};

int shares, keys;  // configurations; their addresses tell them apart

}  // namespace

extern "C" {

void* envoy_dynamic_module_on_network_filter_config_new(void*, Bytes, Bytes) { return &shares; }
void envoy_dynamic_module_on_network_filter_config_destroy(void*) {}
void* envoy_dynamic_module_on_network_filter_new(void*, void*) { return new std::string; }  // empty: not counted

int envoy_dynamic_module_on_network_filter_new_connection(void* envoy, void* module) {
    Bytes address{nullptr, 0};
    uint32_t port = 0;
    if (!envoy_dynamic_module_callback_network_filter_get_remote_address(envoy, &address, &port)) return goes_on;
    std::string& name = *static_cast<std::string*>(module);
    const std::string_view text(address.at, address.size);
    name =
        text.find(':') == std::string_view::npos ? std::string(text) : "[" + std::string(text) + "]";  // as in a peer
    std::unique_lock lock(mutex);
    Caller& its = callers[name];
    if (double(its.connections) < whole.share_of(whole.connections)) {
        ++its.connections;
        return goes_on;
    }
    name.clear();
    lock.unlock();
    envoy_dynamic_module_callback_network_filter_close(envoy, close_at_once);
    return stops;
}
int envoy_dynamic_module_on_network_filter_read(void*, void*, size_t, bool) { return goes_on; }
int envoy_dynamic_module_on_network_filter_write(void*, void*, size_t, bool) { return goes_on; }
void envoy_dynamic_module_on_network_filter_event(void*, void*, int) {}
void envoy_dynamic_module_on_network_filter_destroy(void* module) {
    const auto* name = static_cast<std::string*>(module);
    if (!name->empty()) {
        std::lock_guard lock(mutex);
        --callers[*name].connections;
        let_go(*name);
    }
    delete name;
}

// `text`: the most of connections, of requests of a kind and of bytes of requests, and the share of one caller.
void* envoy_dynamic_module_on_http_filter_config_new(void*, Bytes name, Bytes text) {
    if (std::string_view(name.at, name.size) == "keys") return &keys;
    const std::string line(text.at, text.size);
    return sscanf(line.c_str(), "%lld %lld %lld %lf", &whole.connections, &whole.requests, &whole.bytes,
                  &whole.share) == 4
               ? &shares
               : nullptr;
}
void envoy_dynamic_module_on_http_filter_config_destroy(void*) {}
void* envoy_dynamic_module_on_http_filter_new(void* configuration, void*) {
    auto* request = new Request;
    request->checks_keys = configuration == &keys;
    return request;
}
void envoy_dynamic_module_on_http_filter_destroy(void* module) {
    auto* request = static_cast<Request*>(module);
    if (request->is_counted) request->end();
    delete request;
}

int envoy_dynamic_module_on_http_filter_request_headers(void* envoy, void* module, bool) {
    auto* request = static_cast<Request*>(module);
    if (request->checks_keys ? request->begin_check(envoy) : request->begin(envoy)) return goes_on;
    refuse(envoy, request->checks_keys ? too_many_keys : too_much);
    return stops;
}
int envoy_dynamic_module_on_http_filter_request_body(void* envoy, void* module, bool) {
    auto* request = static_cast<Request*>(module);
    if (!request->is_counted) return goes_on;
    if (request->receive(int64_t(envoy_dynamic_module_callback_http_get_body_size(envoy, request_body))))
        return goes_on;
    refuse(envoy, too_large);
    return drops_body;
}
int envoy_dynamic_module_on_http_filter_request_trailers(void*, void*) { return goes_on; }
int envoy_dynamic_module_on_http_filter_response_headers(void* envoy, void* module, bool) {
    auto* request = static_cast<Request*>(module);
    if (!request->is_checked) return goes_on;
    constexpr std::string_view unauthenticated = "16", unauthorized = "401";
    const std::string_view status = header(envoy, response_header, ":status");
    if (status == "429") return goes_on;  // it was not checked
    request->end_check(status != unauthorized && header(envoy, response_header, "grpc-status") != unauthenticated);
    return goes_on;
}
int envoy_dynamic_module_on_http_filter_response_body(void*, void*, bool) { return goes_on; }
int envoy_dynamic_module_on_http_filter_response_trailers(void*, void*) { return goes_on; }
void envoy_dynamic_module_on_http_filter_stream_complete(void*, void* module) {
    auto* request = static_cast<Request*>(module);
    if (request->is_counted) request->end();
}
}
