// AVX2 with fused multiply-add and half floats, with or without byte products (AVX-VNNI): a vector is two registers.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "pair.h"

namespace tandem {

#if defined(__AVXVNNI__)
constexpr const char* kInstructionSet = "avx-vnni";
#else
constexpr const char* kInstructionSet = "avx2";
#endif
constexpr int kMaxRows = 4;
constexpr int kMaxFloatRows = 6;  // of one panel: 12 registers of 16
constexpr int kMaxSums = 6;  // 12 registers of 16

typedef float FloatRegister __attribute__((vector_size(32)));
typedef int32_t IntRegister __attribute__((vector_size(32)));
typedef int16_t ShortRegister __attribute__((vector_size(32)));
typedef double DoubleRegister __attribute__((vector_size(32)));
typedef uint8_t ByteRegister __attribute__((vector_size(32)));

using Floats = Pair<FloatRegister>;
using Ints = Pair<IntRegister>;
using Doubles = Pair<DoubleRegister>;
using Weights = Pair<ByteRegister>;

inline Floats load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline IntRegister load_register(const void* from) {
  return (IntRegister)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
inline Ints load(const int32_t* from) { return {load_register(from), load_register(from + 8)}; }
inline void store(float* to, Floats x) {
  _mm256_storeu_ps(to, x.a);
  _mm256_storeu_ps(to + 8, x.b);
}
inline Floats all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats to_floats(Ints x) {
  return each([](IntRegister lanes) { return (FloatRegister)_mm256_cvtepi32_ps((__m256i)lanes); }, x);
}
inline void store_bytes(int8_t* to, Ints x) {
  const __m256i lowest = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1,
                                          -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  auto eight = [&](IntRegister lanes) {
    __m256i bytes = _mm256_shuffle_epi8((__m256i)lanes, lowest);
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  };
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi64(eight(x.a), eight(x.b)));
}

inline Floats fma(Floats x, Floats y, Floats z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Floats max(Floats x, Floats y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline Ints round(Floats x) {
  return {(IntRegister)_mm256_cvtps_epi32(x.a), (IntRegister)_mm256_cvtps_epi32(x.b)};
}
inline bool are_finite(Floats x) {
  Ints truth = x - x == 0.0f;
  return _mm256_movemask_ps((__m256)(truth.a & truth.b)) == 0xff;
}
inline Floats load(const Half* from) {
  const __m128i* halves = reinterpret_cast<const __m128i*>(from);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
inline void store(Half* to, Floats x) {
  __m128i* halves = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
inline Floats load_bfloat16(const uint16_t* from) {
  auto eight = [&](int first) {
    __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + first));
    return (FloatRegister)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
  };
  return {eight(0), eight(8)};
}
inline uint32_t lanes_of(Ints condition) {
  return uint32_t(_mm256_movemask_ps((__m256)condition.a)) | uint32_t(_mm256_movemask_ps((__m256)condition.b)) << 8;
}

inline Doubles add(Doubles sum, Floats x) {
  auto low = [](FloatRegister lanes) { return (DoubleRegister)_mm256_cvtps_pd(_mm256_castps256_ps128(lanes)); };
  auto high = [](FloatRegister lanes) { return (DoubleRegister)_mm256_cvtps_pd(_mm256_extractf128_ps(lanes, 1)); };
  return sum + Doubles{low(x.a) + low(x.b), high(x.a) + high(x.b)};
}
template <typename Register, typename Join>
inline auto folded(Pair<Register> x, const Join& join) {
  Register eight = join(x.a, x.b);
  return join(__builtin_shufflevector(eight, eight, 0, 1, 2, 3), __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
}

#if defined(__AVXVNNI__)
constexpr bool kHasSignedWeights = false;
#else
constexpr bool kHasSignedWeights = true;
#endif
inline Weights load_weights(const uint8_t* from) {
  return {(ByteRegister)load_register(from), (ByteRegister)load_register(from + 32)};
}
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
  auto moved = [&](ByteRegister bytes) {
    __m256i both = _mm256_srli_epi16(_mm256_slli_epi16((__m256i)bytes, kLeft), kRight);
    return (ByteRegister)_mm256_and_si256(both, _mm256_set1_epi8(char(mask)));
  };
  return each(moved, w);
}
inline Weights either(Weights x, Weights y) { return x | y; }
inline Weights centred(Weights w) { return kHasSignedWeights ? w ^ uint8_t(128) : w; }
inline __m256i spread(const int8_t* four_bytes) {
  int32_t four;
  std::memcpy(&four, four_bytes, 4);
  return _mm256_set1_epi32(four);
}

#if defined(__AVXVNNI__)

template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  __m256i all_four = spread(activations + 4 * kQuad);
  auto added = [&](IntRegister to, ByteRegister bytes) {
    return (IntRegister)_mm256_dpbusd_epi32((__m256i)to, (__m256i)bytes, all_four);
  };
  return each(added, sum, w);
}

}  // namespace tandem

#include "whole_dots.h"

#else

// A sum that is complete before more is added: GCC would add up in trees, for which there are too few registers.
template <typename Register>
inline Register in_turn(Register sum) {
  asm("" : "+x"(sum));
  return sum;
}
template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  // Bytes without a sign times signed ones, which get the signs of both; two products of 128 and 127 fit 16 bits.
  __m256i all_four = spread(activations + 4 * kQuad);
  auto added = [&](IntRegister to, ByteRegister bytes) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)bytes), _mm256_sign_epi8(all_four, (__m256i)bytes));
    return in_turn(to + (IntRegister)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  };
  return each(added, sum, w);
}

// Products of small weights are added up in 16 bits, and widened once.
constexpr int kMostNarrow = INT16_MAX;
struct NarrowDots {
  Ints sum;
  Pair<ShortRegister> pairs = {};

  template <int kQuad>
  void add(Weights w, const int8_t* activations) {
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

}  // namespace tandem

#endif
