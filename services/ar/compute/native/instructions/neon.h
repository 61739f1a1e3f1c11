// ARM's NEON with byte products (dotprod): a vector is four registers.
#pragma once

#include <arm_neon.h>

namespace tandem {

constexpr const char* kInstructionSet = "neon-dotprod";
constexpr int kMaxRows = 2;
constexpr int kMaxFloatRows = 2;
constexpr int kMaxSums = 6;  // 24 registers of 32
constexpr bool kHasSignedWeights = true;

typedef ByteRegister MovedRegister;
inline float32x4_t fma(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
inline float32x4_t max(float32x4_t a, float32x4_t b) {  // vmaxq_f32 has NaN where either is
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
inline int32x4_t round(float32x4_t lanes) {
    uint32x4_t fits = vcaltq_f32(lanes, vdupq_n_f32(2147483648.0f));
    return vbslq_s32(fits, vcvtnq_s32_f32(lanes), vdupq_n_s32(INT32_MIN));
}
inline bool are_true(int32x4_t condition) { return vminvq_u32(vreinterpretq_u32_s32(condition)) != 0; }
inline float32x4_t load_halves(const Half* from) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))); }
inline void store_halves(Half* to, float32x4_t x) { vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
inline int32x4_t load_shorts(const uint16_t* from) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(from))); }
inline int8x16_t low_bytes(Ints x) {
    int16x8_t low = vcombine_s16(vmovn_s32(x.a.a), vmovn_s32(x.a.b)),
              high = vcombine_s16(vmovn_s32(x.b.a), vmovn_s32(x.b.b));
    return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}
inline void store_bytes(int8_t* to, Ints x) { vst1q_s8(to, low_bytes(x)); }
inline uint32_t lanes_of(Ints condition) {
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t held = vandq_u8(vreinterpretq_u8_s8(low_bytes(condition)), bits);
    return vaddv_u8(vget_low_u8(held)) | uint32_t(vaddv_u8(vget_high_u8(held))) << 8;
}
template <int kQuad> inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
    int8x16_t sixteen = vld1q_s8(activations + kQuad / 4 * 16);
    auto added = [&](int32x4_t to, uint8x16_t bytes) {
        return vdotq_laneq_s32(to, vreinterpretq_s8_u8(bytes), sixteen, kQuad % 4);
    };
    return each(added, sum, w);
}

}  // namespace tandem
