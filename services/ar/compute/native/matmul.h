// Products of activations with packed weights. A row's result does not depend on the rows beside it.
#pragma once

#include <algorithm>
#include <utility>

#include "activations.h"
#include "matrix.h"
#include "threads.h"

namespace tandem {

// Tiles are functions of their own: inlined at each use, they would take the compiler four times as long.
#define TANDEM_APART inline __attribute__((noinline))

template <int kRows>
struct Tile {
  Floats sums[kRows][2];

  // One by one: as a whole they would be set by an instruction that takes as long as a group.
  void clear() {
    TANDEM_UNROLL for (int r = 0; r < kRows; r++)
      TANDEM_UNROLL for (int side = 0; side < 2; side++) sums[r][side] = Floats{};
  }
};

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
  if constexpr (kFormat == kInt5) return either(nibbles, bits_at<4 - kQuad - 4 * kHalf>(load_weights(data + 256), 16));
  if constexpr (kFormat == kInt6)
    return either(nibbles, bits_at<4 - 2 * kQuad>(load_weights(data + 256 + 64 * kHalf), 48));
  if constexpr (kFormat == kIq4Nl) return looked_up(nibbles, kIq4NlTable);
  return nibbles;
}

// Quads of products with weights of the format that one sum of NarrowDots has room for.
constexpr int most_dots(Format format) {
  int most_weight = format == kInt5 ? 31 : format == kInt6 ? 63 : 15;
  return kMostNarrow / (2 * 127 * most_weight);
}

// Sums of a row's products with a group of one panel: few that do not wait for each other, or more if they need room.
template <int kRows, Format kFormat>
constexpr int kChains = std::max(kRows <= 2 ? 2 : 1, kFormat == kInt5 && most_dots(kFormat) < 8 ? 2 : 1);

