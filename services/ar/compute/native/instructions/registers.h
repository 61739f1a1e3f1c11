// Vectors of 64 bytes as registers of kRegisterBytes each.
//
// A vector of 64 bytes that has no register of its own GCC would keep in memory; each half of a pair can have one.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace tandem {

// Two vectors as one, of lanes one after the other: registers, or pairs of them.
template <typename Part> struct Pair {
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

#define TANDEM_OPERATOR(op)                                                      \
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

#define TANDEM_COMPARISON(op)                                                                              \
    friend auto operator op(Pair x, Pair y) { return Pair<decltype(x.a op y.a)>{x.a op y.a, x.b op y.b}; } \
    friend auto operator op(Pair x, Lane y) { return Pair<decltype(x.a op y)>{x.a op y, x.b op y}; }
    TANDEM_COMPARISON(==)
    TANDEM_COMPARISON(!=)
    TANDEM_COMPARISON(<=)
    TANDEM_COMPARISON(>=)
    TANDEM_COMPARISON(>)
#undef TANDEM_COMPARISON

    Pair& operator+=(const auto& y) { return *this = *this + y; }
    Pair& operator<<=(int count) { return *this = *this << count; }
};

typedef float FloatRegister __attribute__((vector_size(kRegisterBytes)));
typedef int32_t IntRegister __attribute__((vector_size(kRegisterBytes)));
typedef int16_t ShortRegister __attribute__((vector_size(kRegisterBytes)));
typedef uint16_t PairsRegister __attribute__((vector_size(kRegisterBytes)));
typedef uint8_t ByteRegister __attribute__((vector_size(kRegisterBytes)));
typedef double DoubleRegister __attribute__((vector_size(kRegisterBytes)));

template <typename Vector, int kBytes = sizeof(Vector)> struct OfRegisters {
    using Type = typename OfRegisters<Pair<Vector>>::Type;
};
template <typename Vector> struct OfRegisters<Vector, 64> {
    using Type = Vector;
};
using Floats = OfRegisters<FloatRegister>::Type;
using Ints = OfRegisters<IntRegister>::Type;
using Doubles = OfRegisters<DoubleRegister>::Type;
using Weights = OfRegisters<ByteRegister>::Type;

template <typename Vector> constexpr int kLanesOf = sizeof(Vector) / sizeof(std::declval<Vector>()[0]);

// function(register of x, registers of the others), for each register.
inline auto each(const auto& function, auto x, auto... others) { return function(x, others...); }
template <typename Part> inline auto each(const auto& function, Pair<Part> x, auto... others) {
    auto a = each(function, x.a, others.a...);
    return Pair<decltype(a)>{a, each(function, x.b, others.b...)};
}

// A vector whose registers are function(number of the first lane).
template <typename Vector> inline Vector made(const auto& function, int lane = 0) {
    if constexpr (sizeof(Vector) == kRegisterBytes) {
        return function(lane);
    } else {
        using Part = decltype(Vector::a);
        return {made<Part>(function, lane), made<Part>(function, lane + kLanesOf<Part>)};
    }
}

// Call function(register, number of its first lane), for each register.
inline void take(const auto& function, auto x, int lane = 0) {
    if constexpr (sizeof(x) == kRegisterBytes) {
        function(x, lane);
    } else {
        take(function, x.a, lane);
        take(function, x.b, lane + kLanesOf<decltype(x.a)>);
    }
}

template <typename Register> inline Register read(const void* from) {
    Register x;
    std::memcpy(&x, from, sizeof(x));
    return x;
}

}  // namespace tandem
