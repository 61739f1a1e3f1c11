// Vectors of 16 lanes, 64 bytes of weights, and what compilers do not make of them by themselves.
//
// Each file in instructions/ has the same types and functions for one instruction set, and each gives the same bits: whole
// numbers are exact, and a fused multiply-add is one. Compile with -ffp-contract=off, so that nothing is fused but what
// says so. They are
//   kMaxRows      rows of a tile of quantised weights
//   kMaxFloatRows rows of a tile of weights that are floats
//   kMaxSums      vectors of sums that attention or such a tile holds in registers
//   TANDEM_INLINED   before a function that adds to the sums of a tile
//   Floats, Ints, Doubles (8 lanes), which add, compare and so on like the vectors of GCC; all, load, store, to_floats
//   store_bytes   of each of Ints the lowest byte
//   fma           a * b + c, rounded once
//   max           the larger of two numbers; where either is NaN the second
//   round         to the nearest of Ints, the even one of two; NaN and what no Ints can hold to the smallest
//   are_finite    x - x is 0, or NaN if x is not finite
//   lanes_of      one bit for each lane, set where the condition holds
//   store_lanes   the lanes whose bits are set, one after another; what follows them, up to 16 lanes, is lost
//   add           a sum of Doubles and both halves of Floats
//   folded        four lanes of 16, the halves joined, then theirs
//   swapped       each lane from the one whose number differs from its own in the bit kBit
//   Weights       64 unsigned bytes: four consecutive inputs of each of 16 outputs; load_weights, either of two
//   bits_at       bytes moved left by kShift bits, or right where it is negative, and masked; the mask must take away what
//                 came from the neighbouring byte, as two may move together
//   dot           sums + the products with four bytes from -127 to 127, the same four for all outputs: the quad kQuad of
//                 activations
//   NarrowDots    adds such products of weights below 64 to a sum, which `total` returns; at most kMostNarrow in pairs
//   centred       what dot takes for bytes of value + 128: the same bytes, or signed ones where kHasSignedWeights
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "interface.h"

// Of loops over the registers of a tile: rolled up, they would be memory.
#define TANDEM_UNROLL _Pragma("GCC unroll 8")

namespace tandem {

constexpr int kLanes = lanes;
typedef uint16_t Half;  // the bits of an IEEE half

}  // namespace tandem

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VNNI__)
#include "instructions/avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "instructions/avx2.h"
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "instructions/neon.h"
#else
#include "instructions/generic.h"
#endif

namespace tandem {

// The first `count` lanes from memory, 0 in the others.
inline Floats load_first(const float* from, int count) {
  if (count == kLanes) return load(from);
  Floats x{};
  std::memcpy(&x, from, count * sizeof(float));
  return x;
}

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
  auto four = folded(x, join);
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

// 2 to the power of x, which is at most 0, to about 2 units in the last place; below -125 it is about 2e-38. Of NaN it is
// NaN.
inline Floats exp2(Floats x) {
  x = max(all(-125.0f), x);
  Ints n = round(x);
  Floats r = x - to_floats(n);
  // The polynomial of Cephes' exp2f (Moshier).
  Floats p = all(1.535336188319500e-4f);
  p = fma(p, r, all(1.339887440266574e-3f));
  p = fma(p, r, all(9.618437357674640e-3f));
  p = fma(p, r, all(5.550332471162809e-2f));
  p = fma(p, r, all(2.402264791363012e-1f));
  p = fma(p, r, all(6.931472028550421e-1f));
  p = fma(p, r, all(1.0f));
  return (Floats)((Ints)p + (n << 23));
}

}  // namespace tandem
