// The arguments of a load client (see the head of http1.cpp), and the files that it writes.

#pragma once

#include "http2.h"

#include <fstream>
#include <iterator>
#include <vector>

struct Row {  // seconds of the monotonic clock; NaN: did not happen
    double intended, sent, first_message = NAN, ended = NAN;
    double messages = 0, status = -1;  // -1: no reply arrived
};

struct Plan {
    int port;
    std::string path;
    std::vector<std::string> messages;
    bool keeps_replies;
    size_t connections, callers, count;
    double seconds, drain_seconds;
};

inline std::string content(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail(std::string("cannot read ") + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> messages(const std::string& all) {  // each with its prefix
    std::vector<std::string> found;
    for (size_t at = 0; at + 5 <= all.size(); at += found.back().size()) {
        uint32_t size;
        memcpy(&size, all.data() + at + 1, 4);
        found.push_back(all.substr(at, 5 + ntohl(size)));
    }
    return found;
}

inline Plan plan_of(int count, char** words, const std::string& source) {
    if (count != 11) fail("usage: see the head of " + source);
    Plan plan{atoi(words[1]), words[2], messages(content(words[3])), strcmp(words[5], "-") != 0,
              strtoul(words[6], nullptr, 10), strtoul(words[7], nullptr, 10), strtoul(words[8], nullptr, 10),
              atof(words[9]), atof(words[10])};
    if (plan.messages.empty() || plan.connections == 0 || plan.count == 0) fail("nothing to send");
    return plan;
}

inline void report(const Plan& plan, const std::vector<Row>& rows, const std::string& replies, size_t sent,
                   const char* rows_path, const char* replies_path) {
    const auto* bytes = reinterpret_cast<const char*>(rows.data());
    std::ofstream(rows_path, std::ios::binary).write(bytes, rows.size() * sizeof(Row));
    if (plan.keeps_replies) std::ofstream(replies_path, std::ios::binary) << replies;
    printf("{\"sent\": %zu, \"cpu_seconds\": %.6f}\n", sent, cpu_seconds());
}
