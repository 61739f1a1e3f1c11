// ARM's NEON with byte products (dotprod): a vector is four registers.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "pair.h"

namespace tandem {

constexpr const char* kInstructionSet = "neon-dotprod";
constexpr int kMaxRows = 2;
constexpr int kMaxFloatRows = 2;
constexpr int kMaxSums = 6;  // 24 registers of 32

template <typename Register>
using Four = Pair<Pair<Register>>;

using Floats = Four<float32x4_t>;
using Ints = Four<int32x4_t>;
using Doubles = Four<float64x2_t>;
using Weights = Four<uint8x16_t>;

inline Floats load(const float* from) {
  return {vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)};
}
inline Ints load(const int32_t* from) {
  return {vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)};
}
inline void store(float* to, Floats x) {
  vst1q_f32(to, x.a.a);
  vst1q_f32(to + 4, x.a.b);
  vst1q_f32(to + 8, x.b.a);
  vst1q_f32(to + 12, x.b.b);
}
inline Floats all(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}; }
inline Floats to_floats(Ints x) {
  return each([](int32x4_t lanes) { return vcvtq_f32_s32(lanes); }, x);
}
inline int8x16_t low_bytes(Ints x) {
  int16x8_t low = vcombine_s16(vmovn_s32(x.a.a), vmovn_s32(x.a.b)), high = vcombine_s16(vmovn_s32(x.b.a), vmovn_s32(x.b.b));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}
inline void store_bytes(int8_t* to, Ints x) { vst1q_s8(to, low_bytes(x)); }

inline Floats fma(Floats a, Floats b, Floats c) {
  return each([](float32x4_t x, float32x4_t y, float32x4_t z) { return vfmaq_f32(z, x, y); }, a, b, c);
}
inline Floats max(Floats a, Floats b) {  // vmaxq_f32 has NaN where either is
  return each([](float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }, a, b);
}
inline Ints round(Floats x) {
  return each(
      [](float32x4_t lanes) {
        uint32x4_t fits = vcaltq_f32(lanes, vdupq_n_f32(2147483648.0f));
        return vbslq_s32(fits, vcvtnq_s32_f32(lanes), vdupq_n_s32(INT32_MIN));
      },
      x);
}
inline bool are_finite(Floats x) {
  Ints truth = x - x == 0.0f;
  return vminvq_u32(vreinterpretq_u32_s32((truth.a.a & truth.a.b) & (truth.b.a & truth.b.b))) != 0;
}
inline Floats load(const Half* from) {
  auto four = [&](int first) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from + first))); };
  return {four(0), four(4), four(8), four(12)};
}
inline void store(Half* to, Floats x) {
  vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(x.a.a)));
  vst1_u16(to + 4, vreinterpret_u16_f16(vcvt_f16_f32(x.a.b)));
  vst1_u16(to + 8, vreinterpret_u16_f16(vcvt_f16_f32(x.b.a)));
  vst1_u16(to + 12, vreinterpret_u16_f16(vcvt_f16_f32(x.b.b)));
}
inline Floats load_bfloat16(const uint16_t* from) {
  auto four = [&](int first) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from + first), 16)); };
  return {four(0), four(4), four(8), four(12)};
}
inline uint32_t lanes_of(Ints condition) {
  const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  uint8x16_t held = vandq_u8(vreinterpretq_u8_s8(low_bytes(condition)), bits);
  return vaddv_u8(vget_low_u8(held)) | uint32_t(vaddv_u8(vget_high_u8(held))) << 8;
}

inline Doubles add(Doubles sum, Floats x) {
  auto low = [](float32x4_t a, float32x4_t b) { return vcvt_f64_f32(vget_low_f32(a)) + vcvt_f64_f32(vget_low_f32(b)); };
  auto high = [](float32x4_t a, float32x4_t b) { return vcvt_high_f64_f32(a) + vcvt_high_f64_f32(b); };
  return sum + Doubles{low(x.a.a, x.b.a), high(x.a.a, x.b.a), low(x.a.b, x.b.b), high(x.a.b, x.b.b)};
}
template <typename Register, typename Join>
inline auto folded(Pair<Pair<Register>> x, const Join& join) {
  return join(join(x.a.a, x.b.a), join(x.a.b, x.b.b));
}

constexpr bool kHasSignedWeights = true;
inline Weights load_weights(const uint8_t* from) {
  return {vld1q_u8(from), vld1q_u8(from + 16), vld1q_u8(from + 32), vld1q_u8(from + 48)};
}
template <int kShift>
inline Weights bits_at(Weights w, int mask) {
  if constexpr (kShift < 0) {
    Weights moved = w >> uint8_t(-kShift);
    return mask == 255 >> -kShift ? moved : moved & uint8_t(mask);
  } else {
    return w << uint8_t(kShift) & uint8_t(mask);
  }
}
inline Weights either(Weights a, Weights b) { return a | b; }
inline Weights centred(Weights w) { return w ^ uint8_t(128); }
template <int kQuad>
inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
  int8x16_t sixteen = vld1q_s8(activations + kQuad / 4 * 16);
  auto added = [&](int32x4_t to, uint8x16_t bytes) {
    return vdotq_laneq_s32(to, vreinterpretq_s8_u8(bytes), sixteen, kQuad % 4);
  };
  return each(added, sum, w);
}

}  // namespace tandem

#include "whole_dots.h"
