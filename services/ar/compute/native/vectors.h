// Vectors of 16 lanes, 64 bytes of weights, and what compilers do not make of them by themselves.
//
// Each file in instructions/ has the same types and functions for one instruction set, and each gives the same bits: whole
// numbers are exact, and a fused multiply-add is one. Compile with -ffp-contract=off, so that nothing is fused but what
// says so. They are
//   kMaxRows      rows of a tile of quantised weights
//   kMaxFloatRows rows of a tile of weights that are floats
//   kMaxSums      vectors of sums that attention or such a tile holds in registers
//   kHasSignedWeights   whether `dot` takes weights with a sign
// of registers
//   fma           a * b + c, rounded once
//   max           the larger of two numbers; where either is NaN the second
//   round         to the nearest of Ints, the even one of two; NaN and what no Ints can hold to the smallest
//   are_true      whether the condition holds for all lanes
//   load_halves, store_halves, load_shorts (without a sign)
//   MovedRegister   its parts move together in bits_at: bytes, or pairs of them
// and of vectors
//   store_bytes   of each of Ints the lowest byte
//   lanes_of      one bit for each lane, set where the condition holds
//   dot           sums + the products with four bytes from -127 to 127, the same four for all outputs: the quad kQuad of
//                 activations
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "interface.h"

// Of loops over the registers of a tile: rolled up, they would be memory.
#define TANDEM_UNROLL _Pragma("GCC unroll 8")

// Before a function that adds to the sums of a tile: called, it would find them in memory.
#define TANDEM_INLINED __attribute__((always_inline))

namespace tandem {

constexpr int kLanes = lanes;
typedef uint16_t Half;  // the bits of an IEEE half

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VNNI__)
#define TANDEM_INSTRUCTIONS "instructions/avx512.h"
constexpr int kRegisterBytes = 64;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define TANDEM_INSTRUCTIONS "instructions/avx2.h"
constexpr int kRegisterBytes = 32;
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define TANDEM_INSTRUCTIONS "instructions/neon.h"
constexpr int kRegisterBytes = 16;
#else
#define TANDEM_INSTRUCTIONS "instructions/generic.h"
#undef TANDEM_INLINED
#define TANDEM_INLINED
constexpr int kRegisterBytes = 64;
#endif

}  // namespace tandem

#include "instructions/registers.h"
#include TANDEM_INSTRUCTIONS

