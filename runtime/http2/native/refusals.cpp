// Calls that are refused before Python hears of them, as it said of others like them: it is told how many, by path.

#include "server.h"

constexpr double tell_unheard_after_seconds = 0.1;
constexpr size_t max_unheard_paths = 256;  // a client may make up any number

int64_t Server::refuse_alike(uint64_t call, std::string_view trailers, std::string_view cached) {
    std::vector<Command> commands(1);
    commands[0] = {call, {}, std::string(trailers), true, std::string(cached), std::make_shared<CachedRefusal>()};
    return give(commands);
}

bool Server::set_capacity(uint64_t refused_call, int64_t capacity) {
    std::lock_guard lock(mutex_);
    const auto found = cached_refusals_.find(refused_call);
    if (found == cached_refusals_.end()) return false;
    if (!found->second->is_over) {
        found->second->capacity = capacity;
        return true;
    }
    cached_refusals_.erase(found);
    return false;
}

void Server::count_ended(Call& call) {
    const auto found = open_.find(call.kind);
    if (call.kind.empty() || found == open_.end()) return;
    call.kind.clear();
    if (--found->second.count == 0 && found->second.cached_refusal == nullptr) open_.erase(found);
}

// The trailers of a refusal that is cached for calls of this one's kind; null if there is none, or room.
const std::string* Server::refusal_of(const Call& call, const std::string& kind) {
    const auto found = open_.find(kind);
    if (found == open_.end() || found->second.cached_refusal == nullptr) return nullptr;
    OpenCalls& open = found->second;
    open.learn();
    if (open.count < open.most || !open.is_for(call)) return nullptr;
    open.refused_at = now();
    return &open.trailers;
}

void Server::end_refusals(double before) {  // those that last refused a call before that time
    for (auto each = open_.begin(); each != open_.end();) {
        OpenCalls& open = each->second;
        if (open.cached_refusal != nullptr && open.refused_at < before) open.end_cached_refusal();
        each = open.count == 0 && open.cached_refusal == nullptr ? open_.erase(each) : std::next(each);
    }
}

// Where a refusal is cached, it holds for those as well that came before it and that Python has not come to; the last
// ones first, as long as there are more than there is room for.
void Server::refuse_unbegun(const std::string& kind) {
    const auto open = open_.find(kind);
    if (open == open_.end() || open->second.num_too_many() == 0) return;
    std::vector<Call*> refused;
    events.withdraw([&](const std::vector<uint64_t>& calls) {
        std::unordered_set<uint64_t> chosen;
        const size_t most = size_t(open->second.num_too_many());
        for (auto each = calls.rbegin(); each != calls.rend() && chosen.size() < most; ++each) {
            const auto found = calls_.find(*each);
            if (found == calls_.end() || found->second->kind != kind || !open->second.is_for(*found->second)) continue;
            chosen.insert(*each);
            refused.push_back(found->second);
        }
        return chosen;
    });
    const std::string trailers = open->second.trailers;  // the last of its calls takes it along
    for (Call* each : refused) refuse_unheard(*each, trailers);
}

void Server::refuse_unheard(Call& call, const std::string& trailers) {
    if (unheard_.empty()) tell_unheard_at_ = now() + tell_unheard_after_seconds;
    if (unheard_.size() < max_unheard_paths || unheard_.count(call.path)) ++unheard_[call.path];
    call.is_announced = false;
    refuse(call, trailers);
}

void Server::tell_unheard() {
    if (unheard_.empty() || now() < tell_unheard_at_) return;
    for (const auto& [path, count] : unheard_)
        events.add(Kind::refused, 0, 0, 0, path, {}, {reinterpret_cast<const char*>(&count), sizeof count});
    unheard_.clear();
}
