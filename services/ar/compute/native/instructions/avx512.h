// AVX-512 with byte products (VNNI): a vector is a register.
#pragma once

#include <immintrin.h>

namespace tandem {

constexpr const char* kInstructionSet = "avx512-vnni";
constexpr int kMaxRows = 8;
constexpr int kMaxFloatRows = 8;
constexpr int kMaxSums = 24;
constexpr bool kHasSignedWeights = false;

typedef PairsRegister MovedRegister;
inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Floats max(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
inline Ints round(Floats x) { return (Ints)_mm512_cvtps_epi32((__m512)x); }
inline bool are_true(Ints condition) { return _mm512_movepi32_mask((__m512i)condition) == 0xffff; }
inline uint32_t lanes_of(Ints condition) { return _mm512_movepi32_mask((__m512i)condition); }
inline FloatRegister load_halves(const Half* from) {
    return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void store_halves(Half* to, FloatRegister x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
inline IntRegister load_shorts(const uint16_t* from) {
    return (Ints)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void store_bytes(int8_t* to, Ints x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)x));
}
inline void store_lanes(int32_t* to, Ints x, uint32_t lanes) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(__mmask16(lanes), (__m512i)x));
}
template <int kQuad> inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w,
                                     _mm512_set1_epi32(read<int32_t>(activations + 4 * kQuad)));
}

}  // namespace tandem
