// The products of rows of activations with one panel of weights of few bits. Activations are rounded to whole numbers,
// with a scale for each 32 of a row: a signed byte, as in llama.cpp's Q8_1, or two where the row is fine.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "matrix.h"

namespace tandem {

constexpr int kLowBits = 7;  // of a step of a fine row: step = 128 * upper byte + byte, which is -64 to 63

// Rows of num_inputs values; for weights of few bits as steps, in bytes, with scale, scale * sum and -128 * sum of each
// group, and -32 * sum of each half of one.
struct Activations {
    float* values;
    int8_t* bytes;
    int8_t* upper_bytes;     // 0 of a row that is not fine
    const uint8_t* is_fine;  // [rows], 0 or 1
    float* scales;
    float* sums;
    int32_t* offsets;
    int32_t* half_offsets;

    bool has_fine(int row, int num_rows) const { return std::memchr(is_fine + row, 1, num_rows) != nullptr; }
};

inline void store_bytes(int8_t* to, Ints low, Ints high) {
    store_bytes(to, low);
    store_bytes(to + kLanes, high);
}

// Fill in what a product needs of a row's values, as a number of groups. A group that is not finite gets a scale of NaN,
// which all outputs of the row then are: whole numbers have no NaN to hand on.
inline void quantise(const Activations& x, int row, int num_inputs) {
    const float* values = x.values + size_t(row) * num_inputs;
    size_t at = size_t(row) * num_inputs, place = at / kGroup;
    bool is_fine = x.is_fine[row];
    float most_steps = is_fine ? 127 << kLowBits : 127;
    for (int first = 0; first < num_inputs; first += kGroup, at += kGroup, place++) {
        Floats low = load(values + first), high = load(values + first + kLanes);
        if (!(are_finite(low) & are_finite(high))) {
            std::memset(x.bytes + at, 0, kGroup);
            std::memset(x.upper_bytes + at, 0, kGroup);
            x.scales[place] = x.sums[place] = std::numeric_limits<float>::quiet_NaN();
            x.offsets[place] = x.half_offsets[2 * place] = x.half_offsets[2 * place + 1] = 0;
            continue;
        }
        float most = max_of(max(max(low, -low), max(high, -high)));
        float inverse = most_steps / most;
        if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small for its bytes to matter
        Ints low_steps = round(low * inverse), high_steps = round(high * inverse);
        int32_t low_sum = sum_of(low_steps), sum = low_sum + sum_of(high_steps);
        x.scales[place] = most / most_steps;
        x.sums[place] = x.scales[place] * float(sum);
        x.offsets[place] = -128 * sum;
        x.half_offsets[2 * place] = -32 * low_sum;
        x.half_offsets[2 * place + 1] = -32 * (sum - low_sum);
        Ints low_upper{}, high_upper{};
        if (is_fine) {
            low_upper = (low_steps + 64) >> kLowBits;
            high_upper = (high_steps + 64) >> kLowBits;
            low_steps = low_steps - (low_upper << kLowBits);
            high_steps = high_steps - (high_upper << kLowBits);
        }
        store_bytes(x.upper_bytes + at, low_upper, high_upper);
        store_bytes(x.bytes + at, low_steps, high_steps);
    }
}

// Call body(0), body(1), ... with numbers that are known when compiled.
template <int kCount, typename Body> TANDEM_INLINED inline void unrolled(const Body& body) {
    [&]<int... kIndex>(std::integer_sequence<int, kIndex...>) TANDEM_INLINED {
        (body(std::integral_constant<int, kIndex>()), ...);
    }(std::make_integer_sequence<int, kCount>());
}

// Inputs 0 to 15 of a group, or 16 to 31 for kHalf 1, of quad kQuad of them: bytes for `dot`.
template <Format kFormat, int kHalf, int kQuad> inline Weights quad_of(const uint8_t* data, Weights both) {
    Weights nibbles = bits_at<-4 * kHalf>(both, 15);
    if constexpr (kFormat == Format::int5)
        return nibbles | bits_at<4 - kQuad - 4 * kHalf>(load_weights(data + 256), 16);
    if constexpr (kFormat == Format::int6)
        return nibbles | bits_at<4 - 2 * kQuad>(load_weights(data + 256 + 64 * kHalf), 48);
    return nibbles;
}

// Quads of products with weights of the format that one sum of NarrowDots has room for.
constexpr int most_dots(Format format) {
    int most_weight = format == Format::int5 ? 31 : format == Format::int6 ? 63 : 15;
    return kMostNarrow / (2 * 127 * most_weight);
}

// Sums of a row's products with a group of one panel: few that do not wait for each other, or more if they need room.
template <int kRows, Format kFormat>
constexpr int kChains =
    kFormat == Format::int6 ? 1
                            : std::max(kRows <= 2 ? 2 : 1, kFormat == Format::int5 && most_dots(kFormat) < 8 ? 2 : 1);

// sums[r][chain] += the products of a group of one panel with kRows rows of inputs, `stride` bytes apart; of int6 those of
// one half, which has a scale of its own.
template <int kRows, Format kFormat, int kHalf>
TANDEM_INLINED inline void add_part(const uint8_t* data, const int8_t* inputs, size_t stride,
                                    Ints (&sums)[kRows][kChains<kRows, kFormat>]) {
    constexpr int kLast = kChains<kRows, kFormat> - 1;
    if constexpr (kFormat == Format::int8) {
        unrolled<8>([&](auto quad) TANDEM_INLINED {
            Weights weights = centred(load_weights(data + 64 * quad));
            TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
                Ints& sum = sums[r][quad % (kLast + 1)];
                sum = dot<quad>(sum, weights, inputs + r * stride);
            }
        });
        return;
    }
    constexpr int kQuads = kFormat == Format::int6 ? std::min(4, most_dots(kFormat)) : 4;
    static_assert(kFormat == Format::int6 || most_dots(kFormat) >= 8 / (kLast + 1));
    unrolled<4 / kQuads>([&](auto part) TANDEM_INLINED {
        NarrowDots dots[kRows][kLast + 1];
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) TANDEM_UNROLL for (int chain = 0; chain <= kLast; chain++)
            dots[r][chain] = {sums[r][chain]};
        unrolled<kQuads>([&](auto number) TANDEM_INLINED {
            constexpr int kQuad = kQuads * part + number;
            Weights both = load_weights(data + 64 * kQuad), first = quad_of<kFormat, kHalf, kQuad>(data, both), second;
            if constexpr (kFormat != Format::int6) second = quad_of<kFormat, 1, kQuad>(data, both);
            TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
                dots[r][0].template add<4 * kHalf + kQuad>(first, inputs + r * stride);
                if constexpr (kFormat != Format::int6)
                    dots[r][kLast].template add<kQuad + 4>(second, inputs + r * stride);
            }
        });
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) TANDEM_UNROLL for (int chain = 0; chain <= kLast; chain++)
            sums[r][chain] = dots[r][chain].total();
    });
}

