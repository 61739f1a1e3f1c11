// Attention over keys and values that are held in 8 bits, computed with products of bytes. See attention.h.
//
// 16 positions of a block are a panel of int8 weights (products/matrix.h): of keys 16 outputs, with head_dim inputs and a
// scale for each 32 of them, as in llama.cpp's Q8_0. Of values 16 inputs, whose scale, one for each position, goes into
// the weight that attention gives the position. Queries are rounded to 8 bits in groups of 32, weights to 15 bits.
// Keys and queries are rotated first, each 32 numbers by a Hadamard matrix, which leaves their products as they are: a
// large number, of which keys have some, is spread over its group and no longer makes the others' steps coarse (QuaRot,
// Ashkboos et al. 2024).
#pragma once

#include "../products/quantised.h"
#include "queries.h"

namespace tandem {

constexpr int kWeightSteps = 127 << kLowBits;  // of a query's largest weight: 128 * byte + low byte
constexpr int kMaxBytePositions = 1 << 17;     // of a context: 128 * 127 for each of them fit 32 bits

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
  size_t panel_at(int head, const View& view, int position) const {
    return panel(head, view.block_table[position / block_size], position % block_size);
  }
  uint8_t* keys_of(size_t panel) const { return keys + panel * width * kLanes; }
  Half* key_scales_of(size_t panel) const { return key_scales + panel * (width / kGroup) * kLanes; }
  uint8_t* values_of(size_t panel) const { return values + panel * width * kLanes; }
};

// Multiply 32 values with a Hadamard matrix, whose square is 32 times the identity (fast Walsh-Hadamard transform). With
// widths that are known when compiled it takes a third of the time.
template <int kWidth = kGroup / 2>
inline void transform(float* values) {
  for (int first = 0; first < kGroup; first += 2 * kWidth)
    for (int i = first; i < first + kWidth; i++) {
      float a = values[i], b = values[i + kWidth];
      values[i] = a + b;
      values[i + kWidth] = a - b;
    }
  if constexpr (kWidth > 1) transform<kWidth / 2>(values);
}

// Of `size` values, 32 at most, what a scale can hold: beyond it the largest such number, 0 for NaN and behind the last.
struct Group {
  Floats low, high;

  Group(const float* values, int size) : low(part(values, size)), high(part(values + kLanes, size - kLanes)) {}

  float largest() const { return max_of(max(max(low, -low), max(high, -high))); }
  // As 127 steps of `largest`, which has the scale largest / 127.
  void store_steps(float largest, int8_t* steps) const {
    float inverse = 127 / largest;
    if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small for a scale
    store_bytes(steps, round(low * inverse), round(high * inverse));
  }

