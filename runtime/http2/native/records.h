// Records of what Python is told, one behind the other in a buffer.

#pragma once

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "layout.h"

struct Record {
    Kind kind;
    uint8_t flags;
    uint64_t call;
    double deadline = 0;  // seconds of the monotonic clock, infinite if there is none
    std::string_view path = {}, metadata = {}, payload = {};
};

class Records {
public:
    bool is_empty() const { return bytes_.empty(); }
    int64_t size() const { return int64_t(bytes_.size()); }
    int64_t num_calls() const { return num_calls_; }
    std::string_view bytes() const { return bytes_; }

    void add(const Record& record) {
        const RecordHead head{uint32_t(sizeof(RecordHead) + record.path.size() + record.metadata.size() + record.payload.size()),
                        uint8_t(record.kind), record.flags, uint16_t(record.path.size()), record.call, record.deadline,
                        uint32_t(record.metadata.size()), uint32_t(record.payload.size())};
        bytes_.append(reinterpret_cast<const char*>(&head), sizeof head);
        bytes_.append(record.path).append(record.metadata).append(record.payload);
        num_calls_ += record.kind == Kind::call;
    }

    void add(const Records& others) {
        bytes_.append(others.bytes_);
        num_calls_ += others.num_calls_;
    }

    void clear() {
        bytes_.clear();
        num_calls_ = 0;
    }

    void swap(Records& other) {
        bytes_.swap(other.bytes_);
        std::swap(num_calls_, other.num_calls_);
    }

    // Move the first records to `to`, in place of what it has: all, or as many as bring no more than `max_calls` calls.
    void give(Records& to, int64_t max_calls) {
        to.clear();
        if (num_calls_ <= max_calls) return swap(to);
        size_t end = 0;
        for (RecordHead head; end < bytes_.size() && to.num_calls_ < max_calls; end += head.size) {
            head = head_at(end);
            to.num_calls_ += Kind(head.kind) == Kind::call;
        }
        to.bytes_.assign(bytes_, 0, end);
        bytes_.erase(0, end);
        num_calls_ -= to.num_calls_;
    }

    // Add the calls that begin here, oldest first.
    void add_calls_to(std::vector<uint64_t>& calls) const {
        RecordHead head;
        for (size_t at = 0; at < bytes_.size(); at += head.size) {
            head = head_at(at);
            if (Kind(head.kind) == Kind::call) calls.push_back(head.call);
        }
    }

    void remove(const std::unordered_set<uint64_t>& calls) {
        Records kept;
        RecordHead head;
        for (size_t at = 0; at < bytes_.size(); at += head.size) {
            head = head_at(at);
            if (calls.count(head.call)) continue;
            kept.bytes_.append(bytes_, at, head.size);
            kept.num_calls_ += Kind(head.kind) == Kind::call;
        }
        swap(kept);
    }

private:
    RecordHead head_at(size_t at) const {  // records are not aligned
        RecordHead head;
        memcpy(&head, bytes_.data() + at, sizeof head);
        return head;
    }

    std::string bytes_;
    int64_t num_calls_ = 0;
};