// Where a panel of weights lies, and one that is computed later, which memory is to bring meanwhile.
struct Panel {
    const uint8_t* data;
    const Half* scales;
    const uint8_t* next_data;
    const Half* next_scales;
};

// added[r] += the products of a panel with row `row + r` of x: one order of summation for each output, whatever kRows is.
// With kPrefetch the other panel is asked for.
template <int kRows, Format kFormat, bool kFine, bool kPrefetch>
TANDEM_INLINED inline void add_panel(const Panel& panel, int num_inputs, const Activations& x, int row,
                                     Floats (&added)[kRows]) {
    constexpr int kGroupBytes = group_bytes(kFormat), kGroupScales = group_scales(kFormat);
    constexpr bool kHasMinima = kFormat == Format::int4 || kFormat == Format::int5 || kFormat == Format::q4_0;
    constexpr bool kHasOffset = !kHasSignedWeights && kFormat == Format::int8;
    constexpr int kHalves = kFormat == Format::int6 ? 2 : 1, kNumSums = kChains<kRows, kFormat>;
    size_t num_groups = num_inputs / kGroup, stride = num_inputs, place = size_t(row) * num_groups;
    const int8_t* bytes = x.bytes + size_t(row) * num_inputs;
    const int8_t* upper_bytes = kFine ? x.upper_bytes + size_t(row) * num_inputs : bytes;
    for (size_t group = 0; group < num_groups; group++) {
        const uint8_t* data = panel.data + group * kGroupBytes;
        const Half* scales = panel.scales + group * kGroupScales;
        const int8_t *inputs = bytes + group * kGroup, *upper = upper_bytes + group * kGroup;
        if constexpr (kPrefetch) {
            TANDEM_UNROLL for (int line = 0; line < kGroupBytes / 64; line++)
                __builtin_prefetch(panel.next_data + group * kGroupBytes + 64 * line, 0, 2);
            __builtin_prefetch(panel.next_scales + group * kGroupScales, 0, 2);
        }
        unrolled<kHalves>([&](auto half) TANDEM_INLINED {
            Ints sums[kRows][kNumSums] = {};
            if constexpr (kFine) {
                add_part<kRows, kFormat, half>(data, upper, stride, sums);
                TANDEM_UNROLL for (int r = 0; r < kRows; r++)
                    TANDEM_UNROLL for (int chain = 0; chain < kNumSums; chain++) sums[r][chain] <<= kLowBits;
            }
            TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
                if constexpr (kHalves == 2) sums[r][0] += x.half_offsets[2 * (place + r * num_groups + group) + half];
                else if constexpr (kHasOffset) sums[r][0] += x.offsets[place + r * num_groups + group];
            }
            add_part<kRows, kFormat, half>(data, inputs, stride, sums);
            Floats scale = load(scales + 16 * half), minimum;
            if constexpr (kHasMinima) minimum = kFormat == Format::q4_0 ? scale * -kQ40Middle : load(scales + 16);
            TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
                size_t at = place + r * num_groups + group;
                Ints sum = sums[r][0];
                if constexpr (kNumSums == 2) sum += sums[r][1];
                added[r] = fma(to_floats(sum) * x.scales[at], scale, added[r]);
                if constexpr (kHasMinima) added[r] = fma(all(x.sums[at]), minimum, added[r]);
            }
        });
    }
}

}  // namespace tandem