 private:
  static Floats part(const float* values, int size) {
    return saturated(load_first(values, std::clamp(size, 0, kLanes)), 127 * kLargest<Half>);
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
  float largest_value = 0.0f;
  for (int first = 0; first < cache.head_dim; first += kGroup)
    largest_value = std::max(largest_value, Group(value + first, cache.head_dim - first).largest());
  cache.value_scales[panel * kLanes + position] = half_of(largest_value / 127);
  for (int first = 0; first < cache.width; first += kGroup) {
    int8_t steps[kGroup];
    float transformed[kGroup] = {};
    std::copy_n(key + first, std::min(kGroup, cache.head_dim - first), transformed);
    transform(transformed);
    Group group(transformed, kGroup);
    group.store_steps(group.largest(), steps);
    cache.key_scales_of(panel)[first / kGroup * kLanes + position] = half_of(group.largest() / 127);
    for (int d = 0; d < kGroup; d++) keys[(first + d) / 4 * 64 + d % 4] = uint8_t(steps[d] + 128);
    Group(value + first, cache.head_dim - first).store_steps(largest_value, steps);
    for (int d = 0; d < kGroup; d++) values[(first + d) / kLanes * 256 + d % kLanes * 4] = uint8_t(steps[d] + 128);
  }
}

// scores[query][position] for whole vectors of positions.
template <int kQueries>
inline void score(const ByteCache& cache, int head, const View& view, const Activations& queries, float* scores,
                  size_t stride) {
  for (int position = view.start(); position < view.stop(); position += kLanes) {
    size_t panel = cache.panel_at(head, view, position);
    size_t next = cache.panel_at(head, view, std::min(position + kLanes, view.last));
    for (int line = 0; line < cache.width / 4; line++) __builtin_prefetch(cache.values_of(panel) + 64 * line, 0, 2);
    Floats sums[kQueries];
    TANDEM_UNROLL for (int q = 0; q < kQueries; q++) sums[q] = Floats{};
    add_panel<kQueries, kInt8, false>(
        {cache.keys_of(panel), cache.key_scales_of(panel), cache.keys_of(next), cache.key_scales_of(next)}, cache.width,
        queries, 0, sums);
    TANDEM_UNROLL for (int q = 0; q < kQueries; q++) store(scores + q * stride + position, sums[q]);
  }
}

// The weights of kQueries queries as whole numbers: upper and lower bytes [query][positions], what they are to be
// multiplied with, and what sums of products begin with, as values are held + 128.
template <int kQueries>
struct ByteWeights {
  int8_t *upper, *lower;
  size_t stride;  // from query to query
  float scales[kQueries];
  int32_t upper_offsets[kQueries], lower_offsets[kQueries];

