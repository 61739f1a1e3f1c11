// Products of activations with packed weights. A row's result does not depend on the rows beside it.
//
// A panel is 16 outputs, one a lane; two panels are computed together. Formats, for each panel:
//   float32   [inputs][16] float, bfloat16 [inputs][16] of the upper half of a float
//   int8      for each group of 32 inputs 8 x [16 outputs][4 inputs] bytes of value + 128, and 16 scales (half)
//   int4      for each group of 32 inputs 4 x [16 outputs][4 inputs] bytes, inputs 0 to 15 of the group in the low
//             nibbles, 16 to 31 in the high ones; 16 scales and 16 minima (half): weight = scale * nibble + minimum
// With int8 and int4 activations are signed bytes with a scale for each 32 of a row, as in llama.cpp's Q8_1.
#pragma once

#include "threads.h"
#include "vectors.h"

namespace tandem {

constexpr int kGroup = 32;

enum Format : int32_t { kFloat32, kBfloat16, kInt8, kInt4 };

// num_inputs and num_outputs are multiples of 32, filled up with weights of 0.
struct Matrix {
  const uint8_t* data;
  const Half* scales;
  const float* bias;  // [num_outputs] or null
  Format format;
  int32_t num_inputs;
  int32_t num_outputs;
};

// Rows of num_inputs values; for int8 and int4 as bytes, with scale, scale * sum and -128 * sum of each group.
struct Activations {
  float* values;
  int8_t* bytes;
  float* scales;
  float* sums;
  int32_t* offsets;
};

inline bool is_quantised(Format format) { return format == kInt8 || format == kInt4; }

// Fill in the bytes of a row from its values. A group that is not finite gets a scale of NaN, which all outputs of the
// row then are: whole numbers have no NaN to hand on.
inline void quantise(const Activations& x, int row, int num_inputs) {
  typedef int8_t Bytes __attribute__((vector_size(16)));
  const float* values = x.values + size_t(row) * num_inputs;
  int8_t* bytes = x.bytes + size_t(row) * num_inputs;
  size_t place = size_t(row) * (num_inputs / kGroup);
  for (int first = 0; first < num_inputs; first += kGroup, place++) {
    Floats low = load(values + first), high = load(values + first + kLanes);
    if (!(are_finite(low) & are_finite(high))) {
      std::memset(bytes + first, 0, kGroup);
      x.scales[place] = x.sums[place] = std::numeric_limits<float>::quiet_NaN();
      x.offsets[place] = 0;
      continue;
    }
    float most = max_of(max(max(low, -low), max(high, -high)));
    float inverse = 127.0f / most;
    if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small for its bytes to matter
    Ints low_steps = round(low * inverse), high_steps = round(high * inverse);
    Bytes packed[2] = {__builtin_convertvector(low_steps, Bytes), __builtin_convertvector(high_steps, Bytes)};
    std::memcpy(bytes + first, packed, kGroup);
    int32_t sum = sum_of(low_steps + high_steps);
    x.scales[place] = most / 127.0f;
    x.sums[place] = x.scales[place] * float(sum);
    x.offsets[place] = -128 * sum;
  }
}

template <int kRows>
struct Tile {
  Floats sums[kRows][2];
};

template <int kRows, bool kIsInt4>
inline Tile<kRows> quantised_tile(const Matrix& w, int pair, const Activations& x, int row) {
  constexpr int kGroupBytes = kIsInt4 ? 256 : 512, kGroupScales = kIsInt4 ? 32 : 16;
  constexpr int kChains = kRows <= 2 ? 2 : 1;  // sums that do not wait for each other
  int num_groups = w.num_inputs / kGroup;
  const int8_t* bytes = x.bytes + size_t(row) * w.num_inputs;
  size_t place = size_t(row) * num_groups, panel = size_t(2 * pair) * num_groups;
  Tile<kRows> tile{};
  for (int group = 0; group < num_groups; group++) {
    TANDEM_UNROLL for (int side = 0; side < 2; side++) {
      // Without this the compiler keeps the inputs, each spread over a vector, for the second side: on the stack, where
      // they cost 16 times the bytes.
      asm volatile("" : : : "memory");
      size_t record = panel + size_t(side) * num_groups + group;
      const uint8_t* data = w.data + record * kGroupBytes;
      const Half* scales = w.scales + record * kGroupScales;
      const int8_t* inputs = bytes + group * kGroup;
      // The memory would idle while this pair is computed: have it bring the next one's weights.
      size_t ahead = size_t(2) * num_groups;
      TANDEM_UNROLL for (int line = 0; line < kGroupBytes / 64; line++)
        __builtin_prefetch(data + ahead * kGroupBytes + 64 * line, 0, 2);
      __builtin_prefetch(scales + ahead * kGroupScales, 0, 2);
      Ints sums[kRows][kChains] = {};
      if constexpr (kIsInt4) {
        TANDEM_UNROLL for (int quad = 0; quad < 4; quad++) {
          Weights both = load_weights(data + 64 * quad), low = low_nibbles(both), high = high_nibbles(both);
          TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
            const int8_t* input = inputs + size_t(r) * w.num_inputs + 4 * quad;
            sums[r][0] = dot(sums[r][0], low, input);
            sums[r][kChains - 1] = dot(sums[r][kChains - 1], high, input + 16);
          }
        }
      } else {
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r][0] += x.offsets[place + size_t(r) * num_groups + group];
        TANDEM_UNROLL for (int quad = 0; quad < 8; quad++) {
          Weights weights = load_weights(data + 64 * quad);
          TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
            Ints& sum = sums[r][quad % kChains];
            sum = dot(sum, weights, inputs + size_t(r) * w.num_inputs + 4 * quad);
          }
        }
      }
      Floats scale = load(scales);
      TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
        size_t at = place + size_t(r) * num_groups + group;
        Ints sum = sums[r][0];
        if constexpr (kChains == 2) sum += sums[r][1];
        tile.sums[r][side] = fma(to_floats(sum) * x.scales[at], scale, tile.sums[r][side]);
        if constexpr (kIsInt4) tile.sums[r][side] = fma(all(x.sums[at]), load(scales + 16), tile.sums[r][side]);
      }
    }
  }
  return tile;
}

