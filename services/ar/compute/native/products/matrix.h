// Weights as they are packed, and the formats of their panels.
//
// A panel is 16 outputs, one a lane; two panels are computed together. For each panel, or for each group of 32 inputs of
// one, where [16][4] is four consecutive inputs of each of 16 outputs:
//   float32, float16, bfloat16   [inputs][16]; bfloat16 is the upper half of a float
//   int8      8 x [16][4] bytes of value + 128; 16 scales (half)
//   int4      4 x [16][4] bytes, inputs 0 to 15 of the group in the low nibbles, 16 to 31 in the high ones; 16 scales and
//             16 minima: weight = scale * nibble + minimum
//   int5      as int4, then [16][4] bytes: the fifth bit of the inputs of quad q is bit q; scales and minima
//   int6      value + 32: as int4, then 2 x [16][4] bytes: of inputs 0 to 15 bits 2q and 2q + 1 are the upper bits of
//             quad q, then of 16 to 31; 16 scales of inputs 0 to 15 and 16 of the others
//   q4_0      as int4, whose minimum is -8 * scale; 16 scales
#pragma once

#include "../vectors.h"

namespace tandem {

constexpr int kGroup = 32;

inline bool is_quantised(Format format) {
    return format != Format::float32 && format != Format::bfloat16 && format != Format::float16;
}

constexpr int group_bytes(Format format) {
    return format == Format::int8 ? 512 : format == Format::int6 ? 384 : format == Format::int5 ? 320 : 256;
}
constexpr int group_scales(Format format) { return format == Format::int8 || format == Format::q4_0 ? 16 : 32; }
constexpr float kQ40Middle = 8;  // the nibble that stands for 0

inline bool has_bytes(const Matrix& w) { return is_quantised(w.parts[0].format); }
// Whether a part has a scale for each half of a group.
inline bool has_halves(const Matrix& w) {
    for (const Part& part : w.parts)
        if (part.num_pairs > 0 && part.format == Format::int6) return true;
    return false;
}

// One weight of a format with groups: `data` and `scales` are the group's, `at` is the input's place in it.
inline float weight_of(Format format, const uint8_t* data, const Half* scales, int lane, int at) {
    int in_quad = lane * 4 + at % 4, quad = at % 16 / 4, half = at / 16;
    if (format == Format::int8) return load(scales)[lane] * (data[at / 4 * 64 + in_quad] - 128);
    int nibble = data[quad * 64 + in_quad] >> 4 * half & 15;
    if (format == Format::int6) {
        int upper = data[256 + half * 64 + in_quad] >> 2 * quad & 3;
        return load(scales + 16 * half)[lane] * ((nibble | upper << 4) - 32);
    }
    if (format == Format::int5) nibble |= (data[256 + in_quad] >> (quad + 4 * half) & 1) << 4;
    if (format == Format::q4_0) return load(scales)[lane] * (nibble - kQ40Middle);
    return load(scales)[lane] * nibble + load(scales + 16)[lane];
}

// Write the weights of one output, [num_inputs], to `to`. The matrix has one part.
inline void unpack_row(const Matrix& w, int output, float* to) {
    const Part& part = w.parts[0];
    size_t panel = output / kLanes, lane = output % kLanes;
    int num_groups = w.num_inputs / kGroup;
    for (int input = 0; input < w.num_inputs; input++) {
        size_t plain = (panel * w.num_inputs + input) * kLanes;
        if (part.format == Format::float32) {
            to[input] = reinterpret_cast<const float*>(part.data)[plain + lane];
        } else if (part.format == Format::bfloat16) {
            to[input] = load_bfloat16(reinterpret_cast<const uint16_t*>(part.data) + plain)[lane];
        } else if (part.format == Format::float16) {
            to[input] = load(reinterpret_cast<const Half*>(part.data) + plain)[lane];
        } else {
            size_t record = panel * num_groups + input / kGroup;
            to[input] = weight_of(part.format, part.data + record * group_bytes(part.format),
                                  part.scales + record * group_scales(part.format), int(lane), input % kGroup);
        }
    }
}

}  // namespace tandem
