// Attention of queries over the keys and values in their sequence's blocks (paged attention, Kwon et al. 2023).
//
// Within a block keys lie [head_dim][block_size], so that 16 positions are one vector, and values
// [block_size][head_dim, filled up to a multiple of 16]. Keys are gone through in the order of their positions, whatever
// is computed beside them, so a query's result has the same bits in a decode step and in a prompt.
#pragma once

#include <algorithm>
#include <cmath>

#include "vectors.h"

namespace tandem {

// One layer's cache; T is float or Half. [num_kv_heads][num_blocks] blocks.
template <typename T>
struct Cache {
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

// A query [head_dim], which looks at positions first to last, and where its result goes.
struct Query {
  const float* values;
  float* out;
  int first;
  int last;
};

// What the queries of a tile look at together.
struct View {
  const int32_t* block_table;
  int first;
  int last;

  int start() const { return first / kLanes * kLanes; }
  int stop() const { return last / kLanes * kLanes + kLanes; }
};

// Keep key and value [head_dim] of one position. Numbers beyond what T can hold become its largest, NaN becomes 0: the
// next sequence that has this block must not meet what is not finite, which no weight of 0 takes away.
template <typename T>
inline void keep(const Cache<T>& cache, int head, int block, int offset, const float* key, const float* value) {
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
template <typename T>
inline const T* keys_at(const Cache<T>& cache, int head, const View& view, int position) {
  int offset = position % cache.block_size / kLanes * kLanes;
  return cache.key_block(head, view.block_table[position / cache.block_size]) + offset;
}
template <typename T>
inline const T* value_at(const Cache<T>& cache, int head, const View& view, int position) {
  const T* block = cache.value_block(head, view.block_table[position / cache.block_size]);
  return block + size_t(position % cache.block_size) * cache.value_stride;
}

// scores[query][position] of kQueries queries, for whole vectors of positions.
template <int kQueries, typename T>
inline void score(const Cache<T>& cache, int head, const View& view, const Query* queries, float* scores, size_t stride) {
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

// Turn the scores of one query into weights that sum up to 1 when divided by the number returned; 0 is the weight of
// what it does not look at. A score of NaN or beyond the largest float gives NaN, so that the row's result tells.
inline float softmax(const View& view, const Query& query, float* scores) {
  int start = view.start(), stop = view.stop();
  for (int position = start; position < query.first; position++) scores[position] = -INFINITY;
  for (int position = query.last + 1; position < stop; position++) scores[position] = -INFINITY;
  Floats most = load(scores + start);
  for (int position = start + kLanes; position < stop; position += kLanes) most = max(most, load(scores + position));
  float top = max_of(most);
  Floats sum{};
  for (int position = start; position < stop; position += kLanes) {
    Floats score = load(scores + position);
    Floats weight = (Floats)((Ints)exp(score - top) & (Ints)(score != -INFINITY));
    store(scores + position, weight);
    sum += weight;
  }
  return sum_of(sum);
}

// sums[query][kChunks * 16 dimensions from `chunk` on] of values by weights.
template <int kQueries, int kChunks, typename T>
inline void weigh(const Cache<T>& cache, int head, const View& view, const float* weights, size_t stride, int chunk,
                  float* out) {
  Floats sums[kQueries][kChunks] = {};
  for (int position = view.first; position <= view.last; position++) {
    const T* value = value_at(cache, head, view, position);
    TANDEM_UNROLL for (int c = 0; c < kChunks; c++) {
      Floats part = load(value + (chunk + c) * kLanes);
      TANDEM_UNROLL for (int q = 0; q < kQueries; q++)
        sums[q][c] = fma(all(weights[q * stride + position]), part, sums[q][c]);
    }
  }
  for (int q = 0; q < kQueries; q++)
    for (int c = 0; c < kChunks; c++) store(out + q * cache.value_stride + (chunk + c) * kLanes, sums[q][c]);
}

template <int kQueries, typename T>
inline void attend_tile(const Cache<T>& cache, int head, const int32_t* block_table, const Query* queries,
                        float* scratch) {
  View view{block_table, queries[0].first, queries[0].last};
  for (int q = 1; q < kQueries; q++) {
    view.first = std::min(view.first, queries[q].first);
    view.last = std::max(view.last, queries[q].last);
  }
  size_t stride = view.stop();
  float* sums = scratch + kQueries * stride;
  score<kQueries>(cache, head, view, queries, scratch, stride);
  float totals[kQueries];
  for (int q = 0; q < kQueries; q++) totals[q] = softmax(view, queries[q], scratch + q * stride);
  constexpr int kWide = std::clamp(kMaxSums / kQueries, 1, 4);
  int num_chunks = cache.value_stride / kLanes, chunk = 0;
  for (; chunk + kWide <= num_chunks; chunk += kWide)
    weigh<kQueries, kWide>(cache, head, view, scratch, stride, chunk, sums);
  for (; chunk < num_chunks; chunk++) weigh<kQueries, 1>(cache, head, view, scratch, stride, chunk, sums);
  for (int q = 0; q < kQueries; q++)
    for (int d = 0; d < cache.head_dim; d++) queries[q].out[d] = sums[q * cache.value_stride + d] / totals[q];
}

constexpr int kMaxQueries = 6;  // of a tile

// Attend queries of one sequence. `scratch` holds, for each of kMaxQueries, a number for each position and value_stride
// more.
template <typename T>
inline void attend(const Cache<T>& cache, int head, const int32_t* block_table, const Query* queries, int num_queries,
                   float* scratch) {
  for (int done = 0; done < num_queries;) {
    const Query* tile = queries + done;
    switch (int left = std::min(num_queries - done, kMaxQueries); left) {
      case 1: attend_tile<1>(cache, head, block_table, tile, scratch), done += 1; break;
      case 2: attend_tile<2>(cache, head, block_table, tile, scratch), done += 2; break;
      case 3: attend_tile<3>(cache, head, block_table, tile, scratch), done += 3; break;
      case 4:
      case 5: attend_tile<4>(cache, head, block_table, tile, scratch), done += 4; break;
      default: attend_tile<6>(cache, head, block_table, tile, scratch), done += 6;
    }
  }
}

}  // namespace tandem