template <int kRows, bool kIsBfloat16>
inline Tile<kRows> float_tile(const Matrix& w, int pair, const Activations& x, int row) {
  constexpr int kSize = kIsBfloat16 ? 2 : 4;
  const float* values = x.values + size_t(row) * w.num_inputs;
  const uint8_t* panels[2];
  TANDEM_UNROLL for (int side = 0; side < 2; side++) panels[side] = w.data + size_t(2 * pair + side) * w.num_inputs * kLanes * kSize;
  Tile<kRows> tile{};
  for (int input = 0; input < w.num_inputs; input++) {
    TANDEM_UNROLL for (int side = 0; side < 2; side++) {
      const uint8_t* from = panels[side] + size_t(input) * kLanes * kSize;
      __builtin_prefetch(from + size_t(2) * w.num_inputs * kLanes * kSize, 0, 2);
      Floats weights;
      if constexpr (kIsBfloat16) weights = load_bfloat16(reinterpret_cast<const uint16_t*>(from));
      else weights = load(reinterpret_cast<const float*>(from));
      TANDEM_UNROLL for (int r = 0; r < kRows; r++)
        tile.sums[r][side] = fma(all(values[size_t(r) * w.num_inputs + input]), weights, tile.sums[r][side]);
    }
  }
  return tile;
}

template <int kRows>
inline Tile<kRows> tile_of(const Matrix& w, int pair, const Activations& x, int row) {
  switch (w.format) {
    case kInt4: return quantised_tile<kRows, true>(w, pair, x, row);
    case kInt8: return quantised_tile<kRows, false>(w, pair, x, row);
    case kBfloat16: return float_tile<kRows, true>(w, pair, x, row);
    default: return float_tile<kRows, false>(w, pair, x, row);
  }
}

// Compute tiles of kRows rows from `row` on, then what is left with smaller ones.
template <int kRows, typename Use>
inline void rows_of_pair(const Matrix& w, int pair, const Activations& x, int row, int num_rows, const Use& use) {
  for (; row + kRows <= num_rows; row += kRows) {
    Tile<kRows> tile = tile_of<kRows>(w, pair, x, row);
    TANDEM_UNROLL for (int r = 0; r < kRows; r++) {
      if (w.bias != nullptr)
        TANDEM_UNROLL for (int side = 0; side < 2; side++) tile.sums[r][side] += load(w.bias + (2 * pair + side) * kLanes);
      use(row + r, pair, tile.sums[r][0], tile.sums[r][1]);
    }
  }
  if constexpr (kRows > 1) {
    if (row < num_rows) rows_of_pair<kRows / 2>(w, pair, x, row, num_rows, use);
  }
}

// Call use(row, pair, 16 outputs, the next 16 outputs) for each row and pair of panels, in the team's threads.
template <typename Use>
inline void multiply(Team& team, const Matrix& w, const Activations& x, int num_rows, const Use& use) {
  team.share(w.num_outputs / (2 * kLanes), [&](int first, int last) {
    for (int pair = first; pair < last; pair++) rows_of_pair<kMaxRows>(w, pair, x, 0, num_rows, use);
  });
}

// Write the weights of one output, [num_inputs], to `to`.
inline void unpack_row(const Matrix& w, int output, float* to) {
  size_t panel = output / kLanes, lane = output % kLanes;
  int num_groups = w.num_inputs / kGroup;
  for (int input = 0; input < w.num_inputs; input++) {
    size_t record = panel * num_groups + input / kGroup, at = input % kGroup;
    size_t plain = (panel * w.num_inputs + input) * kLanes + lane;
    if (w.format == kFloat32) {
      to[input] = reinterpret_cast<const float*>(w.data)[plain];
    } else if (w.format == kBfloat16) {
      uint32_t bits = uint32_t(reinterpret_cast<const uint16_t*>(w.data)[plain]) << 16;
      std::memcpy(to + input, &bits, 4);
    } else if (w.format == kInt8) {
      uint8_t byte = w.data[record * 512 + at / 4 * 64 + lane * 4 + at % 4];
      to[input] = load(w.scales + record * 16)[lane] * (byte - 128);
    } else {
      uint8_t byte = w.data[record * 256 + at % 16 / 4 * 64 + lane * 4 + at % 4];
      int nibble = at < 16 ? byte & 15 : byte >> 4;
      to[input] = load(w.scales + record * 32)[lane] * nibble + load(w.scales + record * 32 + 16)[lane];
    }
  }
}

}  // namespace tandem
