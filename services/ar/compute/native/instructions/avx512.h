// AVX-512 with byte products (VNNI): a vector is a register.
#pragma once

#include <immintrin.h>

#include "wide.h"

// Called, a function would find the sums in memory.
#define TANDEM_INLINED __attribute__((always_inline))

namespace tandem {

constexpr const char* kInstructionSet = "avx512-vnni";
constexpr int kMaxRows = 8;
constexpr int kMaxFloatRows = 8;
constexpr int kMaxSums = 24;

inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Floats max(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
inline Ints round(Floats x) { return (Ints)_mm512_cvtps_epi32((__m512)x); }
inline bool are_finite(Floats x) {
  return _mm512_cmp_ps_mask((__m512)(x - x), _mm512_setzero_ps(), _CMP_EQ_OQ) == 0xffff;
}
inline Floats load(const Half* from) {
  return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void store(Half* to, Floats x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
inline Floats load_bfloat16(const uint16_t* from) {
  __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}
inline uint32_t lanes_of(Ints condition) { return _mm512_movepi32_mask((__m512i)condition); }
inline void store_lanes(int32_t* to, Ints x, uint32_t lanes) {
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(__mmask16(lanes), (__m512i)x));
}

constexpr bool kHasSignedWeights = false;
struct Weights {
  __m512i bytes;
};
inline Weights load_weights(const uint8_t* from) { return {_mm512_loadu_si512(from)}; }
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
  __m512i moved = _mm512_srli_epi16(_mm512_slli_epi16(w.bytes, kLeft), kRight);
  return {_mm512_and_si512(moved, _mm512_set1_epi8(char(mask)))};
}
inline Weights either(Weights a, Weights b) { return {_mm512_or_si512(a.bytes, b.bytes)}; }
inline Weights centred(Weights w) { return w; }
template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  int32_t four;
  std::memcpy(&four, activations + 4 * kQuad, 4);
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, w.bytes, _mm512_set1_epi32(four));
}

}  // namespace tandem

#include "whole_dots.h"
