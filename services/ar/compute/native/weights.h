// 64 bytes of weights, unsigned: four consecutive inputs of each of 16 outputs; how bytes are made of fewer bits, and
// their products with activations. The same bits on each instruction set.
#pragma once

#include "vectors.h"

namespace tandem {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)

struct Weights {
  __m512i bytes;
};
inline Weights load_weights(const uint8_t* from) { return {_mm512_loadu_si512(from)}; }
// w moved left by kShift bits, or right where it is negative, and masked. The mask must take away what came from the
// neighbouring byte: 16 bits move together.
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
  __m512i moved = _mm512_srli_epi16(_mm512_slli_epi16(w.bytes, kLeft), kRight);
  return {_mm512_and_si512(moved, _mm512_set1_epi8(char(mask)))};
}
inline Weights either(Weights a, Weights b) { return {_mm512_or_si512(a.bytes, b.bytes)}; }
// What 16 bytes of a table say for each nibble.
inline Weights looked_up(Weights nibbles, const uint8_t* table) {
  __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm512_shuffle_epi8(all, nibbles.bytes)};
}

// sum + the products with four signed bytes of an activation, the same four for all outputs.
inline Ints dot(Ints sum, Weights w, const int8_t* activation) {
  int32_t four;
  std::memcpy(&four, activation, 4);
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, w.bytes, _mm512_set1_epi32(four));
}

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

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
inline Ints dot(Ints sum, Weights w, const int8_t* activation) {
  int32_t four;
  std::memcpy(&four, activation, 4);
  __m256i both[2], a = _mm256_set1_epi32(four);
  std::memcpy(both, &sum, 64);
  both[0] = dot_half(both[0], w.low, a);
  both[1] = dot_half(both[1], w.high, a);
  std::memcpy(&sum, both, 64);
  return sum;
}

#else

struct Weights {
  uint8_t bytes[64];
};
inline Weights load_weights(const uint8_t* from) {
  Weights w;
  std::memcpy(w.bytes, from, 64);
  return w;
}
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
  for (uint8_t& byte : w.bytes) byte = uint8_t(byte << kLeft >> kRight & mask);
  return w;
}
inline Weights either(Weights a, Weights b) {
  for (int i = 0; i < 64; i++) a.bytes[i] |= b.bytes[i];
  return a;
}
inline Weights looked_up(Weights nibbles, const uint8_t* table) {
  for (uint8_t& byte : nibbles.bytes) byte = table[byte];
  return nibbles;
}
inline Ints dot(Ints sum, Weights w, const int8_t* activation) {
  for (int i = 0; i < kLanes; i++)
    for (int j = 0; j < 4; j++) sum[i] += w.bytes[4 * i + j] * activation[j];
  return sum;
}

#endif

inline Weights low_nibbles(Weights w) { return bits_at<0>(w, 15); }
inline Weights high_nibbles(Weights w) { return bits_at<-4>(w, 15); }

}  // namespace tandem
