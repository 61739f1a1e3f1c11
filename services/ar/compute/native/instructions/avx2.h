// AVX2 with fused multiply-add and half floats: a vector is two registers.
#pragma once

#include <immintrin.h>

#include "wide.h"

#define TANDEM_INLINED

namespace tandem {

constexpr const char* kInstructionSet = "avx2";
constexpr int kMaxRows = 2;
constexpr int kMaxSums = 24;

struct Halves {
  __m256 low, high;
};
inline Halves halves(Floats x) {
  Halves h;
  std::memcpy(&h, &x, 64);
  return h;
}
inline Floats joined(__m256 low, __m256 high) {
  Halves h{low, high};
  Floats x;
  std::memcpy(&x, &h, 64);
  return x;
}
inline Floats fma(Floats a, Floats b, Floats c) {
  Halves x = halves(a), y = halves(b), z = halves(c);
  return joined(_mm256_fmadd_ps(x.low, y.low, z.low), _mm256_fmadd_ps(x.high, y.high, z.high));
}
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }
inline Ints round(Floats x) {
  Halves h = halves(x);
  __m256i both[2] = {_mm256_cvtps_epi32(h.low), _mm256_cvtps_epi32(h.high)};
  Ints r;
  std::memcpy(&r, both, 64);
  return r;
}
inline bool are_finite(Floats x) {
  Halves h = halves(x - x);
  __m256 low = _mm256_cmp_ps(h.low, _mm256_setzero_ps(), _CMP_EQ_OQ);
  __m256 high = _mm256_cmp_ps(h.high, _mm256_setzero_ps(), _CMP_EQ_OQ);
  return _mm256_movemask_ps(_mm256_and_ps(low, high)) == 0xff;
}
inline Floats load(const Half* from) {
  const __m128i* halves = reinterpret_cast<const __m128i*>(from);
  return joined(_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)));
}
inline void store(Half* to, Floats x) {
  Halves h = halves(x);
  __m128i* halves = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(h.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(h.high, _MM_FROUND_TO_NEAREST_INT));
}
inline Floats load_bfloat16(const uint16_t* from) {
  Ints bits;
  for (int i = 0; i < kLanes; i++) bits[i] = int32_t(uint32_t(from[i]) << 16);
  return (Floats)bits;
}
inline uint32_t lanes_of(Ints condition) {
  __m256 both[2];
  std::memcpy(both, &condition, 64);
  return uint32_t(_mm256_movemask_ps(both[0])) | uint32_t(_mm256_movemask_ps(both[1])) << 8;
}
inline void store_lanes(int32_t* to, Ints x, uint32_t lanes) {
  for (int i = 0; i < kLanes; i++) {
    *to = x[i];
    to += lanes >> i & 1;
  }
}

constexpr bool kHasSignedWeights = false;
struct Weights {
  __m256i low, high;
};
inline Weights load_weights(const uint8_t* from) {
  const __m256i* halves = reinterpret_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
}
template <int kShift>
inline __m256i bits_of_half(__m256i w, int mask) {
  constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
  __m256i moved = _mm256_srli_epi16(_mm256_slli_epi16(w, kLeft), kRight);
  return _mm256_and_si256(moved, _mm256_set1_epi8(char(mask)));
}
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  return {bits_of_half<kShift>(w.low, mask), bits_of_half<kShift>(w.high, mask)};
}
inline Weights either(Weights a, Weights b) { return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
inline Weights centred(Weights w) { return w; }
inline Weights looked_up(Weights nibbles, const uint8_t* table) {
  __m256i all = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(all, nibbles.low), _mm256_shuffle_epi8(all, nibbles.high)};
}
// The products of unsigned and signed bytes, added in fours. Even and odd bytes apart: in pairs they would not fit 16 bits.
inline __m256i dot_half(__m256i sum, __m256i w, __m256i activation) {
  __m256i even = _mm256_and_si256(w, _mm256_set1_epi16(255)), odd = _mm256_srli_epi16(w, 8);
  __m256i even_activation = _mm256_srai_epi16(_mm256_slli_epi16(activation, 8), 8);
  __m256i odd_activation = _mm256_srai_epi16(activation, 8);
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, even_activation));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, odd_activation));
}
template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  int32_t four;
  std::memcpy(&four, activations + 4 * kQuad, 4);
  __m256i both[2], a = _mm256_set1_epi32(four);
  std::memcpy(both, &sum, 64);
  both[0] = dot_half(both[0], w.low, a);
  both[1] = dot_half(both[1], w.high, a);
  std::memcpy(&sum, both, 64);
  return sum;
}

}  // namespace tandem
