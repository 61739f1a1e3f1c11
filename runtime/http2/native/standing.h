// Refusals that stand. Where Python turns a call away it may say how many more of its kind it would take: those beyond
// get the same answer here, before Python hears of them. Calls are of a kind that are of one caller or peer, to one
// method and one model, and have no more time than the one that was turned away.

#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

#include "call.h"

// The model that a request names: the first field of its message, as every client writes it that has it. Empty if there
// is none, or if it is too long to be a name.
inline std::string_view model_named(std::string_view message) {
    constexpr char first_field_of_bytes = 0x0a;
    constexpr size_t max_size = 127;  // whose length is one byte
    if (message.size() < 2 || message[0] != first_field_of_bytes) return {};
    const size_t size = uint8_t(message[1]);
    return size > max_size || message.size() < 2 + size ? std::string_view() : message.substr(2, size);
}

struct Standing {  // shared by both threads
    std::atomic<int64_t> room{-1};  // calls more that Python would take; negative: nothing new
    std::atomic<bool> is_over{false};
};

// Open calls of one kind: those that Python was told of and has not finished.
struct OpenCalls {
    int64_t count = 0;
    std::shared_ptr<Standing> standing;  // none: nothing is refused
    int64_t most = 0;                    // beyond so many calls are refused
    double timeout = 0, refused_at = 0;
    std::string trailers;

    // Clients reckon their timeouts anew for each call: what is left of the same deadline differs by a little.
    static constexpr double timeout_tolerance = 1.02;

    // `num_unbegun` tells how many of them Python has not come to: its room does not know of those.
    template <class NumUnbegun>
    void learn(NumUnbegun num_unbegun) {
        if (const int64_t room = standing->room.exchange(-1); room >= 0) most = count - num_unbegun() + room;
    }

    bool is_for(const Call& call) const { return call.timeout <= timeout * timeout_tolerance; }

    void end_standing() {
        if (standing != nullptr) standing->is_over = true;
        standing = nullptr;
    }
};

// By kind. Used by the server's thread alone.
class StandingRefusals {
public:
    // The trailers to refuse the call with, null if Python is to hear of it.
    template <class NumUnbegun>
    const std::string* refusal_of(const Call& call, NumUnbegun num_unbegun) {
        const auto found = kinds_.find(kind_of(call));
        if (found == kinds_.end() || found->second.standing == nullptr) return nullptr;
        OpenCalls& open = found->second;
        open.learn([&] { return num_unbegun(found->first); });
        if (open.count < open.most || !open.is_for(call)) return nullptr;
        open.refused_at = now();
        return &open.trailers;
    }

    // The calls of a kind, if a refusal stands and there are more than there is room for; else null.
    const OpenCalls* too_many_of(const std::string& kind) const {
        const auto found = kinds_.find(kind);
        if (found == kinds_.end() || found->second.standing == nullptr) return nullptr;
        return found->second.count > found->second.most ? &found->second : nullptr;
    }

    void began(Call& call) {
        call.kind = kind_of(call);
        ++kinds_[call.kind].count;
    }

    void ended(Call& call) {
        const auto found = kinds_.find(call.kind);
        if (call.kind.empty() || found == kinds_.end()) return;
        call.kind.clear();
        if (--found->second.count == 0 && found->second.standing == nullptr) kinds_.erase(found);
    }

    // Python turns the call away, and others with it that have as much time or less. What was said of calls that have
    // more stands: there may be room for them. `num_unbegun`: calls of the kind that Python has not come to.
    void stand(const Call& call, std::shared_ptr<Standing> standing, std::string trailers, int64_t num_unbegun) {
        OpenCalls& open = kinds_[call.kind];
        const bool is_less = open.standing != nullptr && call.timeout * OpenCalls::timeout_tolerance < open.timeout;
        if (is_less || call.model.empty()) {  // without a model, others like it may be for another one
            standing->is_over = true;
            return;
        }
        open.timeout = open.standing == nullptr ? call.timeout : std::max(call.timeout, open.timeout);
        open.end_standing();
        open.standing = std::move(standing);
        open.trailers = std::move(trailers);
        open.refused_at = now();
        open.most = open.count - num_unbegun - 1;  // without the one that is turned away
        if (const int64_t room = open.standing->room.exchange(-1); room > 0) open.most += room;
    }

    void end_old(double before) {  // those that have refused nobody since then
        for (auto each = kinds_.begin(); each != kinds_.end();) {
            OpenCalls& open = each->second;
            if (open.standing != nullptr && open.refused_at < before) open.end_standing();
            each = open.count == 0 && open.standing == nullptr ? kinds_.erase(each) : std::next(each);
        }
    }

private:
    static std::string kind_of(const Call& call) {
        return call.path + '\0' + call.caller + '\0' + call.peer + '\0' + call.model;
    }

    std::unordered_map<std::string, OpenCalls> kinds_;
};
