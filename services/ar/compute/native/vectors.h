// Vectors of 16 lanes and the few operations that compilers do not write by themselves, for each instruction set.
//
// Every operation gives the same bits on each of them: whole numbers are exact, and a fused multiply-add is one.
// Compile with -ffp-contract=off, so that nothing is fused but what says so.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Of loops over the registers of a tile: rolled up, they would be memory.
#define TANDEM_UNROLL _Pragma("GCC unroll 8")

namespace tandem {

constexpr int kLanes = 16;

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Half;  // the bits of an IEEE half

inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline void store(float* to, Floats x) { *reinterpret_cast<Floats*>(to) = x; }
// The first `count` lanes from memory, 0 in the others.
inline Floats load_first(const float* from, int count) {
  if (count == kLanes) return load(from);
  Floats x{};
  std::memcpy(&x, from, count * sizeof(float));
  return x;
}
inline Floats all(float x) { return Floats{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

// Of two numbers `max` takes the larger one; where either is NaN it takes the second.
// A number that no Ints can hold, or NaN, is rounded to the smallest of them.

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)

constexpr const char* kInstructionSet = "avx512-vnni";
constexpr int kMaxRows = 8;  // rows that a tile of two panels holds in registers

inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Floats max(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
inline Floats to_floats(Ints x) { return (Floats)_mm512_cvtepi32_ps((__m512i)x); }
inline Ints round(Floats x) { return (Ints)_mm512_cvtps_epi32((__m512)x); }
inline bool are_finite(Floats x) {  // x - x is 0, or NaN if x is not finite
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

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

constexpr const char* kInstructionSet = "avx2";
constexpr int kMaxRows = 2;

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
inline Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
inline Ints round(Floats x) {
  Halves h = halves(x);
  __m256i both[2] = {_mm256_cvtps_epi32(h.low), _mm256_cvtps_epi32(h.high)};
  Ints r;
  std::memcpy(&r, both, 64);
  return r;
}
inline bool are_finite(Floats x) {  // x - x is 0, or NaN if x is not finite
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

#else

constexpr const char* kInstructionSet = "generic";
constexpr int kMaxRows = 2;

#if defined(__aarch64__)
typedef __fp16 HalfNumber;
#else
typedef _Float16 HalfNumber;
#endif

inline Floats fma(Floats a, Floats b, Floats c) {
  for (int i = 0; i < kLanes; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
inline Ints round(Floats x) {
  Ints r;
  for (int i = 0; i < kLanes; i++) {
    bool fits = x[i] >= -2147483648.0f && x[i] < 2147483648.0f;
    r[i] = fits ? int32_t(__builtin_rintf(x[i])) : std::numeric_limits<int32_t>::min();
  }
  return r;
}
inline bool are_finite(Floats x) {  // x - x is 0, or NaN if x is not finite
  for (int i = 0; i < kLanes; i++)
    if (!(x[i] - x[i] == 0.0f)) return false;
  return true;
}
inline Floats load(const Half* from) {
  Floats x;
  for (int i = 0; i < kLanes; i++) {
    HalfNumber half;
    std::memcpy(&half, from + i, 2);
    x[i] = float(half);
  }
  return x;
}
inline void store(Half* to, Floats x) {
  for (int i = 0; i < kLanes; i++) {
    HalfNumber half = HalfNumber(x[i]);
    std::memcpy(to + i, &half, 2);
  }
}
inline Floats load_bfloat16(const uint16_t* from) {
  Ints bits;
  for (int i = 0; i < kLanes; i++) bits[i] = int32_t(uint32_t(from[i]) << 16);
  return (Floats)bits;
}

#endif

inline bool are_finite(const float* values, int size) {
  int whole = size / kLanes * kLanes;
  for (int i = 0; i < whole; i += kLanes)
    if (!are_finite(load(values + i))) return false;
  for (int i = whole; i < size; i++)
    if (!(values[i] - values[i] == 0.0f)) return false;
  return true;
}

// The largest finite value that a cache of T can hold.
template <typename T>
constexpr float kLargest = std::numeric_limits<float>::max();
template <>
inline constexpr float kLargest<Half> = 65504.0f;

// x brought between -most and most; 0 for NaN. What lies between keeps its bits.
inline Floats saturated(Floats x, float most) {
  x = (Floats)((Ints)x & (Ints)(x == x));
  return max(-max(-x, all(-most)), all(-most));
}

// The lanes put together, halves first: 8 with 8, 4 with 4, 2 with 2, the last two.
template <typename Vector, typename Join>
inline auto reduced(Vector x, const Join& join) {
  auto eight = join(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7),
                    __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
  auto four = join(__builtin_shufflevector(eight, eight, 0, 1, 2, 3), __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
  return join(join(four[0], four[2]), join(four[1], four[3]));
}
inline float sum_of(Floats x) {
  return reduced(x, [](auto a, auto b) { return a + b; });
}
inline int32_t sum_of(Ints x) {
  return reduced(x, [](auto a, auto b) { return a + b; });
}
inline float max_of(Floats x) {
  return reduced(x, [](auto a, auto b) { return a > b ? a : b; });
}

// e to the power of x, to about 2 units in the last place; below -87 it is about 1e-38, not 0. Of NaN it is NaN.
inline Floats exp(Floats x) {
  x = max(all(-87.0f), x);
  x = -max(all(-88.0f), -x);
  Ints n = round(x * all(1.44269504f));
  Floats r = fma(to_floats(n), all(-0.693359375f), x);
  r = fma(to_floats(n), all(2.12194440e-4f), r);
  // The polynomial of Cephes' expf (Moshier).
  Floats p = all(1.9875691500e-4f);
  p = fma(p, r, all(1.3981999507e-3f));
  p = fma(p, r, all(8.3334519073e-3f));
  p = fma(p, r, all(4.1665795894e-2f));
  p = fma(p, r, all(1.6666665459e-1f));
  p = fma(p, r, all(5.0000001201e-1f));
  p = fma(p, r * r, r + 1.0f);
  return (Floats)((Ints)p + (n << 23));
}

}  // namespace tandem
