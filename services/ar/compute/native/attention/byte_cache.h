// Attention over keys and values that are held in 8 bits, computed with products of bytes. See attention.h.
//
// 16 positions of a block are a panel of int8 weights (products/matrix.h): of keys 16 outputs, with head_dim inputs and a
// scale for each 32 of them, as in llama.cpp's Q8_0. Of values 16 inputs, whose scale, one for each position, goes into
// the weight that attention gives the position. Queries are rounded like activations, weights to 15 bits.
// Keys and queries are rotated first, each 32 numbers by a Hadamard matrix, which leaves their products as they are: a
// large number, of which keys have some, is spread over its group and no longer makes the others' steps coarse (QuaRot,
// Ashkboos et al. 2024).
#pragma once

#include "../products/quantised.h"
#include "queries.h"

namespace tandem {

constexpr int kWeightSteps = 127 << kLowBits;  // of the largest weight: 128 * byte + low byte
constexpr int kStretch = 512;                  // positions whose weights are rounded to steps of the largest of them

// One layer's cache. [num_kv_heads][num_blocks][block_size / 16] panels, head_dim filled up to `width`.
struct ByteCache {
    uint8_t* keys;       // of a panel [width / 32][8][16 positions][4 inputs], value + 128
    Half* key_scales;    // [width / 32][16 positions]
    uint8_t* values;     // of a panel [width / 16][4][16 dimensions][4 positions], value + 128
    Half* value_scales;  // [16 positions]
    int num_blocks;
    int block_size;  // a multiple of 16
    int head_dim;
    int width;  // a multiple of 32

    size_t panel(int head, int block, int offset) const {
        return (size_t(head) * num_blocks + block) * (block_size / kLanes) + offset / kLanes;
    }
    uint8_t* keys_of(size_t panel) const { return keys + panel * width * kLanes; }
    Half* key_scales_of(size_t panel) const { return key_scales + panel * (width / kGroup) * kLanes; }
    uint8_t* values_of(size_t panel) const { return values + panel * width * kLanes; }
};

// Up to 32 values; what is missing is 0.
struct Group {
    Floats low, high;

    Group(const float* values, int size)
        : low(load_first(values, std::clamp(size, 0, kLanes))),
          high(load_first(values + kLanes, std::clamp(size - kLanes, 0, kLanes))) {}

    // Multiply with a Hadamard matrix, whose square is 32 times the identity (fast Walsh-Hadamard transform).
    void transform() {
        Floats sum = low + high;
        high = low - high;
        low = sum;
        for (Floats* x : {&low, &high}) *x = butterfly<1>(butterfly<2>(butterfly<4>(butterfly<8>(*x))));
    }
    // Bring all to what a scale of a Half can express; NaN becomes 0.
    void saturate() {
        low = saturated(low, 127 * kLargest<Half>);
        high = saturated(high, 127 * kLargest<Half>);
    }
    float largest() const { return max_of(max(max(low, -low), max(high, -high))); }
    // As 127 steps of `largest`, which has the scale largest / 127, each + 128.
    void store_steps(float largest, uint8_t* steps) const {
        float inverse = 127 / largest;
        if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small for a scale
        store_bytes(reinterpret_cast<int8_t*>(steps), round(low * inverse) + 128, round(high * inverse) + 128);
    }

private:
    // Of two lanes that are kBit apart the first becomes their sum, the second their difference.
    template <int kBit> static Floats butterfly(Floats x) {
        float signs[kLanes];
        for (int lane = 0; lane < kLanes; lane++) signs[lane] = lane & kBit ? -1.0f : 1.0f;
        return fma(x, load(signs), swapped<kBit>(x));
    }
};

inline Half half_of(float x) {
    Half lanes[kLanes];
    store(lanes, all(x));
    return lanes[0];
}

// Keep key and value [head_dim] of one position. What is kept is finite, whatever they are: see float_cache.h.
inline void keep(const ByteCache& cache, int head, int block, int offset, const float* key, const float* value) {
    size_t panel = cache.panel(head, block, offset);
    int position = offset % kLanes;
    uint8_t* keys = cache.keys_of(panel) + 4 * position;
    uint8_t* values = cache.values_of(panel) + position / 4 * 64 + position % 4;
    auto value_group = [&](int first) {
        Group group(value + first, cache.head_dim - first);
        group.saturate();
        return group;
    };
    float largest_value = 0.0f;
    for (int first = 0; first < cache.head_dim; first += kGroup)
        largest_value = std::max(largest_value, value_group(first).largest());
    cache.value_scales[panel * kLanes + position] = half_of(largest_value / 127);
    for (int first = 0; first < cache.width; first += kGroup) {
        uint8_t steps[kGroup];
        Group group(key + first, cache.head_dim - first);
        group.transform();
        group.saturate();
        float largest_key = group.largest();
        group.store_steps(largest_key, steps);
        cache.key_scales_of(panel)[first / kGroup * kLanes + position] = half_of(largest_key / 127);
        for (int d = 0; d < kGroup; d += 4) std::memcpy(keys + (first + d) / 4 * 64, steps + d, 4);
        value_group(first).store_steps(largest_value, steps);
        for (int d = 0; d < kGroup; d++) values[(first + d) / kLanes * 256 + d % kLanes * 4] = steps[d];
    }
}

// Positions `start` to `stop`, and in which panels they are.
struct Panels {
    const size_t* numbers;  // one for each 16 positions from 0 on; those before `start` are not set
    int start;
    int stop;

