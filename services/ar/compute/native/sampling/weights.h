// From the logits of one row to weights: the largest logit has 1, and probabilities are weights by their sum.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "../vectors.h"

namespace tandem {

// Call body(lane) for each bit that is set, the lowest first.
inline void each_lane(uint32_t lanes, const auto& body) {
    for (; lanes != 0; lanes &= lanes - 1) body(__builtin_ctz(lanes));
}

inline double sum_of(Doubles x) { return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])); }

// Call body(first, vector) for each vector of values[size]; the last one is filled up with `filling`.
inline void each_vector(const float* values, int size, float filling, const auto& body) {
    int first = 0;
    for (; first + kLanes <= size; first += kLanes) body(first, load(values + first));
    if (first == size) return;
    Floats rest = all(filling);
    std::memcpy(&rest, values + first, (size - first) * sizeof(float));
    body(first, rest);
}

// The logits x from token `first` on, minus infinity for those that the bits do not allow; all are if there are none.
inline Floats ruled_out(const uint8_t* allowed, int first, int size, Floats x) {
    if (allowed == nullptr) return x;
    const Ints bits = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    int32_t word = allowed[first / 8];
    if (size - first > 8) word |= allowed[first / 8 + 1] << 8;
    Ints is_out = ((bits & word) == 0);
    return (Floats)(((Ints)x & ~is_out) | ((Ints)all(-std::numeric_limits<float>::infinity()) & is_out));
}

struct Best {
    float logit;
    int token_id;  // the first of equals
};

inline Best best_of(const float* logits, int size, const uint8_t* allowed = nullptr) {
    constexpr float kLowest = -std::numeric_limits<float>::infinity();
    Floats most = all(kLowest);
    each_vector(logits, size, kLowest,
                [&](int first, Floats x) { most = max(most, ruled_out(allowed, first, size, x)); });
    float top = max_of(most);
    for (int first = 0; first < size; first += kLanes) {
        int count = std::min(kLanes, size - first);
        Floats x = ruled_out(allowed, first, size, load_first(logits + first, count));
        uint32_t lanes = lanes_of((Ints)(x == top)) & ((1u << count) - 1);
        if (lanes != 0) return {top, first + __builtin_ctz(lanes)};
    }
    return {top, 0};
}

// e to the power of x <= 0; 0 below -87, of minus infinity and of NaN.
inline Floats weight_of(Floats x) { return (Floats)((Ints)exp(x) & (Ints)(x >= -87.0f)); }

// The weights of one row's tokens, filled up with 0 to a multiple of kBlock, and sums of them.
class RowWeights {
public:
    static constexpr int kBlock = 16 * kLanes;

    void reserve(int num_tokens) {
        int size = (num_tokens + kBlock - 1) / kBlock * kBlock;
        weights_.resize(size);
        block_sums_.resize(size / kBlock);
    }

    // Take logits[size], of which `best` is the largest, at a temperature above 0.
    void take(const float* logits, int size, float best, double temperature) {
        // Below the smallest ordinary float each quotient of what is not the largest has left its range anyway.
        float divisor = std::max(float(temperature), std::numeric_limits<float>::min());
        size_ = (size + kBlock - 1) / kBlock * kBlock;
        std::fill(weights_.begin() + size / kLanes * kLanes, weights_.begin() + size_, 0.0f);
        if (divisor == 1.0f) fill(logits, size, [&](Floats x) { return x - best; });
        else fill(logits, size, [&](Floats x) { return (x - best) / divisor; });
        add_up();
    }

    const float* data() const { return weights_.data(); }
    int size() const { return size_; }
    double total() const { return total_; }

    // The token at which the running sum of weights, in the order of ids, passes `target`.
    int pass(double target) const {
        double sum = 0.0;
        int block = 0;
        for (; block < last_block_ && sum + block_sums_[block] <= target; block++) sum += block_sums_[block];
        int last = block * kBlock;
        for (int i = block * kBlock; i < (block + 1) * kBlock; i++) {
            if (weights_[i] > 0.0f) last = i;
            if ((sum += weights_[i]) > target) break;
        }
        return last;  // sums in two orders differ in their last bits, so the block may end before the target
    }

private:
    void fill(const float* logits, int size, const auto& scaled) {
        each_vector(logits, size, -std::numeric_limits<float>::infinity(),
                    [&](int first, Floats x) { store(&weights_[first], weight_of(scaled(x))); });
    }

    void add_up() {
        total_ = 0.0;
        last_block_ = 0;
        for (int block = 0; block < size_ / kBlock; block++) {
            Doubles sum{};
            for (int first = block * kBlock; first < (block + 1) * kBlock; first += kLanes)
                sum = add(sum, load(&weights_[first]));
            total_ += block_sums_[block] = sum_of(sum);
            if (block_sums_[block] > 0.0) last_block_ = block;
        }
    }

    std::vector<float> weights_;
    std::vector<double> block_sums_;
    int size_ = 0, last_block_ = 0;
    double total_ = 0.0;
};

}  // namespace tandem
