// The inputs of a product, and what a product with weights of few bits makes of them: whole numbers with a scale for each
// 32 of a row: a signed byte, as in llama.cpp's Q8_1, or two where the row is fine.
#pragma once

#include <cstring>
#include <limits>

#include "matrix.h"

namespace tandem {

constexpr int kLowBits = 7;  // of a step of a fine row: step = 128 * upper byte + byte, which is -64 to 63

// Rows of num_inputs values; for weights of few bits as steps, in bytes, with scale, scale * sum and -128 * sum of each
// group, and, where the matrix has halves, -32 * sum of each half of one.
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
inline void quantise(const Activations& x, int row, int num_inputs, bool has_halves) {
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
      x.offsets[place] = 0;
      if (has_halves) x.half_offsets[2 * place] = x.half_offsets[2 * place + 1] = 0;
      continue;
    }
    float most = max_of(max(max(low, -low), max(high, -high)));
    float inverse = most_steps / most;
    if (!(inverse <= kLargest<float>)) inverse = 0.0f;  // the largest is 0, or too small for its bytes to matter
    Ints low_steps = round(low * inverse), high_steps = round(high * inverse);
    int32_t sum = sum_of(low_steps + high_steps);
    x.scales[place] = most / most_steps;
    x.sums[place] = x.scales[place] * float(sum);
    x.offsets[place] = -128 * sum;
    if (has_halves) {
      int32_t low_sum = sum_of(low_steps);
      x.half_offsets[2 * place] = -32 * low_sum;
      x.half_offsets[2 * place + 1] = -32 * (sum - low_sum);
    }
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
inline void quantise(const Activations& x, int row, const Matrix& w) {
  quantise(x, row, w.num_inputs, has_halves(w));
}

}  // namespace tandem
