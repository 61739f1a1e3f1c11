// Plain C++, for any processor.
#pragma once

#include <limits>

namespace tandem {

constexpr const char* kInstructionSet = "generic";
constexpr int kMaxRows = 2;
constexpr int kMaxFloatRows = 2;
constexpr int kMaxSums = 24;
constexpr bool kHasSignedWeights = false;

#if defined(__aarch64__)
typedef __fp16 HalfNumber;
#else
typedef _Float16 HalfNumber;
#endif

typedef PairsRegister MovedRegister;
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
inline uint32_t lanes_of(Ints condition) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; i++) bits |= uint32_t(condition[i] != 0) << i;
    return bits;
}
inline bool are_true(Ints condition) { return lanes_of(condition) == 0xffff; }
inline Floats load_halves(const Half* from) {
    Floats x;
    for (int i = 0; i < kLanes; i++) x[i] = float(read<HalfNumber>(from + i));
    return x;
}
inline void store_halves(Half* to, Floats x) {
    for (int i = 0; i < kLanes; i++) {
        HalfNumber half = HalfNumber(x[i]);
        std::memcpy(to + i, &half, 2);
    }
}
inline Ints load_shorts(const uint16_t* from) {
    Ints x;
    for (int i = 0; i < kLanes; i++) x[i] = from[i];
    return x;
}
inline void store_bytes(int8_t* to, Ints x) {
    for (int i = 0; i < kLanes; i++) to[i] = int8_t(x[i]);
}
template <int kQuad> inline Ints dot(Ints sum, Weights w, const int8_t* activations) {
    for (int i = 0; i < kLanes; i++)
        for (int j = 0; j < 4; j++) sum[i] += w[4 * i + j] * activations[4 * kQuad + j];
    return sum;
}

}  // namespace tandem