// sums[r][chain] += the products of a group of one panel with kRows rows of inputs, `stride` bytes apart.
template <int kRows, Format kFormat>
TANDEM_INLINED inline void add_group(const uint8_t* data, const int8_t* inputs, size_t stride,
                                     Ints (&sums)[kRows][kChains<kRows, kFormat>]) {
  constexpr int kLast = kChains<kRows, kFormat> - 1;
  if constexpr (kFormat == kInt8) {
    unrolled<8>([&](auto quad) TANDEM_INLINED {
      Weights weights = centred(load_weights(data + 64 * quad));
      TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
        Ints& sum = sums[r][quad % (kLast + 1)];
        sum = dot<quad>(sum, weights, inputs + r * stride);
      }
    });
  } else if constexpr (kFormat == kIq4Nl) {
    unrolled<4>([&](auto quad) TANDEM_INLINED {
      Weights both = load_weights(data + 64 * quad);
      Weights low = quad_of<kFormat, 0, quad>(data, both), high = quad_of<kFormat, 1, quad>(data, both);
      TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
        sums[r][0] = dot<quad>(sums[r][0], low, inputs + r * stride);
        sums[r][kLast] = dot<quad + 4>(sums[r][kLast], high, inputs + r * stride);
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
  constexpr int kQuads = std::min(4, most_dots(kInt6));
  unrolled<4 / kQuads>([&](auto part) TANDEM_INLINED {
    NarrowDots dots[kRows];
    TANDEM_UNROLL for (int r = 0; r < kRows; r++) dots[r] = {sums[r]};
    unrolled<kQuads>([&](auto number) TANDEM_INLINED {
      constexpr int kQuad = kQuads * part + number;
      Weights weights = quad_of<kInt6, kHalf, kQuad>(data, load_weights(data + 64 * kQuad));
      TANDEM_UNROLL for (int r = 0; r < kRows; r++)
        dots[r].template add<4 * kHalf + kQuad>(weights, inputs + r * stride);
    });
    TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r] = dots[r].total();
  });
}

template <int kRows, Format kFormat, bool kFine>
TANDEM_APART Tile<kRows> quantised_tile(const Part& w, int num_inputs, int pair, const Activations& x, int row) {
  constexpr int kGroupBytes = group_bytes(kFormat), kGroupScales = group_scales(kFormat);
  constexpr bool kHasMinima = kFormat == kInt4 || kFormat == kInt5 || kFormat == kQ40;
  constexpr bool kHasOffset = !kHasSignedWeights && (kFormat == kInt8 || kFormat == kIq4Nl);
  size_t num_groups = num_inputs / kGroup, stride = num_inputs;
  const int8_t* bytes = x.bytes + size_t(row) * num_inputs;
  const int8_t* low_bytes = kFine ? x.low_bytes + size_t(row) * num_inputs : bytes;
  size_t place = size_t(row) * num_groups, panel = size_t(2 * pair) * num_groups;
  Tile<kRows> tile;
  tile.clear();
  for (size_t group = 0; group < num_groups; group++) {
    TANDEM_UNROLL for (int side = 0; side < 2; side++) {
      // Without this the compiler keeps the inputs, each spread over a vector, for the second side: on the stack, where
      // they cost 16 times the bytes.
      asm volatile("" : : : "memory");
      size_t record = panel + side * num_groups + group;
      const uint8_t* data = w.data + record * kGroupBytes;
      const Half* scales = w.scales + record * kGroupScales;
      const int8_t *inputs = bytes + group * kGroup, *low = low_bytes + group * kGroup;
      // The memory would idle while this pair is computed: have it bring the next one's weights.
      size_t ahead = 2 * num_groups;
      TANDEM_UNROLL for (int line = 0; line < kGroupBytes / 64; line++)
        __builtin_prefetch(data + ahead * kGroupBytes + 64 * line, 0, 2);
      __builtin_prefetch(scales + ahead * kGroupScales, 0, 2);
      if constexpr (kFormat == kInt6) {
        unrolled<2>([&](auto half) TANDEM_INLINED {
          Ints sums[kRows] = {};
          if constexpr (kFine) {
            add_half<kRows, half>(data, inputs, stride, sums);
            TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r] <<= kLowBits;
          }
          TANDEM_UNROLL for (int r = 0; r < kRows; r++)
            sums[r] += x.half_offsets[2 * (place + r * num_groups + group) + half];
          add_half<kRows, half>(data, low, stride, sums);
          Floats scale = load(scales + 16 * half);
          TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
            Floats scaled = to_floats(sums[r]) * x.scales[place + r * num_groups + group];
            tile.sums[r][side] = fma(scaled, scale, tile.sums[r][side]);
          }
        });
      } else {
        Ints sums[kRows][kChains<kRows, kFormat>] = {};
        if constexpr (kFine) {
          add_group<kRows, kFormat>(data, inputs, stride, sums);
          TANDEM_UNROLL for (int r = 0; r < kRows; r++)
            for (Ints& sum : sums[r]) sum <<= kLowBits;
        }
        if constexpr (kHasOffset)
          TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r][0] += x.offsets[place + r * num_groups + group];
        add_group<kRows, kFormat>(data, low, stride, sums);
        Floats scale = load(scales), minimum;
        if constexpr (kHasMinima) minimum = kFormat == kQ40 ? scale * -kQ40Middle : load(scales + 16);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
          size_t at = place + r * num_groups + group;
          Ints sum = sums[r][0];
          if constexpr (kChains<kRows, kFormat> == 2) sum += sums[r][1];
          tile.sums[r][side] = fma(to_floats(sum) * x.scales[at], scale, tile.sums[r][side]);
          if constexpr (kHasMinima) tile.sums[r][side] = fma(all(x.sums[at]), minimum, tile.sums[r][side]);
        }
      }
    }
  }
  return tile;
}

template <Format kFormat>
inline Floats load_as(const uint8_t* from) {
  if constexpr (kFormat == kBfloat16) return load_bfloat16(reinterpret_cast<const uint16_t*>(from));
  if constexpr (kFormat == kFloat16) return load(reinterpret_cast<const Half*>(from));
  return load(reinterpret_cast<const float*>(from));
}

// The products of kRows rows of values: one order of summation for each output, whatever kRows is.
template <int kRows, Format kFormat>
TANDEM_APART void float_tile(const Part& w, int num_inputs, int pair, const float* values, Floats (*sums)[2]) {
  constexpr int kBytes = kLanes * (kFormat == kFloat32 ? 4 : 2);
  constexpr int kSides = 2 * kRows <= kMaxSums ? 2 : 1;  // at a time, so that the sums stay in registers
  size_t panel_bytes = size_t(num_inputs) * kBytes;
  TANDEM_UNROLL for (int first = 0; first < 2; first += kSides) {
    const uint8_t* from = w.data + (2 * pair + first) * panel_bytes;
    Floats added[kRows][kSides] = {};
    for (int input = 0; input < num_inputs; input++, from += kBytes) {
      TANDEM_UNROLL for (int side = 0; side < kSides; side++) {
        __builtin_prefetch(from + (2 + side) * panel_bytes, 0, 2);
        Floats weights = load_as<kFormat>(from + side * panel_bytes);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++)
          added[r][side] = fma(all(values[size_t(r) * num_inputs + input]), weights, added[r][side]);
      }
    }
    TANDEM_UNROLL for (int r = 0; r < kRows; r++)
      TANDEM_UNROLL for (int side = 0; side < kSides; side++) sums[r][first + side] = added[r][side];
  }
}

