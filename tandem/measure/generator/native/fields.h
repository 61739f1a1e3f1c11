// Reading the protobuf fields of a reply's message, keeping only what was asked for.

#pragma once

#include <string.h>

#include <string_view>
#include <vector>

#include "interface.h"

// One field number below its parent, and into which columns what is asked of it goes (-1: into none).
struct Field {
    uint32_t number = 0;
    Form form = Form::block;
    int column[3] = {-1, -1, -1};  // by Take
    std::vector<Field> children = {};

    const Field* child(uint32_t wanted) const {
        for (const Field& each : children)
            if (each.number == wanted) return &each;
        return nullptr;
    }
    int of(Take take) const { return column[int(take)]; }
};

// Reads one message into `values`, a number for each column.
class FieldReader {
public:
    explicit FieldReader(double* values) : values_(values) {}

    // False: these bytes are no message.
    bool read(const Field& parent, std::string_view bytes) {
        if (parent.children.empty()) return true;  // of no field, nothing need be read
        while (!bytes.empty()) {
            uint64_t tag;
            if (!varint(bytes, tag) || tag >> 3 == 0 || tag >> 32 != 0) return false;
            if (!value(parent.child(uint32_t(tag >> 3)), tag & 7, bytes)) return false;
        }
        return true;
    }

private:
    // Remove a value from the front of `bytes`. `field` is null if it is unknown; a field of the wrong type is ignored, too.
    bool value(const Field* field, uint64_t wire_type, std::string_view& bytes) {
        uint64_t number = 0;
        switch (wire_type) {
            case 0:
                if (!varint(bytes, number)) return false;
                if (field != nullptr && field->form == Form::varint) add(*field, double(int64_t(number)));
                return true;
            case 1:
                if (bytes.size() < sizeof(double)) return false;
                if (field != nullptr && field->form == Form::floating64) add(*field, floating(bytes));
                bytes.remove_prefix(sizeof(double));
                return true;
            case 2:
                if (!varint(bytes, number) || number > bytes.size()) return false;
                if (field != nullptr && !block(*field, bytes.substr(0, number))) return false;
                bytes.remove_prefix(number);
                return true;
            case 5:
                if (bytes.size() < 4) return false;
                bytes.remove_prefix(4);
                return true;
            default: return false;  // groups, which proto3 does not have
        }
    }

    bool block(const Field& field, std::string_view bytes) {
        if (field.form == Form::block) {
            count(field);
            return read(field, bytes);
        }
        const uint64_t wire_type = field.form == Form::varint ? 0 : 1;
        while (!bytes.empty())  // packed
            if (!value(&field, wire_type, bytes)) return false;
        return true;
    }

    static bool varint(std::string_view& bytes, uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; !bytes.empty() && shift < 70; shift += 7) {
            const auto byte = uint8_t(bytes.front());
            bytes.remove_prefix(1);
            value |= uint64_t(byte & 0x7f) << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }

    static double floating(std::string_view bytes) {
        double value;
        memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    void add(const Field& field, double value) {
        count(field);
        if (const int column = field.of(Take::last); column >= 0) values_[column] = value;
        if (const int column = field.of(Take::first); column >= 0 && !(seen_ >> column & 1)) {
            seen_ |= uint64_t{1} << column;
            values_[column] += value;
        }
    }

    void count(const Field& field) {
        if (const int column = field.of(Take::count); column >= 0) values_[column] += 1;
    }

    double* values_;
    uint64_t seen_ = 0;  // columns of Take::first that this message has had
};
