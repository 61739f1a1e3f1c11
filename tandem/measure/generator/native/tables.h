// What is recorded, as rows that Python reads; in deques, so that nothing is moved when there is more of it.

#pragma once

#include <stdint.h>

#include <deque>
#include <string>
#include <vector>

// Who ended a request, or that its reply came to its end; tables.py has the same numbers.
enum class End : int32_t { answered, deadline, cancelled, cut_off };

// A request that has ended. Seconds from the zero of the run; NaN: did not happen.
struct Row {
    int64_t number;
    double intended, sent, first_output, ended;
    int32_t route, code, end, length, num_messages, text;  // `text`: its number among the texts; -1: none
};

struct MessageRow {
    int64_t number;
    double at;
    int32_t size, num_outputs;
};

// A message that was kept: where its bytes lie among all bytes that are kept.
struct KeptRow {
    int64_t number, begin, size, message;  // `message`: the how manieth of its request
};

struct Seen {
    std::deque<Row> rows;
    std::deque<double> values;  // of the columns of each row's route, one row after another
    std::deque<MessageRow> messages;
    std::deque<KeptRow> kept;
    std::deque<char> kept_bytes;
    std::deque<double> lags;
    std::vector<int64_t> dropped, abandoned;  // by route
    std::string texts;  // one behind the other, each with a 0 at its end
};
