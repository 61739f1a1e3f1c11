// Numbers at and beyond the ends of a float through quantising, the cache and attention; exits with the errors found.
#include <cmath>
#include <cstdio>
#include <vector>

#include "attention/attention.h"

using namespace tandem;

constexpr int kHeadDim = 24, kStride = 32, kBlockSize = 16;

bool is_finite(float x) { return x - x == 0.0f; }
bool is_finite_half(Half bits) { return (bits & 0x7c00) != 0x7c00; }

// A group's scale tells whether the group is finite.
int quantised(float first, float second, bool is_fine) {
    float values[2 * kGroup], scales[2], sums[2];
    int8_t bytes[2 * kGroup], upper_bytes[2 * kGroup];
    uint8_t row_is_fine = is_fine;
    int32_t offsets[2], half_offsets[4];
    for (int i = 0; i < 2 * kGroup; i++) values[i] = i == 3 ? first : i == 40 ? second : 1e-3f * i;
    quantise({values, bytes, upper_bytes, &row_is_fine, scales, sums, offsets, half_offsets}, 0, 2 * kGroup);
    return (is_finite(scales[0]) != is_finite(first)) + (is_finite(scales[1]) != is_finite(second)) +
           (are_finite(values, 2 * kGroup) != (is_finite(first) && is_finite(second)));
}

// Whatever key, value and query are, the cache is finite; what comes out is not if the query is not.
template <typename Cache> int attended(const Cache& cache, float first, float second, bool is_fine = false) {
    float key[kHeadDim], value[kHeadDim], query[kHeadDim], out[kHeadDim];
    for (int d = 0; d < kHeadDim; d++) {
        key[d] = d == 20 ? first : 1.0f;
        value[d] = d == 23 ? second : 2.0f;
        query[d] = d == 5 ? second : d == 20 ? first : 0.1f;
    }
    for (int position = 0; position < kBlockSize; position++) keep(cache, 0, 0, position, key, value);
    int32_t table = 0;
    std::vector<float> scratch(attention_scratch(kBlockSize, kStride));
    Query tile{query, out, 0, 9, is_fine};
    attend(cache, 0, &table, &tile, 1, scratch.data());
    return !are_finite(query, kHeadDim) && are_finite(out, kHeadDim);
}

int attended_in_halves(float first, float second) {
    Half keys[kHeadDim * kBlockSize] = {}, values[kBlockSize * kStride] = {};
    int errors = attended(FloatCache<Half>{keys, values, 1, kBlockSize, kHeadDim, kStride}, first, second);
    for (Half bits : keys) errors += !is_finite_half(bits);
    for (Half bits : values) errors += !is_finite_half(bits);
    return errors;
}

int attended_in_bytes(float first, float second, bool is_fine) {
    uint8_t keys[kStride * kBlockSize] = {}, values[kBlockSize * kStride] = {};
    Half key_scales[kBlockSize] = {}, value_scales[kBlockSize] = {};
    ByteCache cache{keys, key_scales, values, value_scales, 1, kBlockSize, kHeadDim, kStride};
    int errors = attended(cache, first, second, is_fine);
    for (Half bits : key_scales) errors += !is_finite_half(bits);
    for (Half bits : value_scales) errors += !is_finite_half(bits);
    for (uint8_t byte : keys) errors += byte == 0;  // -128, which products of 127 steps have no room for
    for (uint8_t byte : values) errors += byte == 0;
    return errors;
}

// The first position has most of the weight, as in many heads of real models, and all others together the rest. Returns
// how many numbers bytes and halves do not about agree in.
int differ_far_away(int num_positions, float window_share) {
    int num_blocks = num_positions / kBlockSize;
    std::vector<Half> keys(kHeadDim * num_positions), values(kStride * num_positions);
    std::vector<uint8_t> key_bytes(kStride * num_positions), value_bytes(kStride * num_positions);
    std::vector<Half> key_scales(num_positions), value_scales(num_positions);
    FloatCache<Half> halves{keys.data(), values.data(), num_blocks, kBlockSize, kHeadDim, kStride};
    ByteCache bytes{key_bytes.data(), key_scales.data(), value_bytes.data(), value_scales.data(),
                    num_blocks,       kBlockSize,        kHeadDim,           kStride};
    std::vector<int32_t> table(num_blocks);
    for (int block = 0; block < num_blocks; block++) table[block] = num_blocks - 1 - block;
    float key[kHeadDim] = {}, value[kHeadDim], query[kHeadDim] = {1.0f}, found[kHeadDim], expected[kHeadDim];
    for (int position = 0; position < num_positions; position++) {
        key[0] = position == 0 ? std::log(float(num_positions)) : 0.0f;
        for (int d = 0; d < kHeadDim; d++) value[d] = position == 0 ? -1.0f : 1.0f + 0.01f * ((position + d) % 7);
        keep(halves, 0, table[position / kBlockSize], position % kBlockSize, key, value);
        keep(bytes, 0, table[position / kBlockSize], position % kBlockSize, key, value);
    }
    std::vector<float> scratch(attention_scratch(num_positions, kStride));
    int first = int(window_share * num_positions), errors = 0;
    Query by_bytes{query, found, first, num_positions - 2, false};
    Query by_halves{query, expected, first, num_positions - 2, false};
    attend(bytes, 0, table.data(), &by_bytes, 1, scratch.data());
    attend(halves, 0, table.data(), &by_halves, 1, scratch.data());
    for (int d = 0; d < kHeadDim; d++) errors += !(std::abs(found[d] - expected[d]) < 0.02f);
    return errors;
}

int main() {
    const float numbers[] = {NAN,      -NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e30f, 65504.0f,
                             65520.0f, 1.0f, 1e-36f,   1e-38f,    1e-45f,  0.0f,     -0.0f};
    int errors = 0;
    for (float first : numbers)
        for (float second : numbers) {
            int found = attended_in_halves(first, second);
            for (bool is_fine : {false, true})
                found += quantised(first, second, is_fine) + attended_in_bytes(first, second, is_fine);
            if (found > 0) std::printf("%d errors with %g and %g\n", found, first, second);
            errors += found;
        }
    for (int num_positions : {64, 1024, 4096, 32768})
        for (float window_share : {0.0f, 0.37f}) {
            int found = differ_far_away(num_positions, window_share);
            if (found > 0) std::printf("%d errors in a context of %d\n", found, num_positions);
            errors += found;
        }
    std::printf("%s\n", kInstructionSet);
    return errors > 0;
}
