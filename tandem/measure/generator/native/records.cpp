// What is recorded of a request that has ended.

#include "sender.h"

namespace {

constexpr size_t kMaxTexts = 2000;
const std::string kMoreTexts = "(more texts than are kept)";

}  // namespace

void Sender::finish(Call& call, End end, int code, const std::string& text) {
    if (const double at = std::min(call.deadline_at, call.cancel_at); at < INFINITY) timers_.erase({at, &call});
    if (call.connection != nullptr) call.connection->remove(&call);
    const double ended = end == End::answered && call.has_headers ? received_at_ : now();
    seen.rows.push_back({call.spec.number, call.spec.intended, call.sent, call.first_output, ended, call.spec.route, code,
                         int32_t(end), call.spec.length, call.num_messages, code == kOk ? -1 : text_number(text)});
    seen.values.insert(seen.values.end(), call.values.begin(), call.values.end());
    count(end, code);
    if (call.caller >= 0) {
        if (code == kOk) hungry_.push_back({call.caller, now()});
        else sleeping_.insert({now() + load_.pause_seconds, call.caller});
    }
    call.clear();
    free_.push_back(&call);
}

int Sender::text_number(const std::string& text) {
    if (const auto found = text_numbers_.find(text); found != text_numbers_.end()) return found->second;
    const size_t number = text_numbers_.size();
    if (number >= kMaxTexts && text != kMoreTexts) return text_number(kMoreTexts);
    seen.texts.append(text.c_str(), text.size() + 1);
    return text_numbers_[text] = int(number);
}

void Sender::count(End end, int code) {
    add(progress.outstanding, -1);
    if (end == End::cancelled) add(progress.cancelled, 1);
    else if (end == End::cut_off) add(progress.unfinished, 1);
    else if (code == kOk) add(progress.ok, 1);
    else if (code == kDeadlineExceeded) add(progress.deadline, 1);
    else add(progress.error, 1);
    if (code == kUnavailable) return add(progress.unavailable_in_a_row, 1);
    progress.unavailable_in_a_row = 0;
    progress.answered_at = now();
}
