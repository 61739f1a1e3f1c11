// AVX2 with fused multiply-add and half floats, with or without byte products (AVX-VNNI): a vector is two registers.
#pragma once

#include <immintrin.h>

namespace tandem {

#if defined(__AVXVNNI__)
constexpr const char* kInstructionSet = "avx-vnni";
constexpr bool kHasSignedWeights = false;
#else
constexpr const char* kInstructionSet = "avx2";
constexpr bool kHasSignedWeights = true;
#endif
constexpr int kMaxRows = 4;
constexpr int kMaxFloatRows = 6;  // of one panel: 12 registers of 16
constexpr int kMaxSums = 6;       // 12 registers of 16

typedef PairsRegister MovedRegister;
inline FloatRegister fma(FloatRegister x, FloatRegister y, FloatRegister z) { return _mm256_fmadd_ps(x, y, z); }
inline FloatRegister max(FloatRegister x, FloatRegister y) { return _mm256_max_ps(x, y); }
inline IntRegister round(FloatRegister x) { return (IntRegister)_mm256_cvtps_epi32(x); }
inline bool are_true(IntRegister condition) { return _mm256_movemask_ps((__m256)condition) == 0xff; }
inline uint32_t lanes_of(IntRegister condition) { return uint32_t(_mm256_movemask_ps((__m256)condition)); }
inline FloatRegister load_halves(const Half* from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline void store_halves(Half* to, FloatRegister x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline IntRegister load_shorts(const uint16_t* from) {
    return (IntRegister)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline void store_bytes(int8_t* to, Ints x) {
    const __m256i lowest = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                                            -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    auto eight = [&](IntRegister lanes) {
        __m256i bytes = _mm256_shuffle_epi8((__m256i)lanes, lowest);
        return _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    };
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi64(eight(x.a), eight(x.b)));
}
inline __m256i spread(const int8_t* four_bytes) { return _mm256_set1_epi32(read<int32_t>(four_bytes)); }

#if defined(__AVXVNNI__)

template <int kQuad> inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
    __m256i all_four = spread(activations + 4 * kQuad);
    auto added = [&](IntRegister to, ByteRegister bytes) {
        return (IntRegister)_mm256_dpbusd_epi32((__m256i)to, (__m256i)bytes, all_four);
    };
    return each(added, sum, w);
}

#else

// A sum that is complete before more is added: GCC would add up in trees, for which there are too few registers.
template <typename Register> inline Register in_turn(Register sum) {
    asm("" : "+x"(sum));
    return sum;
}
template <int kQuad> inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
    // Bytes without a sign times signed ones, which get the signs of both; two products of 128 and 127 fit 16 bits.
    __m256i all_four = spread(activations + 4 * kQuad);
    auto added = [&](IntRegister to, ByteRegister bytes) {
        __m256i pairs =
            _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)bytes), _mm256_sign_epi8(all_four, (__m256i)bytes));
        return in_turn(to + (IntRegister)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    };
    return each(added, sum, w);
}

// Products of small weights are added up in 16 bits, and widened once.
#define TANDEM_HAS_NARROW_DOTS
constexpr int kMostNarrow = INT16_MAX;
struct NarrowDots {
    Ints sum;
    Pair<ShortRegister> pairs = {};

    template <int kQuad> void add(Weights w, const int8_t* activations) {
        __m256i all_four = spread(activations + 4 * kQuad);
        auto added = [&](ShortRegister to, ByteRegister bytes) {
            return in_turn(to + (ShortRegister)_mm256_maddubs_epi16((__m256i)bytes, all_four));
        };
        pairs = each(added, pairs, w);
    }
    Ints total() const {
        auto widened = [](IntRegister to, ShortRegister two) {
            return to + (IntRegister)_mm256_madd_epi16((__m256i)two, _mm256_set1_epi16(1));
        };
        return each(widened, sum, pairs);
    }
};

#endif

}  // namespace tandem
