// What sampling needs of vectors beside arithmetic: lanes one by one, and exact sums.
#pragma once

#include "../vectors.h"

namespace tandem {

// Call body(lane) for each bit that is set, the lowest first.
template <typename Body>
inline void each_lane(uint32_t lanes, const Body& body) {
  for (; lanes != 0; lanes &= lanes - 1) body(__builtin_ctz(lanes));
}

inline double sum_of(Doubles x) { return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])); }

// Call body(first, vector) for each vector of values[size]; the last one is filled up with `filling`.
template <typename Body>
inline void each_vector(const float* values, int size, float filling, const Body& body) {
  int first = 0;
  for (; first + kLanes <= size; first += kLanes) body(first, load(values + first));
  if (first == size) return;
  Floats rest = all(filling);
  std::memcpy(&rest, values + first, (size - first) * sizeof(float));
  body(first, rest);
}

}  // namespace tandem