  // Make those of query q of `weights` with `total`, which are multiplied with the values' scales already.
  void round_weights(const View& view, int q, const float* weights, float total) {
    int8_t *to_upper = upper + q * stride, *to_lower = lower + q * stride;
    if (!(total - total == 0.0f)) {  // whole numbers have no NaN to hand on, so the scale does
      std::memset(to_upper + view.start(), 0, view.stop() - view.start());
      std::memset(to_lower + view.start(), 0, view.stop() - view.start());
      scales[q] = std::numeric_limits<float>::quiet_NaN();
      upper_offsets[q] = lower_offsets[q] = 0;
      return;
    }
    Floats most{};
    for (int position = view.start(); position < view.stop(); position += kLanes)
      most = max(most, load(weights + position));
    float largest = max_of(most), inverse = kWeightSteps / largest;
    if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // as above
    Ints uppers{}, lowers{};
    for (int position = view.start(); position < view.stop(); position += kLanes) {
      Ints steps = round(load(weights + position) * inverse), up = (steps + 64) >> kLowBits, low = steps - (up << kLowBits);
      store_bytes(to_upper + position, up);
      store_bytes(to_lower + position, low);
      uppers += up;
      lowers += low;
    }
    scales[q] = largest / kWeightSteps / total;
    upper_offsets[q] = kHasSignedWeights ? 0 : -128 * sum_of(uppers);
    lower_offsets[q] = kHasSignedWeights ? 0 : -128 * sum_of(lowers);
  }
};

// sums[query][16 dimensions of each of kChunks from `chunk` on] of values by bytes. Beginning with the offset they stay
// within 32 bits for kMaxBytePositions.
template <int kQueries, int kChunks>
inline void weigh(const ByteCache& cache, int head, const View& view, const int8_t* bytes, size_t stride,
                  const int32_t* offsets, int chunk, Ints (&sums)[kQueries][kChunks]) {
  Ints added[kQueries][kChunks];
  TANDEM_UNROLL for (int q = 0; q < kQueries; q++)
    TANDEM_UNROLL for (int c = 0; c < kChunks; c++) added[q][c] = Ints{} + offsets[q];
  for (int position = view.start(); position < view.stop(); position += kLanes) {
    const uint8_t* values = cache.values_of(cache.panel_at(head, view, position)) + 256 * chunk;
    unrolled<4>([&](auto quad) TANDEM_INLINED {
      TANDEM_UNROLL for (int c = 0; c < kChunks; c++) {
        Weights four = centred(load_weights(values + 256 * c + 64 * quad));
        TANDEM_UNROLL for (int q = 0; q < kQueries; q++)
          added[q][c] = dot<quad>(added[q][c], four, bytes + q * stride + position);
      }
    });
  }
  TANDEM_UNROLL for (int q = 0; q < kQueries; q++)
    TANDEM_UNROLL for (int c = 0; c < kChunks; c++) sums[q][c] = added[q][c];
}

// out[query][dimension], `width` from query to query: kChunks * 16 dimensions from `chunk` on.
template <int kQueries, int kChunks>
inline void weigh(const ByteCache& cache, int head, const View& view, const ByteWeights<kQueries>& weights, int chunk,
                  float* out) {
  Ints upper[kQueries][kChunks], lower[kQueries][kChunks];
  weigh(cache, head, view, weights.upper, weights.stride, weights.upper_offsets, chunk, upper);
  weigh(cache, head, view, weights.lower, weights.stride, weights.lower_offsets, chunk, lower);
  for (int q = 0; q < kQueries; q++)
    for (int c = 0; c < kChunks; c++) {
      Floats sum = fma(to_floats(upper[q][c]), all(1 << kLowBits), to_floats(lower[q][c]));
      store(out + q * cache.width + (chunk + c) * kLanes, sum * weights.scales[q]);
    }
}

template <int kQueries>
inline void attend_tile(const ByteCache& cache, int head, const View& view, const Query* queries, float* scratch) {
  size_t stride = view.stop(), num_groups = cache.width / kGroup;
  float* scores = scratch;
  int8_t* upper = reinterpret_cast<int8_t*>(scores + kQueries * stride);
  int8_t* lower = upper + kQueries * stride;
  float* rows = reinterpret_cast<float*>(lower + kQueries * stride);  // of queries, then of results
  int8_t* bytes = reinterpret_cast<int8_t*>(rows + kQueries * cache.width);
  float* scales = reinterpret_cast<float*>(bytes + kQueries * cache.width);
  float* sums = scales + kQueries * num_groups;
  int32_t* offsets = reinterpret_cast<int32_t*>(sums + kQueries * num_groups);
  Activations rounded{rows, bytes, nullptr, scales, sums, offsets, nullptr};
  for (int q = 0; q < kQueries; q++) {
    std::copy_n(queries[q].values, cache.head_dim, rows + q * cache.width);
    std::fill_n(rows + q * cache.width + cache.head_dim, cache.width - cache.head_dim, 0.0f);
    for (int first = 0; first < cache.width; first += kGroup) transform(rows + q * cache.width + first);
    for (int d = 0; d < cache.width; d++) rows[q * cache.width + d] *= 1.0f / kGroup;
    quantise(rounded, q, cache.width, false, false);
  }
  score<kQueries>(cache, head, view, rounded, scores, stride);
  ByteWeights<kQueries> weights{upper, lower, stride};
  for (int q = 0; q < kQueries; q++) {
    auto scaled = [&](int position, Floats weight) {
      return weight * load(cache.value_scales + cache.panel_at(head, view, position) * kLanes);
    };
    float total = softmax(view, queries[q], scores + q * stride, scaled);
    weights.round_weights(view, q, scores + q * stride, total);
  }
  constexpr int kWide = kMaxSums / kQueries >= 4 ? 4 : kMaxSums / kQueries >= 2 ? 2 : 1;
  int num_chunks = cache.width / kLanes, chunk = 0;
  for (; chunk + kWide <= num_chunks; chunk += kWide) weigh<kQueries, kWide>(cache, head, view, weights, chunk, rows);
  for (; chunk < num_chunks; chunk++) weigh<kQueries, 1>(cache, head, view, weights, chunk, rows);
  for (int q = 0; q < kQueries; q++) std::copy_n(rows + q * cache.width, cache.head_dim, queries[q].out);
}

}  // namespace tandem
