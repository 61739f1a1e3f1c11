// NarrowDots where products are added up in 32 bits at once; included by instruction sets behind their Ints and dot.
#pragma once

#include <cstdint>

namespace tandem {

constexpr int kMostNarrow = INT32_MAX;  // room for any number of products
struct NarrowDots {
  Ints sum;

  template <int kQuad>
  void add(Weights w, const int8_t* activations) {
    sum = dot<kQuad>(sum, w, activations);
  }
  Ints total() const { return sum; }
};

}  // namespace tandem
