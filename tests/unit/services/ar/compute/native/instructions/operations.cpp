// Prints what each operation of an instruction set makes of ordinary and of extreme numbers, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "products/matmul.h"
#include "random_numbers.h"
#include "sampling/weights.h"

using namespace tandem;

// The sign and the payload of NaN are the processor's own.
void print(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if (x == x) std::printf(" %08x", bits);
    else std::printf(" nan");
}
void print(Floats x) {
    for (int i = 0; i < kLanes; i++) print(x[i]);
}
void print(Ints x) {
    for (int i = 0; i < kLanes; i++) std::printf(" %08x", x[i]);
}
template <typename T> void show(const char* what, const T& x) {
    std::printf("%s", what);
    print(x);
    std::printf("\n");
}
void show_bytes(const char* what, const void* bytes, int count) {
    std::printf("%s", what);
    for (int i = 0; i < count; i++) std::printf(" %02x", static_cast<const uint8_t*>(bytes)[i]);
    std::printf("\n");
}

const float kExtremes[] = {NAN,           INFINITY,     -INFINITY,    0.0f,          -0.0f,         1e-45f,
                           -1e-38f,       3.4e38f,      -3.4e38f,     0.5f,          1.5f,          2.5f,
                           -2.5f,         2147483520.f, 2147483648.f, -2147483648.f, -2147483904.f, 65504.0f,
                           65519.0f,      65520.0f,     -1e30f,       5.9e-8f,       2.9e-8f,       1.00048828f,
                           1.0014648438f, 88.0f,        -87.0f,       -87.5f,        -103.0f,       8388609.f};
constexpr int kNumExtremes = sizeof(kExtremes) / sizeof(float);

void show_floats(Floats a, Floats b, Floats c) {
    show("a", a);
    show("+", a + b);
    show("-", a - b);
    show("*", a * 1.25f);
    show("/", a / b);
    show("minus", -a);
    show("fma", fma(a, b, c));
    show("max", max(a, b));
    show("round", round(a));
    show("exp", exp(a));
    show("exp2", exp2(-max(a, -a)));
    for (Floats x : {swapped<8>(a), swapped<4>(a), swapped<2>(a), swapped<1>(a)}) show("swapped", x);
    show("saturated", saturated(a, 65504.0f));
    show("sum", sum_of(a));
    show("largest", max_of(a));
    show("==", (Ints)(a == b));
    show(">=", (Ints)(a >= b));
    show("lanes", (Ints)(a != 0.5f) | ((Ints)(a <= b) & ~(Ints)(a > 1.0f)));
    std::printf("finite %d %d of %04x\n", are_finite(a), are_finite(c), lanes_of((Ints)(a >= b)));
    Half halves[kLanes];
    store(halves, a);
    show("unpacked", load(halves));
    float unpacked[kLanes];  // with a vector in its place, GCC 12 (-O1, AVX-512) loads it as aligned, and it is not
    store(unpacked, load(halves));
    for (int i = 0; i < kLanes; i++) halves[i] = unpacked[i] == unpacked[i] ? halves[i] : 0;  // of NaN any is right
    show_bytes("half", halves, sizeof(halves));
    uint16_t upper[kLanes];
    for (int i = 0; i < kLanes; i++) std::memcpy(upper + i, reinterpret_cast<const char*>(&a) + 4 * i + 2, 2);
    show("bfloat16", load_bfloat16(upper));
    Doubles sums = add(add(Doubles{}, b), c);
    for (double sum : {sums[0], sums[7], sum_of(sums)}) std::printf(sum == sum ? "%a\n" : "nan\n", sum);
}

void show_ints(RandomNumbers& random) {
    int32_t numbers[2 * kLanes], left[2 * kLanes] = {};
    for (int32_t& number : numbers) number = int32_t(random.next());
    Ints x = load(numbers), y = load(numbers + kLanes);
    show("to_floats", to_floats(x));
    show("sum", sum_of(x + y));
    show("shifted", (x << 7) + ((y + 64) >> 7));
    int8_t bytes[kLanes];
    store_bytes(bytes, x);
    show_bytes("bytes", bytes, kLanes);
    uint32_t lanes = uint32_t(random.next()) & 0xffff;
    store_lanes(left, x, lanes);
    show_bytes("kept", left, 4 * __builtin_popcount(lanes));
}

