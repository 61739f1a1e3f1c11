// The products of rows of rounded activations with one panel of weights of few bits.
#pragma once

#include <algorithm>
#include <utility>

#include "activations.h"
#include "matrix.h"

namespace tandem {

// Call body(0), body(1), ... with numbers that are known when compiled.
template <int kCount, typename Body>
TANDEM_INLINED inline void unrolled(const Body& body) {
  [&]<int... kIndex>(std::integer_sequence<int, kIndex...>) TANDEM_INLINED {
    (body(std::integral_constant<int, kIndex>()), ...);
  }(std::make_integer_sequence<int, kCount>());
}

// Inputs 0 to 15 of a group, or 16 to 31 for kHalf 1, of quad kQuad of them: bytes for `dot`.
template <Format kFormat, int kHalf, int kQuad>
inline Weights quad_of(const uint8_t* data, Weights both) {
  Weights nibbles = bits_at<-4 * kHalf>(both, 15);
  if constexpr (kFormat == Format::int5) return nibbles | bits_at<4 - kQuad - 4 * kHalf>(load_weights(data + 256), 16);
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
constexpr int kChains = std::max(kRows <= 2 ? 2 : 1, kFormat == Format::int5 && most_dots(kFormat) < 8 ? 2 : 1);

// sums[r][chain] += the products of a group of one panel with kRows rows of inputs, `stride` bytes apart.
template <int kRows, Format kFormat>
TANDEM_INLINED inline void add_group(const uint8_t* data, const int8_t* inputs, size_t stride,
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
  } else {
    static_assert(most_dots(kFormat) >= 8 / (kLast + 1));
    NarrowDots dots[kRows][kLast + 1];
    TANDEM_UNROLL for (int r = 0; r < kRows; r++)
      TANDEM_UNROLL for (int chain = 0; chain <= kLast; chain++) dots[r][chain] = {sums[r][chain]};
    unrolled<4>([&](auto quad) TANDEM_INLINED {
      Weights both = load_weights(data + 64 * quad);
      Weights low = quad_of<kFormat, 0, quad>(data, both), high = quad_of<kFormat, 1, quad>(data, both);
      TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
        dots[r][0].template add<quad>(low, inputs + r * stride);
        dots[r][kLast].template add<quad + 4>(high, inputs + r * stride);
      }
    });
    TANDEM_UNROLL for (int r = 0; r < kRows; r++)
      TANDEM_UNROLL for (int chain = 0; chain <= kLast; chain++) sums[r][chain] = dots[r][chain].total();
  }
}

// The same for one half of a group of int6, which has a scale of its own.
template <int kRows, int kHalf>
TANDEM_INLINED inline void add_half(const uint8_t* data, const int8_t* inputs, size_t stride, Ints (&sums)[kRows]) {
  constexpr int kQuads = std::min(4, most_dots(Format::int6));
  unrolled<4 / kQuads>([&](auto part) TANDEM_INLINED {
    NarrowDots dots[kRows];
    TANDEM_UNROLL for (int r = 0; r < kRows; r++) dots[r] = {sums[r]};
    unrolled<kQuads>([&](auto number) TANDEM_INLINED {
      constexpr int kQuad = kQuads * part + number;
      Weights weights = quad_of<Format::int6, kHalf, kQuad>(data, load_weights(data + 64 * kQuad));
      TANDEM_UNROLL for (int r = 0; r < kRows; r++)
        dots[r].template add<4 * kHalf + kQuad>(weights, inputs + r * stride);
    });
    TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r] = dots[r].total();
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
    if constexpr (kFormat == Format::int6) {
      unrolled<2>([&](auto half) TANDEM_INLINED {
        Ints sums[kRows] = {};
        if constexpr (kFine) {
          add_half<kRows, half>(data, upper, stride, sums);
          TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r] <<= kLowBits;
        }
        TANDEM_UNROLL for (int r = 0; r < kRows; r++)
          sums[r] += x.half_offsets[2 * (place + r * num_groups + group) + half];
        add_half<kRows, half>(data, inputs, stride, sums);
        Floats scale = load(scales + 16 * half);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++)
          added[r] = fma(to_floats(sums[r]) * x.scales[place + r * num_groups + group], scale, added[r]);
      });
    } else {
      Ints sums[kRows][kChains<kRows, kFormat>] = {};
      if constexpr (kFine) {
        add_group<kRows, kFormat>(data, upper, stride, sums);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++)
          TANDEM_UNROLL for (int chain = 0; chain < kChains<kRows, kFormat>; chain++) sums[r][chain] <<= kLowBits;
      }
      if constexpr (kHasOffset)
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r][0] += x.offsets[place + r * num_groups + group];
      add_group<kRows, kFormat>(data, inputs, stride, sums);
      Floats scale = load(scales), minimum;
      if constexpr (kHasMinima) minimum = kFormat == Format::q4_0 ? scale * -kQ40Middle : load(scales + 16);
      TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
        size_t at = place + r * num_groups + group;
        Ints sum = sums[r][0];
        if constexpr (kChains<kRows, kFormat> == 2) sum += sums[r][1];
        added[r] = fma(to_floats(sum) * x.scales[at], scale, added[r]);
        if constexpr (kHasMinima) added[r] = fma(all(x.sums[at]), minimum, added[r]);
      }
    }
  }
}

}  // namespace tandem
