// What sampling needs of vectors beside arithmetic: which lanes a condition holds in, and exact sums.
#pragma once

#include "../vectors.h"

namespace tandem {

typedef double Doubles __attribute__((vector_size(64), aligned(8), may_alias));  // 8 lanes
typedef float HalfFloats __attribute__((vector_size(32), aligned(4), may_alias));

// One bit for each lane, set where the condition holds.
inline uint32_t lanes_of(Ints condition) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  return _mm512_movepi32_mask((__m512i)condition);
#elif defined(__AVX2__)
  __m256 both[2];
  std::memcpy(both, &condition, 64);
  return uint32_t(_mm256_movemask_ps(both[0])) | uint32_t(_mm256_movemask_ps(both[1])) << 8;
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; i++) bits |= uint32_t(condition[i] != 0) << i;
  return bits;
#endif
}

// Write the lanes of x whose bits are set to `to`, one after another. What follows them there, up to 16 lanes, is lost.
inline void store_lanes(int32_t* to, Ints x, uint32_t lanes) {
#if defined(__AVX512F__)
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(__mmask16(lanes), (__m512i)x));
#else
  for (int i = 0; i < kLanes; i++) {
    *to = x[i];
    to += lanes >> i & 1;
  }
#endif
}

// Call body(lane) for each bit that is set, the lowest first.
template <typename Body>
inline void each_lane(uint32_t lanes, const Body& body) {
  for (; lanes != 0; lanes &= lanes - 1) body(__builtin_ctz(lanes));
}

// `sum` and both halves of x.
inline Doubles add(Doubles sum, Floats x) {
  HalfFloats low = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  HalfFloats high = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  return sum + (__builtin_convertvector(low, Doubles) + __builtin_convertvector(high, Doubles));
}

inline double sum_of(Doubles x) { return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])); }

// Call body(first, vector) for each vector of values[size]; the last one is filled up with `filling`.
template <typename Body>
inline void each_vector(const float* values, int size, float filling, const Body& body) {
  int first = 0;
  for (; first + kLanes <= size; first += kLanes) body(first, load(values + first));
  if (first == size) return;
  Floats rest = all(filling);
  std::memcpy(&rest, values + first, (size - first) * sizeof(float));
  body(first, rest);
}

}  // namespace tandem