// Products of all bytes, and of bytes made of fewer bits; what `centred` takes away is put back.
void show_products(RandomNumbers& random) {
    uint8_t weights[64];
    int8_t activations[32];
    for (uint8_t& byte : weights) byte = uint8_t(random.next());
    for (int8_t& byte : activations) byte = int8_t(std::max(-127, int(int8_t(random.next()))));
    Ints sums{};
    Weights all = load_weights(weights), low = bits_at<0>(all, 15), high = bits_at<-4>(all, 15);
    auto offset = [&](int quad) {
        int sum = 0;
        for (int i = 0; i < 4; i++) sum += activations[4 * quad + i];
        return kHasSignedWeights ? 128 * sum : 0;
    };
    show("bytes", dot<5>(sums + 12345, centred(all), activations) + offset(5));
    NarrowDots nibbles{sums + 12345};
    nibbles.add<1>(low, activations);
    nibbles.add<7>(high, activations);
    show("nibbles", nibbles.total());
    auto narrow = [&](Weights w) {
        NarrowDots dots{sums};
        dots.add<2>(w, activations);
        return dots.total();
    };
    show("bits", narrow(low | bits_at<4>(all, 16)));
    show("pairs", narrow(high | bits_at<2>(all, 48)));
    show("right", narrow(low | bits_at<-2>(all, 48)));
}

// As many products of the largest weights and activations as `most_dots` allows.
template <Format kFormat, int kWeight> void show_most(const char* name) {
    uint8_t weights[64];
    int8_t activations[32];
    std::memset(weights, kWeight, sizeof(weights));
    for (int sign : {1, -1}) {
        std::memset(activations, sign * 127, sizeof(activations));
        NarrowDots dots{Ints{}};
        constexpr int kCount = std::min(8, most_dots(kFormat));
        unrolled<kCount>([&](auto quad) { dots.add<quad>(load_weights(weights), activations); });
        Ints total = dots.total();
        if (total[7] != sign * kCount * 4 * 127 * kWeight) std::printf("%s: %d is wrong\n", name, total[7]);
        show(name, total * (8 / kCount));
    }
}

// Products of the largest bytes.
void show_largest_bytes() {
    for (int weight : {0, 1, 255})
        for (int sign : {1, -1}) {
            uint8_t weights[64];
            int8_t activations[32];
            std::memset(weights, weight, sizeof(weights));
            std::memset(activations, sign * 127, sizeof(activations));
            Ints sums = Ints{} + (kHasSignedWeights ? 0 : -128 * 4 * 127 * sign);
            Ints total = dot<3>(sums, centred(load_weights(weights)), activations);
            bool is_right = total[9] == sign * 127 * 4 * (weight - 128);
            std::printf("largest bytes %d%s\n", total[9], is_right ? "" : " is wrong");
        }
}

int main() {
    show_largest_bytes();
    show_most<Format::int4, 15>("most of 4 bits");
    show_most<Format::int5, 31>("most of 5 bits");
    show_most<Format::int6, 63>("most of 6 bits");
    RandomNumbers random;
    std::vector<float> values;
    for (int i = 0; i < 20 * 3 * kLanes; i++)
        values.push_back(random.value() * std::ldexp(1.0f, int(random.next() % 20) - 10));
    // Each extreme number beside each other one.
    for (float first : kExtremes)
        for (int i = 0; i < 3 * kLanes; i++) values.push_back(i % 3 == 0 ? first : kExtremes[i % kNumExtremes]);
    for (size_t at = 0; at < values.size(); at += 3 * kLanes)
        show_floats(load(&values[at]), load(&values[at + kLanes]), load(&values[at + 2 * kLanes]));
    for (int i = 0; i < 50; i++) {
        show_ints(random);
        show_products(random);
    }
    std::printf("%s\n", kInstructionSet);
}
