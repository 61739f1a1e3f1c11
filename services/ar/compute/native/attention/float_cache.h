// Attention over keys and values that are held as floats or halves. See attention.h.
//
// Within a block keys lie [head_dim][block_size], so that 16 positions are one vector, and values
// [block_size][head_dim, filled up to a multiple of 16].
#pragma once

#include <algorithm>

#include "queries.h"

namespace tandem {

// One layer's cache; T is float or Half. [num_kv_heads][num_blocks] blocks.
template <typename T> struct FloatCache {
    T* keys;
    T* values;
    int num_blocks;
    int block_size;  // a multiple of 16
    int head_dim;
    int value_stride;

    T* key_block(int head, int block) const {
        return keys + (size_t(head) * num_blocks + block) * head_dim * block_size;
    }
    T* value_block(int head, int block) const {
        return values + (size_t(head) * num_blocks + block) * block_size * value_stride;
    }
};

// Keep key and value [head_dim] of one position. Numbers beyond what T can hold become its largest, NaN becomes 0: the
// next sequence that has this block must not meet what is not finite, which no weight of 0 takes away.
template <typename T>
inline void keep(const FloatCache<T>& cache, int head, int block, int offset, const float* key, const float* value) {
    T* keys = cache.key_block(head, block) + offset;
    T* values = cache.value_block(head, block) + size_t(offset) * cache.value_stride;
    for (int first = 0; first < cache.head_dim; first += kLanes) {
        T lanes[kLanes];
        int count = std::min(kLanes, cache.head_dim - first);
        store(lanes, saturated(load_first(key + first, count), kLargest<T>));
        for (int i = 0; i < count; i++) keys[size_t(first + i) * cache.block_size] = lanes[i];
        store(values + first, saturated(load_first(value + first, count), kLargest<T>));
    }
}

// The keys of 16 positions, which lie in one block, and the value of one position.
template <typename T> inline const T* keys_at(const FloatCache<T>& cache, int head, const View& view, int position) {
    int offset = position % cache.block_size / kLanes * kLanes;
    return cache.key_block(head, view.block_table[position / cache.block_size]) + offset;
}
template <typename T> inline const T* value_at(const FloatCache<T>& cache, int head, const View& view, int position) {
    const T* block = cache.value_block(head, view.block_table[position / cache.block_size]);
    return block + size_t(position % cache.block_size) * cache.value_stride;
}

// scores[query][position] of kQueries queries, for whole vectors of positions.
template <int kQueries, typename T>
inline void score(const FloatCache<T>& cache, int head, const View& view, const Query* queries, float* scores,
                  size_t stride) {
    for (int position = view.start(); position < view.stop(); position += kLanes) {
        const T* keys = keys_at(cache, head, view, position);
        const T* next = keys_at(cache, head, view, std::min(position + kLanes, view.last));
        const T* values = value_at(cache, head, view, position);
        for (int line = 0; line < int(kLanes * cache.value_stride * sizeof(T) / 64); line++)
            __builtin_prefetch(values + line * 64 / sizeof(T), 0, 2);
        Floats sums[kQueries] = {};
        for (int d = 0; d < cache.head_dim; d++) {
            Floats key = load(keys + size_t(d) * cache.block_size);
            __builtin_prefetch(next + size_t(d) * cache.block_size);
            TANDEM_UNROLL for (int q = 0; q < kQueries; q++) sums[q] = fma(all(queries[q].values[d]), key, sums[q]);
        }
        for (int q = 0; q < kQueries; q++) store(scores + q * stride + position, sums[q]);
    }
}

// sums[query][kChunks * 16 dimensions from `chunk` on] of values by weights.
template <int kQueries, int kChunks, typename T>
inline void weigh(const FloatCache<T>& cache, int head, const View& view, const float* weights, size_t stride,
                  int chunk, float* out) {
    Floats sums[kQueries][kChunks] = {};
    for (int position = view.first; position <= view.last; position++) {
        const T* value = value_at(cache, head, view, position);
        TANDEM_UNROLL for (int c = 0; c < kChunks; c++) {
            Floats part = load(value + (chunk + c) * kLanes);
            TANDEM_UNROLL for (int q = 0; q < kQueries; q++) sums[q][c] =
                fma(all(weights[q * stride + position]), part, sums[q][c]);
        }
    }
    for (int q = 0; q < kQueries; q++)
        for (int c = 0; c < kChunks; c++) store(out + q * cache.value_stride + (chunk + c) * kLanes, sums[q][c]);
}

template <int kQueries, typename T>
inline void attend_tile(const FloatCache<T>& cache, int head, const View& view, const Query* queries, float* scratch) {
    size_t stride = view.stop();
    float* sums = scratch + kQueries * stride;
    score<kQueries>(cache, head, view, queries, scratch, stride);
    float totals[kQueries];
    for (int q = 0; q < kQueries; q++)
        totals[q] = softmax(view, queries[q], scratch + q * stride, [](int, Floats weights) { return weights; });
    constexpr int kWide = std::clamp(kMaxSums / kQueries, 1, 4);
    int num_chunks = cache.value_stride / kLanes, chunk = 0;
    for (; chunk + kWide <= num_chunks; chunk += kWide)
        weigh<kQueries, kWide>(cache, head, view, scratch, stride, chunk, sums);
    for (; chunk < num_chunks; chunk++) weigh<kQueries, 1>(cache, head, view, scratch, stride, chunk, sums);
    for (int q = 0; q < kQueries; q++)
        for (int d = 0; d < cache.head_dim; d++) queries[q].out[d] = sums[q * cache.value_stride + d] / totals[q];
}

}  // namespace tandem
