// Reading a reply's protobuf fields as its bytes come, in pieces of any size, keeping only what was asked for.

#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <vector>

// How a field's value lies on the wire; fields.py has the same numbers. `block`: messages, strings, bytes.
enum class Form : uint8_t { varint, integer32, integer64, floating32, floating64, block };

// What becomes of a field: how often it occurs, packed elements one by one; the first value of each message, added up; the
// last value of all; the bytes of each occurrence. columns.py has the same numbers.
enum class Take : uint8_t { count, first, last, bytes };

// One field number below its parent, and into which columns what is asked of it goes (-1: into none).
struct Field {
    uint32_t number = 0;
    Form form = Form::block;
    int column[4] = {-1, -1, -1, -1};  // by Take
    std::vector<Field> children = {};

    const Field* child(uint32_t wanted) const {
        for (const Field& each : children)
            if (each.number == wanted) return &each;
        return nullptr;
    }
    int of(Take take) const { return column[int(take)]; }
};

// Reads one message at a time: `begin`, `feed` until all its bytes were given. `values` has a number for each column.
class FieldReader {
public:
    void begin(const Field* root, uint64_t size, double* values) {
        values_ = values;
        levels_.clear();
        levels_.push_back({root, size});
        at_ = 0;
        state_ = root->children.empty() && size > 0 ? State::payload : State::tag;  // of no field, nothing need be read
        block_ends_at_ = size;
        varint_ = seen_ = shift_ = 0;
        captured_.clear();
        is_capturing_ = root->of(Take::bytes) >= 0;
        capturing_ = root;
        capture_ends_at_ = size;
        end_capture();
    }

    // False: these bytes are no such message.
    bool feed(const uint8_t* data, size_t size) {
        while (size > 0) {
            const size_t step = state_ == State::payload ? std::min<uint64_t>(size, block_ends_at_ - at_) : 1;
            if (is_capturing_) captured_.append(reinterpret_cast<const char*>(data), step);
            at_ += step;
            if (state_ == State::payload) {
                if (at_ == block_ends_at_) state_ = State::tag;
            } else if (!take(*data)) {
                return false;
            }
            data += step;
            size -= step;
            if (!leave_levels()) return false;
        }
        return true;
    }

    // Whether a message whose bytes were all given is complete.
    bool is_complete() const { return state_ == State::tag && levels_.size() == 1 && shift_ == 0; }

    // The bytes of a field that was asked for, once they are all there; the column is -1 if there are none.
    struct Captured {
        int column;
        std::string bytes;
    };
    std::vector<Captured> captured_fields;

private:
    enum class State : uint8_t { tag, value, fixed, length, payload, packed };
    struct Level {
        const Field* field;
        uint64_t ends_at;
    };
    static constexpr size_t kMaxDepth = 32;

    bool take(uint8_t byte) {
        switch (state_) {
            case State::tag: return !add_to_varint(byte) || (is_good_ && begin_field());
            case State::value: return !add_to_varint(byte) || (is_good_ && (number(field_, integer(varint_of())), back()));
            case State::length: return !add_to_varint(byte) || (is_good_ && begin_block(varint_of()));
            case State::fixed: return take_fixed(byte) ? back() : true;
            case State::packed: return take_element(byte);
            case State::payload: return true;
        }
        return false;
    }

    bool back() {
        state_ = State::tag;
        return true;
    }

    // True: the varint ends with this byte; `is_good_` says whether it was one.
    bool add_to_varint(uint8_t byte) {
        is_good_ = shift_ < 70;
        if (shift_ < 64) varint_ |= uint64_t(byte & 0x7f) << shift_;
        shift_ += 7;
        return !is_good_ || byte < 0x80;
    }

    uint64_t varint_of() {
        const uint64_t value = varint_;
        varint_ = shift_ = 0;
        return value;
    }

    bool begin_field() {
        const uint64_t tag = varint_of();
        if (tag >> 3 == 0 || tag >> 32 != 0) return false;
        const Field* parent = levels_.back().field;
        field_ = parent->child(uint32_t(tag >> 3));
        switch (tag & 7) {
            case 0: state_ = State::value; return ignore_unless(Form::varint);
            case 1: return begin_fixed(8);
            case 5: return begin_fixed(4);
            case 2: state_ = State::length; return true;
            default: return false;  // groups, which proto3 does not have
        }
    }

