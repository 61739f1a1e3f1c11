// What attention over a cache of any type is asked for, and what it makes of scores.
#pragma once

#include <algorithm>
#include <cmath>

#include "../vectors.h"

namespace tandem {

constexpr int kMaxQueries = 6;  // of a tile

// A query [head_dim], which looks at positions first to last, and where its result goes; whether its row is fine.
struct Query {
    const float* values;
    float* out;
    int first;
    int last;
    bool is_fine;
};

// What the queries of a tile look at together.
struct View {
    const int32_t* block_table;
    int first;
    int last;

    View(const int32_t* block_table, const Query* queries, int num_queries)
        : block_table(block_table), first(queries[0].first), last(queries[0].last) {
        for (int q = 1; q < num_queries; q++) {
            first = std::min(first, queries[q].first);
            last = std::max(last, queries[q].last);
        }
    }

    int start() const { return first / kLanes * kLanes; }
    int stop() const { return last / kLanes * kLanes + kLanes; }
};

// Turn the scores of one query, exponents of 2, into weights that sum up to 1 when divided by the number returned; 0 is
// the weight of what it does not look at. A score of NaN or beyond the largest float gives NaN, so that the row's result
// tells. use(position, weights) returns what is kept of the weights of 16 positions.
inline float softmax(const View& view, const Query& query, float* scores, const auto& use) {
    int start = view.start(), stop = view.stop();
    for (int position = start; position < query.first; position++) scores[position] = -INFINITY;
    for (int position = query.last + 1; position < stop; position++) scores[position] = -INFINITY;
    Floats most = load(scores + start);
    for (int position = start + kLanes; position < stop; position += kLanes) most = max(most, load(scores + position));
    float top = max_of(most);
    Floats sum{};
    for (int position = start; position < stop; position += kLanes) {
        Floats score = load(scores + position), weight = exp2(score - top);
        bool is_whole = position >= query.first && position + kLanes <= query.last + 1;
        if (!is_whole) weight = (Floats)((Ints)weight & (Ints)(score != -INFINITY));
        store(scores + position, use(position, weight));
        sum += weight;
    }
    return sum_of(sum);
}

}  // namespace tandem
