// Two vectors as one, of lanes one after the other: registers, or pairs of them.
//
// A vector of 64 bytes that has no register of its own GCC would keep in memory; each half of a pair can have one.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// Called, a function would find the sums in memory.
#define TANDEM_INLINED __attribute__((always_inline))

namespace tandem {

template <typename Part>
struct Pair {
  using Lane = std::remove_cvref_t<decltype(Part()[0])>;

  Part a, b;

  Lane operator[](int lane) const {
    Lane lanes[sizeof(Pair) / sizeof(Lane)];
    std::memcpy(lanes, this, sizeof(Pair));
    return lanes[lane];
  }
  template <typename Other>  // the same bits; compilers have several types for the same lanes
  explicit(!std::is_same_v<Lane, typename Pair<Other>::Lane>) operator Pair<Other>() const {
    return {(Other)a, (Other)b};
  }
  Pair operator-() const { return {-a, -b}; }
  Pair operator~() const { return {~a, ~b}; }

#define TANDEM_OPERATOR(op)                                                     \
  friend Pair operator op(Pair x, Pair y) { return {x.a op y.a, x.b op y.b}; } \
  friend Pair operator op(Pair x, Lane y) { return {x.a op y, x.b op y}; }
  TANDEM_OPERATOR(+)
  TANDEM_OPERATOR(-)
  TANDEM_OPERATOR(*)
  TANDEM_OPERATOR(/)
  TANDEM_OPERATOR(&)
  TANDEM_OPERATOR(|)
  TANDEM_OPERATOR(^)
  TANDEM_OPERATOR(<<)
  TANDEM_OPERATOR(>>)
#undef TANDEM_OPERATOR

#define TANDEM_COMPARISON(op)                                                                               \
  friend auto operator op(Pair x, Pair y) { return Pair<decltype(x.a op y.a)>{x.a op y.a, x.b op y.b}; } \
  friend auto operator op(Pair x, Lane y) { return Pair<decltype(x.a op y)>{x.a op y, x.b op y}; }
  TANDEM_COMPARISON(==)
  TANDEM_COMPARISON(!=)
  TANDEM_COMPARISON(<=)
  TANDEM_COMPARISON(>=)
  TANDEM_COMPARISON(>)
#undef TANDEM_COMPARISON

  template <typename Other>
  Pair& operator+=(const Other& y) {
    return *this = *this + y;
  }
  Pair& operator<<=(int count) { return *this = *this << count; }
};

// function(register of x, registers of the others), for each register.
template <typename Register, typename Function, typename... Others>
inline auto each(const Function& function, Register x, Others... others) {
  return function(x, others...);
}
template <typename Part, typename Function, typename... Others>
inline auto each(const Function& function, Pair<Part> x, Others... others) {
  auto a = each(function, x.a, others.a...);
  return Pair<decltype(a)>{a, each(function, x.b, others.b...)};
}

// Each lane from the one whose number differs from its own in the bit kBit.
template <int kBit, typename Register>
inline Register swapped(Register x) {
  return [&]<int... kLane>(std::integer_sequence<int, kLane...>) {
    return (Register)__builtin_shufflevector(x, x, (kLane ^ kBit)...);
  }(std::make_integer_sequence<int, sizeof(x) / sizeof(x[0])>());
}
template <int kBit, typename Part>
inline Pair<Part> swapped(Pair<Part> x) {
  if constexpr (kBit * sizeof(x[0]) == sizeof(Part)) return {x.b, x.a};
  else return {swapped<kBit>(x.a), swapped<kBit>(x.b)};
}

template <typename Part>
inline void store_lanes(int32_t* to, Pair<Part> x, uint32_t lanes) {
  constexpr int kCount = sizeof(x) / sizeof(int32_t);
  int32_t from[kCount];
  std::memcpy(from, &x, sizeof(x));
  for (int i = 0; i < kCount; i++) {
    *to = from[i];
    to += lanes >> i & 1;
  }
}

}  // namespace tandem
