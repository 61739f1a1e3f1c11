// What a token is sampled by, and what that does to a row's logits: bias, penalties, masks.
//
// Tokens that are no outputs are passed over.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "weights.h"

namespace tandem {

// Counts tokens of one row at a time.
class Counter {
public:
    void reserve(int num_tokens) { counts_.resize(num_tokens); }

    void add(const int32_t* token_ids, int count) {
        for (int i = 0; i < count; i++) {
            if (uint32_t(token_ids[i]) < counts_.size() && counts_[token_ids[i]]++ == 0) met_.push_back(token_ids[i]);
        }
    }

    // Call body(token_id, count) for each token that was counted, and set its count to 0.
    void drain(const auto& body) {
        for (int32_t token_id : met_) {
            body(token_id, counts_[token_id]);
            counts_[token_id] = 0;
        }
        met_.clear();
    }

private:
    std::vector<int32_t> counts_, met_;
};

// Whether anything but the mask does.
inline bool changes_logits(const Row& row) {
    return row.sampling->num_biases > 0 || row.sampling->has_penalties || row.num_ruled_out > 0;
}

// Repetition (Keskar et al. 2019) concerns prompt and output, presence and frequency the output.
inline void penalise(const Row& row, float* logits, Counter& counter) {
    constexpr float kHighest = std::numeric_limits<float>::max();
    const Sampling& sampling = *row.sampling;
    counter.add(row.history, row.num_history);
    counter.add(row.drafted, row.num_drafted);
    counter.drain([&](int token_id, int) {
        float logit = logits[token_id];
        logit = logit > 0.0f ? logit / sampling.repetition_penalty : logit * sampling.repetition_penalty;
        logits[token_id] = std::clamp(logit, -kHighest, kHighest);
    });
    counter.add(row.history + row.num_prompt, row.num_history - row.num_prompt);
    counter.add(row.drafted, row.num_drafted);
    counter.drain([&](int token_id, int count) {
        logits[token_id] -= float(count) * sampling.frequency_penalty + sampling.presence_penalty;
    });
}

// Apply bias, penalties and unwanted ends to logits[size], in this order.
inline void adjust(const Row& row, float* logits, int size, Counter& counter) {
    const Sampling& sampling = *row.sampling;
    for (int i = 0; i < sampling.num_biases; i++) {
        if (uint32_t(sampling.bias_ids[i]) < uint32_t(size)) logits[sampling.bias_ids[i]] += sampling.biases[i];
    }
    if (sampling.has_penalties) penalise(row, logits, counter);
    for (int i = 0; i < row.num_ruled_out; i++) {
        if (uint32_t(row.ruled_out[i]) < uint32_t(size))
            logits[row.ruled_out[i]] = std::numeric_limits<float>::lowest();
    }
}

}  // namespace tandem