namespace tandem {

// Floats, Ints, Doubles (8 lanes) add, compare and so on like the vectors of GCC. Weights are 64 unsigned bytes: four
// consecutive inputs of each of 16 outputs.
inline Floats load(const float* from) {
    return made<Floats>([&](int lane) { return read<FloatRegister>(from + lane); });
}
inline Ints load(const int32_t* from) {
    return made<Ints>([&](int lane) { return read<IntRegister>(from + lane); });
}
inline Floats load(const Half* from) {
    return made<Floats>([&](int lane) { return load_halves(from + lane); });
}
inline Floats load_bfloat16(const uint16_t* from) {
    return made<Floats>([&](int lane) { return (FloatRegister)(load_shorts(from + lane) << 16); });
}
inline Weights load_weights(const uint8_t* from) {
    return made<Weights>([&](int lane) { return read<ByteRegister>(from + lane); });
}
inline Floats all(float x) {
    return made<Floats>([&](int) { return x - FloatRegister{}; });
}
inline Floats to_floats(Ints x) {
    return each([](IntRegister lanes) { return __builtin_convertvector(lanes, FloatRegister); }, x);
}
inline void store(float* to, Floats x) {
    take([&](FloatRegister lanes, int lane) { std::memcpy(to + lane, &lanes, sizeof(lanes)); }, x);
}
inline void store(Half* to, Floats x) {
    take([&](FloatRegister lanes, int lane) { store_halves(to + lane, lanes); }, x);
}

template <typename Vector>
concept IsPair = requires(Vector x) { x.a; };

inline auto fma(IsPair auto x, IsPair auto y, IsPair auto z) {
    return decltype(x){fma(x.a, y.a, z.a), fma(x.b, y.b, z.b)};
}
inline auto max(IsPair auto x, IsPair auto y) { return decltype(x){max(x.a, y.a), max(x.b, y.b)}; }
inline auto round(IsPair auto x) {
    return each([](FloatRegister lanes) { return round(lanes); }, x);
}
inline bool are_true(IsPair auto x) { return are_true(x.a & x.b); }
inline uint32_t lanes_of(IsPair auto x) { return lanes_of(x.a) | lanes_of(x.b) << kLanesOf<decltype(x.a)>; }
// x - x is 0, or NaN if x is not finite.
inline bool are_finite(Floats x) { return are_true((Ints)(x - x == 0.0f)); }

// The lanes whose bits are set, one after another; what follows them, up to 16 lanes, is lost.
inline void store_lanes(int32_t* to, auto x, uint32_t lanes) {
    int32_t from[kLanes];
    std::memcpy(from, &x, sizeof(x));
    for (int i = 0; i < kLanes; i++) {
        *to = from[i];
        to += lanes >> i & 1;
    }
}

// The first half of a vector's lanes, and the second.
template <typename Vector> inline auto halves(Vector x) {
    if constexpr (sizeof(Vector) > kRegisterBytes) {
        return x;
    } else {
        return [&]<int... kLane>(std::integer_sequence<int, kLane...>) {
            auto a = __builtin_shufflevector(x, x, kLane...);
            return Pair<decltype(a)>{a, __builtin_shufflevector(x, x, kLane + int(sizeof...(kLane))...)};
        }(std::make_integer_sequence<int, kLanesOf<Vector> / 2>());
    }
}

// Four lanes of 16, the halves joined, then theirs.
inline auto folded(auto x, const auto& join) {
    auto parts = halves(x);
    auto half = each(join, parts.a, parts.b);
    if constexpr (kLanesOf<decltype(half)> == 4) return half;
    else return folded(half, join);
}

// Doubles of a half of Floats.
template <typename Part> inline auto widened(Part x) {
    if constexpr (2 * sizeof(Part) == kRegisterBytes) {
        return __builtin_convertvector(x, DoubleRegister);
    } else {
        auto parts = halves(x);
        auto a = widened(parts.a);
        return Pair<decltype(a)>{a, widened(parts.b)};
    }
}
// A sum and both halves of Floats.
inline Doubles add(Doubles sum, Floats x) {
    auto parts = halves(x);
    return sum + (widened(parts.a) + widened(parts.b));
}

// Each lane from the one whose number differs from its own in the bit kBit.
template <int kBit, typename Vector> inline Vector swapped(Vector x) {
    if constexpr (sizeof(Vector) == kRegisterBytes) {
        return [&]<int... kLane>(std::integer_sequence<int, kLane...>) {
            return (Vector)__builtin_shufflevector(x, x, (kLane ^ kBit)...);
        }(std::make_integer_sequence<int, kLanesOf<Vector>>());
    } else if constexpr (kBit * sizeof(x[0]) == sizeof(x.a)) {
        return {x.b, x.a};
    } else {
        return {swapped<kBit>(x.a), swapped<kBit>(x.b)};
    }
}

// Bytes moved left by kShift bits, or right where it is negative, and masked; the mask must take away what came from the
// neighbouring byte, as two move together.
template <int kShift> inline Weights bits_at(Weights w, int mask) {
    constexpr int kLeft = kShift >= 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
    Weights moved = each([](ByteRegister bytes) { return (ByteRegister)((MovedRegister)bytes << kLeft >> kRight); }, w);
    bool is_masked = kLanesOf<MovedRegister> == kRegisterBytes && kLeft == 0 && mask == 255 >> kRight;
    return is_masked ? moved : moved & uint8_t(mask);
}
// What `dot` takes for bytes of value + 128: the same bytes, or signed ones where kHasSignedWeights.
inline Weights centred(Weights w) { return kHasSignedWeights ? w ^ uint8_t(128) : w; }

// Adds products of weights below 64 to a sum, which `total` returns; at most kMostNarrow in pairs.
#if !defined(TANDEM_HAS_NARROW_DOTS)
constexpr int kMostNarrow = INT32_MAX;  // room for any number of products
struct NarrowDots {
    Ints sum;

    template <int kQuad> void add(Weights w, const int8_t* activations) { sum = dot<kQuad>(sum, w, activations); }
    Ints total() const { return sum; }
};
#endif

inline int filled_up(int count, int multiple) { return (count + multiple - 1) / multiple * multiple; }

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
template <typename T> constexpr float kLargest = std::numeric_limits<float>::max();
template <> inline constexpr float kLargest<Half> = 65504.0f;

// x brought between -most and most; 0 for NaN. What lies between keeps its bits.
inline Floats saturated(Floats x, float most) {
    x = (Floats)((Ints)x & (Ints)(x == x));
    return max(-max(-x, all(-most)), all(-most));
}

// The lanes put together, halves first: 8 with 8, 4 with 4, 2 with 2, the last two.
inline auto reduced(auto x, const auto& join) {
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
