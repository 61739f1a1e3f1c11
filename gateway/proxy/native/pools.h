// Which replica has which model. The gateway's Python process asks the replicas for it, and tells it to Envoy by a request
// to the internal listener: pools.py is the other side. Each line is of one replica, its parts separated by tabs: its
// paradigm; its address, nothing while it does not serve; and what may be asked of it, names of models and kinds, which
// begin with a question mark: see requests.h.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

using Addresses = std::set<std::string, std::less<>>;

// The replicas of one paradigm.
struct Pool {
    bool is_mixed = false;                                 // they have different models
    Addresses all;                                         // that serve, and have said what they have
    std::map<std::string, Addresses, std::less<>> having;  // what is asked for; no addresses while none of them serves

    const Addresses& fitting(std::string_view asked) const {
        static const Addresses none;
        if (!is_mixed || asked.empty()) return all;
        const auto found = having.find(asked);
        return found == having.end() ? none : found->second;
    }

    // The text of NOT_FOUND, as the services have it.
    std::string not_found(std::string_view asked) const {
        std::string text = asked.front() == '?'
                               ? "model: name one of"
                               : "model: there is no '" + std::string(asked.substr(0, 80)) + "'; there are";
        char before = ':';
        for (const auto& [name, addresses] : having) {
            if (name.front() == '?' || addresses.empty()) continue;
            text.append({before, ' '}).append(name);
            before = ',';
        }
        return before == ':' ? text + ": none" : text;
    }
};

using Pools = std::array<Pool, 2>;  // sequential, parallel

// What is before `end`, which is cut off together with it.
inline std::string_view cut(std::string_view& rest, char end) {
    const std::string_view part = rest.substr(0, rest.find(end));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
}

inline Pools read_pools(std::string_view text) {
    Pools pools;
    std::array<std::string_view, 2> seen;
    while (!text.empty()) {
        std::string_view line = cut(text, '\n');
        const bool is_parallel = cut(line, '\t') == "parallel";
        Pool& pool = pools[is_parallel];
        const std::string address(cut(line, '\t'));
        pool.is_mixed |= !seen[is_parallel].empty() && seen[is_parallel] != line;
        seen[is_parallel] = line;
        if (!address.empty()) pool.all.insert(address);
        while (!line.empty()) {
            Addresses& having = pool.having[std::string(cut(line, '\t'))];
            if (!address.empty()) having.insert(address);
        }
    }
    return pools;
}

namespace newest {
inline std::mutex mutex;  // of `pools`
inline std::shared_ptr<const Pools> pools = std::make_shared<Pools>();
inline std::atomic<uint64_t> number = 1;
}  // namespace newest

inline void tell_pools(std::string_view text) {
    auto told = std::make_shared<const Pools>(read_pools(text));
    std::lock_guard lock(newest::mutex);
    newest::pools = std::move(told);
    ++newest::number;
}

// What was told last; each thread holds it until it asks again.
inline const Pools& known_pools() {
    static thread_local std::shared_ptr<const Pools> mine;
    static thread_local uint64_t number = 0;
    if (number != newest::number) {
        std::lock_guard lock(newest::mutex);
        mine = newest::pools;
        number = newest::number;
    }
    return *mine;
}
