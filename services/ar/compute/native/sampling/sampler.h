// From logits to tokens: each row by one thread, from its own logits, parameters and history alone.
//
// A row's result has the same bits whatever is sampled beside it, in how many threads, and on each instruction set.
#pragma once

#include <cmath>

#include "../threads.h"
#include "order.h"
#include "row.h"
#include "weights.h"

namespace tandem {

// The number in [0, 1) of a position of one of a seed's sequences: Philox4x64-10 (Salmon et al. 2011), by counter, as
// numpy's generator has it.
inline double uniform_number(uint64_t seed, uint64_t choice, uint64_t position) {
    constexpr int kRounds = 10;
    constexpr unsigned __int128 kFirst = 0xD2E7470EE14C6C93, kSecond = 0xCA5A826395121157;
    uint64_t key[2] = {seed, choice};
    // numpy counts up before it makes words.
    uint64_t words[4] = {position + 1, 0, 0, 0};
    for (int round = 0; round < kRounds; round++) {
        unsigned __int128 first = kFirst * words[0], second = kSecond * words[2];
        words[0] = uint64_t(second >> 64) ^ words[1] ^ key[0];
        words[1] = uint64_t(second);
        words[2] = uint64_t(first >> 64) ^ words[3] ^ key[1];
        words[3] = uint64_t(first);
        key[0] += 0x9E3779B97F4A7C15;
        key[1] += 0xBB67AE8584CAA73B;
    }
    return double(words[0] >> 11) * 0x1p-53;
}

// What one thread needs beside a row's logits.
struct Workspace {
    std::vector<float> logits;
    RowWeights weights;
    Order order;
    Counter counter;

    void reserve(int num_tokens) {
        logits.resize(num_tokens + kLanes);
        weights.reserve(num_tokens);
        counter.reserve(num_tokens);
    }
};

// The token drawn from what top_k, top_p and min_p leave, in this order: top_p is of what top_k left, min_p of the most
// probable token.
inline int draw_truncated(const Sampling& sampling, double uniform, Workspace& space) {
    const RowWeights& weights = space.weights;
    Order& order = space.order;
    double whole = weights.total();
    // All tokens below this are together less than what top_p leaves out.
    double dispensable = 0.99 * (1.0 - sampling.top_p) * whole / weights.size();
    float least = sampling.top_k > 0 ? reached_by(weights.data(), weights.size(), sampling.top_k) : float(dispensable);
    if (sampling.top_k == 0) least = std::max(least, float(sampling.min_p));
    order.take(weights.data(), weights.size(), least);
    Amount kept = order.all();
    if (sampling.top_k > 0) {
        kept = order.find([&](const Amount& amount) { return amount.count >= sampling.top_k; }).amount;
        whole = kept.weight;
    }
    if (sampling.top_p < 1.0) {
        Amount by_share =
            order.find([&](const Amount& amount) { return amount.weight >= sampling.top_p * whole; }).amount;
        if (by_share.count < kept.count) kept = by_share;
    }
    if (sampling.top_k > 0 && sampling.min_p > 0.0) {
        order.take(weights.data(), weights.size(), std::max(least, float(sampling.min_p)));
        if (order.all().count < kept.count) kept = order.all();
    }
    double target = uniform * kept.weight;
    auto is_drawn = [&](const Amount& amount) { return amount.weight > target || amount.count >= kept.count; };
    return order.find(is_drawn).token_id;
}

inline int draw(const Sampling& sampling, int position, const float* logits, int size, float best, Workspace& space) {
    double uniform = uniform_number(sampling.seed, sampling.choice, uint64_t(position));
    space.weights.take(logits, size, best, sampling.temperature);
    bool truncates = sampling.top_k > 0 || sampling.top_p < 1.0 || sampling.min_p > 0.0;
    if (truncates) return draw_truncated(sampling, uniform, space);
    return space.weights.pass(uniform * space.weights.total());
}

inline int choose(const Row& row, const float* logits, int size, Workspace& space) {
    if (row.forced >= 0) return row.forced;
    float* changed = space.logits.data();
    if (changes_logits(row)) {
        adjust(row, std::copy_n(logits, size, changed) - size, size, space.counter);
        logits = changed;
    }
    Best best = best_of(logits, size, row.allowed);
    if (row.sampling->temperature == 0.0) return best.token_id;
    if (row.allowed != nullptr) {
        each_vector(logits, size, 0.0f,
                    [&](int first, Floats x) { store(changed + first, ruled_out(row.allowed, first, size, x)); });
        logits = changed;
    }
    return draw(*row.sampling, row.position, logits, size, best.logit, space);
}

// Put the `count` largest of logits[size] and their tokens in order, of equals the first first.
inline void find_largest(const float* logits, int size, int count, int32_t* token_ids, float* largest) {
    constexpr float kLowest = -std::numeric_limits<float>::infinity();
    std::fill_n(largest, count, kLowest);
    if (count == 0) return;
    each_vector(logits, size, kLowest, [&](int first, Floats x) {
        each_lane(lanes_of((Ints)(x > largest[count - 1])), [&](int lane) {
            int place = count - 1;
            if (!(x[lane] > largest[place])) return;
            for (; place > 0 && largest[place - 1] < x[lane]; place--) {
                largest[place] = largest[place - 1];
                token_ids[place] = token_ids[place - 1];
            }
            largest[place] = x[lane];
            token_ids[place] = first + lane;
        });
    });
}

// Natural log-probabilities under the bare model, of the token and of the best alternatives.
inline void report(const Samples& samples, int row, const float* logits, Workspace& space) {
    int size = samples.num_tokens, count = samples.rows[row].sampling->top_logprobs;
    float best = best_of(logits, size).logit;
    space.weights.take(logits, size, best, 1.0);
    double normaliser = double(best) + std::log(space.weights.total());
    samples.logprobs[row] = float(logits[samples.token_ids[row]] - normaliser);
    float* alternatives = samples.alternative_logprobs + size_t(row) * samples.max_alternatives;
    find_largest(logits, size, count, samples.alternative_ids + size_t(row) * samples.max_alternatives, alternatives);
    for (int i = 0; i < count; i++) alternatives[i] = float(alternatives[i] - normaliser);
}

inline void sample(const Samples& samples, int index, const float* logits, Workspace& space) {
    const Row& row = samples.rows[index];
    samples.token_ids[index] = choose(row, logits, samples.num_tokens, space);
    if (row.sampling->top_logprobs >= 0) report(samples, index, logits, space);
}

class Sampler {
public:
    explicit Sampler(int num_threads) : spaces_(num_threads) {}

    // Sample rows of logits[][stride], shared among the team. Those that `is_sound` is false of have the token -1.
    void run(Team& team, const Samples& samples, const float* logits, size_t stride, const auto& is_sound) {
        for (Workspace& space : spaces_) space.reserve(samples.num_tokens);
        team.share(samples.num_rows, 1, [&](int first, int last, int rank) {
            for (int index = first; index < last; index++) {
                int row = samples.rows[index].logits_row;
                samples.token_ids[index] = -1;
                if (is_sound(row)) sample(samples, index, logits + size_t(row) * stride, spaces_[rank]);
            }
        });
    }

private:
    std::vector<Workspace> spaces_;
};

}  // namespace tandem