template <Format kFormat>
inline void float_tile_of(int num_rows, const Part& w, int num_inputs, int pair, const float* values,
                          Floats (*sums)[2]) {
  unrolled<kMaxFloatRows>([&](auto others) TANDEM_INLINED {
    if (num_rows == others + 1) float_tile<others + 1, kFormat>(w, num_inputs, pair, values, sums);
  });
}

template <int kRows, bool kFine>
inline Tile<kRows> quantised_tile_of(const Part& w, int num_inputs, int pair, const Activations& x, int row) {
  switch (w.format) {
    case kInt4: return quantised_tile<kRows, kInt4, kFine>(w, num_inputs, pair, x, row);
    case kInt5: return quantised_tile<kRows, kInt5, kFine>(w, num_inputs, pair, x, row);
    case kInt6: return quantised_tile<kRows, kInt6, kFine>(w, num_inputs, pair, x, row);
    case kInt8: return quantised_tile<kRows, kInt8, kFine>(w, num_inputs, pair, x, row);
    case kQ40: return quantised_tile<kRows, kQ40, kFine>(w, num_inputs, pair, x, row);
    default: return quantised_tile<kRows, kIq4Nl, kFine>(w, num_inputs, pair, x, row);
  }
}

// Where the products with one pair of panels go: the bias is added, and `use` is called.
template <typename Use>
struct Outputs {
  const float* bias;  // of the pair, or null
  int pair;
  const Use& use;

  void take(int row, int num_rows, Floats (*sums)[2]) const {
    for (int r = 0; r < num_rows; r++) {
      if (bias != nullptr)
        TANDEM_UNROLL for (int side = 0; side < 2; side++) sums[r][side] += load(bias + side * kLanes);
      use(row + r, pair, sums[r][0], sums[r][1]);
    }
  }
};

// Compute tiles of kRows rows from `row` on, then what is left with smaller ones.
template <int kRows, typename Use>
inline void quantised_rows(const Part& w, int pair, bool is_fine, int num_inputs, const Activations& x, int row,
                           int num_rows, const Outputs<Use>& outputs) {
  for (; row + kRows <= num_rows; row += kRows) {
    Tile<kRows> tile = is_fine ? quantised_tile_of<kRows, true>(w, num_inputs, pair, x, row)
                               : quantised_tile_of<kRows, false>(w, num_inputs, pair, x, row);
    outputs.take(row, kRows, tile.sums);
  }
  if constexpr (kRows > 1) {
    if (row < num_rows) quantised_rows<kRows / 2>(w, pair, is_fine, num_inputs, x, row, num_rows, outputs);
  }
}

// Compute as few tiles as possible, of about equally many rows: small ones leave arithmetic units idle.
template <typename Use>
inline void float_rows(const Part& w, int pair, int num_inputs, const float* values, int num_rows,
                       const Outputs<Use>& outputs) {
  int row = 0;
  for (int num_tiles = (num_rows + kMaxFloatRows - 1) / kMaxFloatRows; num_tiles > 0; num_tiles--) {
    int count = (num_rows - row) / num_tiles;
    const float* first = values + size_t(row) * num_inputs;
    Floats sums[kMaxFloatRows][2];
    switch (w.format) {
      case kFloat16: float_tile_of<kFloat16>(count, w, num_inputs, pair, first, sums); break;
      case kBfloat16: float_tile_of<kBfloat16>(count, w, num_inputs, pair, first, sums); break;
      default: float_tile_of<kFloat32>(count, w, num_inputs, pair, first, sums);
    }
    outputs.take(row, count, sums);
    row += count;
  }
}

// Call use(row, pair, 16 outputs, the next 16 outputs) for each row and pair of panels, in the team's threads.
template <typename Use>
inline void multiply(Team& team, const Matrix& w, const Activations& x, int num_rows, const Use& use) {
  team.share(w.num_outputs / (2 * kLanes), [&](int first, int last) {
    for (int pair = first; pair < last; pair++) {
      int number = 0, before = 0;  // of the part that has the pair, and pairs of the parts before it
      while (pair >= before + w.parts[number].num_pairs) before += w.parts[number++].num_pairs;
      const Part& part = w.parts[number];
      Outputs<Use> outputs{w.bias == nullptr ? nullptr : w.bias + 2 * pair * kLanes, pair, use};
      if (!w.has_bytes()) float_rows(part, pair - before, w.num_inputs, x.values, num_rows, outputs);
      else quantised_rows<kMaxRows>(part, pair - before, w.is_fine, w.num_inputs, x, 0, num_rows, outputs);
    }
  });
}

}  // namespace tandem
