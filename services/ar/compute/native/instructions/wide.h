// Vectors of 64 bytes as the compiler has them: one register with AVX-512, else what it makes of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace tandem {

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(64), aligned(8), may_alias));
typedef float HalfFloats __attribute__((vector_size(32), aligned(4), may_alias));
typedef int8_t Bytes __attribute__((vector_size(16)));

inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline Ints load(const int32_t* from) { return *reinterpret_cast<const Ints*>(from); }
inline void store(float* to, Floats x) { *reinterpret_cast<Floats*>(to) = x; }
inline Floats all(float x) { return Floats{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
inline Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
inline void store_bytes(int8_t* to, Ints x) {
  Bytes packed = __builtin_convertvector(x, Bytes);
  std::memcpy(to, &packed, sizeof(packed));
}

inline Doubles add(Doubles sum, Floats x) {
  HalfFloats low = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  HalfFloats high = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  return sum + (__builtin_convertvector(low, Doubles) + __builtin_convertvector(high, Doubles));
}

template <typename Vector, typename Join>
inline auto folded(Vector x, const Join& join) {
  auto eight = join(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7),
                    __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
  return join(__builtin_shufflevector(eight, eight, 0, 1, 2, 3), __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
}

template <int kBit>
inline Floats swapped(Floats x) {
  return [&]<int... kLane>(std::integer_sequence<int, kLane...>) {
    return (Floats)__builtin_shufflevector(x, x, (kLane ^ kBit)...);
  }(std::make_integer_sequence<int, 16>());
}

}  // namespace tandem