    bool begin_fixed(int size) {
        state_ = State::fixed;
        fixed_left_ = fixed_size_ = size;
        fixed_ = 0;
        if (field_ != nullptr && size_of(field_->form) != size) field_ = nullptr;
        return true;
    }

    bool ignore_unless(Form form) {  // a field of another type than it should have is one that nobody knows
        if (field_ != nullptr && field_->form != form) field_ = nullptr;
        return true;
    }

    static int size_of(Form form) {
        if (form == Form::integer32 || form == Form::floating32) return 4;
        return form == Form::integer64 || form == Form::floating64 ? 8 : 0;
    }

    bool take_fixed(uint8_t byte) {  // true: it was the last one
        fixed_ |= uint64_t(byte) << 8 * (fixed_size_ - fixed_left_);
        if (--fixed_left_ > 0) return false;
        number(field_, fixed_number());
        return true;
    }

    double fixed_number() const {
        if (field_ == nullptr) return 0;
        if (field_->form == Form::integer64) return double(fixed_);
        if (field_->form == Form::integer32) return double(uint32_t(fixed_));
        if (field_->form == Form::floating64) {
            double value;
            memcpy(&value, &fixed_, 8);
            return value;
        }
        const uint32_t half = uint32_t(fixed_);
        float value;
        memcpy(&value, &half, 4);
        return value;
    }

    static double integer(uint64_t value) { return double(int64_t(value)); }

    void number(const Field* field, double value) {
        if (field == nullptr) return;
        count(field);
        if (const int column = field->of(Take::last); column >= 0) values_[column] = value;
        if (const int column = field->of(Take::first); column >= 0 && !(seen_ >> column & 1)) {
            seen_ |= uint64_t{1} << column;
            values_[column] += value;
        }
    }

    void count(const Field* field) {
        if (const int column = field->of(Take::count); column >= 0) values_[column] += 1;
    }

    bool begin_block(uint64_t size) {
        if (size > levels_.back().ends_at - at_) return false;
        block_ends_at_ = at_ + size;
        state_ = State::payload;
        if (field_ != nullptr && field_->form != Form::block) {
            state_ = State::packed;
            if (const int width = size_of(field_->form)) restart_fixed(width);
        } else if (field_ != nullptr) {
            count(field_);
            begin_capture();
            if (!field_->children.empty() && levels_.size() < kMaxDepth) {
                levels_.push_back({field_, block_ends_at_});
                state_ = State::tag;
            }
        }
        if (size == 0 && state_ != State::tag) state_ = State::tag;
        return true;
    }

    void restart_fixed(int width) {
        fixed_left_ = fixed_size_ = width;
        fixed_ = 0;
    }

    bool take_element(uint8_t byte) {
        if (size_of(field_->form) == 0) {
            if (add_to_varint(byte)) {
                if (!is_good_) return false;
                number(field_, integer(varint_of()));
            }
        } else if (take_fixed(byte)) {
            restart_fixed(fixed_size_);
        }
        if (at_ < block_ends_at_) return true;
        return shift_ == 0 && (size_of(field_->form) == 0 || fixed_left_ == fixed_size_) && back();
    }

    void begin_capture() {  // the outermost that was asked for; a message within it is a part of it
        if (is_capturing_ || field_->of(Take::bytes) < 0) return;
        is_capturing_ = true;
        capture_ends_at_ = block_ends_at_;
        capturing_ = field_;
        captured_.clear();
    }

    // Close what has come to its end. False: a field reaches out of its message.
    bool leave_levels() {
        end_capture();
        while (levels_.size() > 1 && at_ == levels_.back().ends_at) {
            if (state_ != State::tag || shift_ != 0) return false;
            levels_.pop_back();
        }
        return state_ == State::tag || at_ < levels_.back().ends_at;
    }

    void end_capture() {
        if (!is_capturing_ || at_ < capture_ends_at_) return;
        is_capturing_ = false;
        captured_fields.push_back({capturing_->of(Take::bytes), std::move(captured_)});
        captured_ = std::string();
    }

    double* values_ = nullptr;
    std::vector<Level> levels_;
    const Field* field_ = nullptr;
    const Field* capturing_ = nullptr;
    std::string captured_;
    State state_ = State::tag;
    uint64_t at_ = 0, block_ends_at_ = 0, capture_ends_at_ = 0, varint_ = 0, fixed_ = 0, seen_ = 0;
    unsigned shift_ = 0;
    int fixed_left_ = 0, fixed_size_ = 0;
    bool is_good_ = true, is_capturing_ = false;
};
