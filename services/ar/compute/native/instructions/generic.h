// Plain C++, for any processor.
#pragma once

#include <limits>

#include "wide.h"

#define TANDEM_INLINED

namespace tandem {

constexpr const char* kInstructionSet = "generic";
constexpr int kMaxRows = 2;
constexpr int kMaxFloatRows = 2;
constexpr int kMaxSums = 24;

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
inline Ints round(Floats x) {
  Ints r;
  for (int i = 0; i < kLanes; i++) {
    bool fits = x[i] >= -2147483648.0f && x[i] < 2147483648.0f;
    r[i] = fits ? int32_t(__builtin_rintf(x[i])) : std::numeric_limits<int32_t>::min();
  }
  return r;
}
inline bool are_finite(Floats x) {
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
inline uint32_t lanes_of(Ints condition) {
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; i++) bits |= uint32_t(condition[i] != 0) << i;
  return bits;
}
inline void store_lanes(int32_t* to, Ints x, uint32_t lanes) {
  for (int i = 0; i < kLanes; i++) {
    *to = x[i];
    to += lanes >> i & 1;
  }
}

constexpr bool kHasSignedWeights = false;
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
inline Weights centred(Weights w) { return w; }
template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  for (int i = 0; i < kLanes; i++)
    for (int j = 0; j < 4; j++) sum[i] += w.bytes[4 * i + j] * activations[4 * kQuad + j];
  return sum;
}

}  // namespace tandem

#include "whole_dots.h"