    size_t at(int position) const { return numbers[position / kLanes]; }
};

// scores[query][position] for whole vectors of positions.
template <int kQueries>
inline void score(const ByteCache& cache, const Panels& panels, const Activations& queries, float* scores,
                  size_t stride) {
    for (int position = panels.start; position < panels.stop; position += kLanes) {
        size_t panel = panels.at(position), next = panels.at(std::min(position + kLanes, panels.stop - kLanes));
        for (int line = 0; line < cache.width / 4; line++) __builtin_prefetch(cache.values_of(panel) + 64 * line, 0, 2);
        Floats sums[kQueries];
        TANDEM_UNROLL for (int q = 0; q < kQueries; q++) sums[q] = Floats{};
        Panel keys{cache.keys_of(panel), cache.key_scales_of(panel), cache.keys_of(next), cache.key_scales_of(next)};
        if (queries.has_fine(0, kQueries))
            add_panel<kQueries, Format::int8, true, true>(keys, cache.width, queries, 0, sums);
        else add_panel<kQueries, Format::int8, false, true>(keys, cache.width, queries, 0, sums);
        TANDEM_UNROLL for (int q = 0; q < kQueries; q++) store(scores + q * stride + position, sums[q]);
    }
}

// The weights that kQueries queries give the positions of a stretch, as whole numbers.
template <int kQueries> struct ByteWeights {
    int8_t *upper, *lower;   // [query][kStretch]: the two bytes of each number
    float scales[kQueries];  // weight = scale * number
    // What sums of products with values + 128 have to begin with.
    int32_t upper_offsets[kQueries], lower_offsets[kQueries];

    void clear(int q) {
        std::memset(upper + q * kStretch, 0, kStretch);
        std::memset(lower + q * kStretch, 0, kStretch);
        scales[q] = 0.0f;
        upper_offsets[q] = lower_offsets[q] = 0;
    }

    // Make those of query q of its weights from position `start` to `stop`.
    void round_weights(int q, const float* weights, int start, int stop) {
        Floats most{};
        for (int position = start; position < stop; position += kLanes) most = max(most, load(weights + position));
        float largest = max_of(most), inverse = kWeightSteps / largest;
        if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small to matter
        Ints uppers{}, lowers{};
        for (int position = start; position < stop; position += kLanes) {
            Ints steps = round(load(weights + position) * inverse), up = (steps + 64) >> kLowBits,
                 low = steps - (up << kLowBits);
            store_bytes(upper + q * kStretch + position - start, up);
            store_bytes(lower + q * kStretch + position - start, low);
            uppers += up;
            lowers += low;
        }
        scales[q] = largest / kWeightSteps;
        upper_offsets[q] = kHasSignedWeights ? 0 : -128 * sum_of(uppers);
        lower_offsets[q] = kHasSignedWeights ? 0 : -128 * sum_of(lowers);
    }
};

// sums[query][16 dimensions of each of kChunks from `chunk` on] = offset + values by bytes, over a stretch.
template <int kQueries, int kChunks>
inline void weigh_bytes(const ByteCache& cache, const Panels& panels, const int8_t* bytes, const int32_t* offsets,
                        int chunk, Ints (&sums)[kQueries][kChunks]) {
    Ints added[kQueries][kChunks];  // in registers, which `sums` of the caller need not be
    TANDEM_UNROLL for (int q = 0; q < kQueries; q++) TANDEM_UNROLL for (int c = 0; c < kChunks; c++) added[q][c] =
        Ints{} + offsets[q];
    for (int position = panels.start; position < panels.stop; position += kLanes) {
        const uint8_t* values = cache.values_of(panels.at(position)) + 256 * chunk;
        unrolled<4>([&](auto quad) TANDEM_INLINED {
            TANDEM_UNROLL for (int c = 0; c < kChunks; c++) {
                Weights four = centred(load_weights(values + 256 * c + 64 * quad));
                TANDEM_UNROLL for (int q = 0; q < kQueries; q++) added[q][c] =
                    dot<quad>(added[q][c], four, bytes + q * kStretch + position - panels.start);
            }
        });
    }
    TANDEM_UNROLL for (int q = 0; q < kQueries; q++) TANDEM_UNROLL for (int c = 0; c < kChunks; c++) sums[q][c] =
        added[q][c];
}

// out[query][dimension], `width` from query to query, += values by weights over a stretch, of kChunks * 16 dimensions.
template <int kQueries, int kChunks>
inline void weigh(const ByteCache& cache, const Panels& panels, const ByteWeights<kQueries>& weights, int chunk,
                  float* out) {
    Ints upper[kQueries][kChunks], lower[kQueries][kChunks];
    weigh_bytes(cache, panels, weights.upper, weights.upper_offsets, chunk, upper);
    weigh_bytes(cache, panels, weights.lower, weights.lower_offsets, chunk, lower);
    for (int q = 0; q < kQueries; q++)
        for (int c = 0; c < kChunks; c++) {
            float* to = out + q * cache.width + (chunk + c) * kLanes;
            Floats sum = fma(to_floats(upper[q][c]), all(1 << kLowBits), to_floats(lower[q][c]));
            store(to, fma(sum, all(weights.scales[q]), load(to)));
        }
}

template <int kQueries>
inline void attend_tile(const ByteCache& cache, int head, const View& view, const Query* queries, float* scratch) {
    size_t stride = view.stop(), num_groups = cache.width / kGroup;
    size_t* numbers = reinterpret_cast<size_t*>(scratch);
    for (int position = view.start(); position < view.stop(); position += kLanes) {
        int block = view.block_table[position / cache.block_size];
        numbers[position / kLanes] = cache.panel(head, block, position % cache.block_size);
    }
    Panels panels{numbers, view.start(), view.stop()};
    float* scores = reinterpret_cast<float*>(numbers + stride / kLanes);
    float* rows = scores + kQueries * stride;  // of queries, then of results
    float* scales = rows + kQueries * cache.width;
    float* sums = scales + kQueries * num_groups;
    int32_t* offsets = reinterpret_cast<int32_t*>(sums + kQueries * num_groups);
    int32_t* half_offsets = offsets + kQueries * num_groups;
    int8_t* bytes = reinterpret_cast<int8_t*>(half_offsets + 2 * kQueries * num_groups);
    int8_t* upper = bytes + kQueries * cache.width;  // of queries, then of weights
    uint8_t is_fine[kQueries];
    Activations rounded{rows, bytes, upper, is_fine, scales, sums, offsets, half_offsets};
    for (int q = 0; q < kQueries; q++) {
        is_fine[q] = queries[q].is_fine;
        for (int first = 0; first < cache.width; first += kGroup) {
            Group group(queries[q].values + first, cache.head_dim - first);
            group.transform();
            store(rows + q * cache.width + first, group.low * (1.0f / kGroup));
            store(rows + q * cache.width + first + kLanes, group.high * (1.0f / kGroup));
        }
        quantise(rounded, q, cache.width);
    }
    score<kQueries>(cache, panels, rounded, scores, stride);
    float totals[kQueries];
    for (int q = 0; q < kQueries; q++)
        totals[q] = softmax(view, queries[q], scores + q * stride, [&](int position, Floats weights) {
            return weights * load(cache.value_scales + panels.at(position) * kLanes);
        });
    std::fill_n(rows, kQueries * cache.width, 0.0f);
    ByteWeights<kQueries> weights{upper, upper + kQueries * kStretch};
    constexpr int kWide = kMaxSums / kQueries >= 4   ? 4
                          : kMaxSums / kQueries >= 2 ? 2
                                                     : 1;  // widths have 2, 4, 6, ... chunks
    for (int start = view.start(), stop; start < view.stop(); start = stop) {
        stop = std::min(start / kStretch * kStretch + kStretch, view.stop());
        Panels stretch{numbers, start, stop};
        // Whole numbers have no NaN to hand on; totals[q], by which all is divided, does.
        for (int q = 0; q < kQueries; q++)
            if (totals[q] - totals[q] == 0.0f) weights.round_weights(q, scores + q * stride, start, stop);
            else weights.clear(q);
        int num_chunks = cache.width / kLanes, chunk = 0;
        for (; chunk + kWide <= num_chunks; chunk += kWide)
            weigh<kQueries, kWide>(cache, stretch, weights, chunk, rows);
        for (; chunk < num_chunks; chunk++) weigh<kQueries, 1>(cache, stretch, weights, chunk, rows);
    }
    for (int q = 0; q < kQueries; q++)
        for (int d = 0; d < cache.head_dim; d++) queries[q].out[d] = rows[q * cache.width + d] / totals[q];
}

}  // namespace tandem
