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

constexpr int float_bytes(Format format) { return kLanes * (format == Format::float32 ? 4 : 2); }  // of 16 outputs
constexpr int group_bytes(Format format) {
    return format == Format::int8 ? 512 : format == Format::int6 ? 384 : format == Format::int5 ? 320 : 256;
}
constexpr int group_scales(Format format) { return format == Format::int8 || format == Format::q4_0 ? 16 : 32; }
constexpr float kQ40Middle = 8;  // the nibble that stands for 0

// Call body(format) with the format as a constant, if it is one of kFormats.
template <Format... kFormats> inline void with_format(Format format, const auto& body) {
    (void)((format == kFormats && (body(std::integral_constant<Format, kFormats>()), true)) || ...);
}
inline void with_float_format(Format format, const auto& body) {
    with_format<Format::float32, Format::bfloat16, Format::float16>(format, body);
}
inline void with_quantised_format(Format format, const auto& body) {
    with_format<Format::int4, Format::int5, Format::int6, Format::int8, Format::q4_0>(format, body);
}

inline bool has_bytes(const Matrix& w) { return is_quantised(w.parts[0].format); }

template <Format kFormat> inline Floats load_as(const uint8_t* from) {
    if constexpr (kFormat == Format::bfloat16) return load_bfloat16(reinterpret_cast<const uint16_t*>(from));
    if constexpr (kFormat == Format::float16) return load(reinterpret_cast<const Half*>(from));
    return load(reinterpret_cast<const float*>(from));
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
        size_t place = panel * w.num_inputs + input, record = panel * num_groups + input / kGroup;
        if (is_quantised(part.format))
            to[input] = weight_of(part.format, part.data + record * group_bytes(part.format),
                                  part.scales + record * group_scales(part.format), int(lane), input % kGroup);
        with_float_format(part.format, [&](auto format) {
            to[input] = load_as<format>(part.data + place * float_bytes(format))[lane];
        });
    }
}

// The panel of a row, and its lane there.
inline size_t panel_of(const Rows& rows, int row) {
    return size_t((rows.first + row) / kLanes) * rows.num_turns + rows.turn;
}
inline size_t lane_of(const Rows& rows, int row) { return (rows.first + row) % kLanes; }

template <typename Value> inline void pack_floats(const Rows& rows) {
    for (int row = 0; row < rows.num_rows; row++) {
        const Value* from = reinterpret_cast<const Value*>(rows.steps) + size_t(row) * rows.num_values;
        Value* to =
            reinterpret_cast<Value*>(rows.data) + panel_of(rows, row) * rows.num_inputs * kLanes + lane_of(rows, row);
        for (int input = 0; input < rows.num_inputs; input++)
            to[size_t(input) * kLanes] = input < rows.num_values ? from[input] : 0;
    }
}

// The bytes of steps of a group of one output; those of nibbles are two steps each.
constexpr int step_bytes(Format format) {
    return format == Format::int4 || format == Format::q4_0 ? kGroup / 2 : kGroup;
}

// Lay a group's steps of one output into its lane. Four steps are worked on as one number, none reaches into another.
template <Format kFormat> inline void pack_group(const uint8_t* steps, uint8_t* lane) {
    constexpr int kQuads = step_bytes(kFormat) / 4, kVectors = group_bytes(kFormat) / 64;
    uint32_t quads[kQuads], vectors[kVectors] = {};
    std::memcpy(quads, steps, sizeof(quads));
    for (int q = 0; q < kQuads; q++) {
        if constexpr (kFormat == Format::int8) quads[q] ^= 0x80808080;                           // + 128
        if constexpr (kFormat == Format::int6) quads[q] = (quads[q] ^ 0x20202020) & 0x3f3f3f3f;  // + 32
        if constexpr (kQuads == kVectors) vectors[q] = quads[q];
        else vectors[q % 4] |= (quads[q] & 0x0f0f0f0f) << 4 * (q / 4);
        if constexpr (kFormat == Format::int5) vectors[4] |= (quads[q] >> 4 & 0x01010101) << q;
        if constexpr (kFormat == Format::int6) vectors[4 + q / 4] |= (quads[q] >> 4 & 0x03030303) << 2 * (q % 4);
    }
    for (int vector = 0; vector < kVectors; vector++) std::memcpy(lane + 64 * vector, &vectors[vector], 4);
}

template <Format kFormat> inline void pack_steps(const Rows& rows) {
    constexpr int kGroupBytes = group_bytes(kFormat), kGroupScales = group_scales(kFormat);
    size_t num_groups = rows.num_inputs / kGroup, num_scales = num_groups * (kFormat == Format::int6 ? 2 : 1);
    for (int row = 0; row < rows.num_rows; row++) {
        size_t panel = panel_of(rows, row) * num_groups, lane = lane_of(rows, row);
        const uint8_t* steps = rows.steps + row * num_groups * step_bytes(kFormat);
        const Half* scales = rows.scales + row * num_scales;
        uint8_t* data = rows.data + panel * kGroupBytes + 4 * lane;
        Half* to = rows.to_scales + panel * kGroupScales + lane;
        for (size_t group = 0; group < num_groups; group++, steps += step_bytes(kFormat), to += kGroupScales) {
            pack_group<kFormat>(steps, data + group * kGroupBytes);
            to[0] = scales[kFormat == Format::int6 ? 2 * group : group];
            if constexpr (kFormat == Format::int6) to[kLanes] = scales[2 * group + 1];
            else if constexpr (kGroupScales > kLanes) to[kLanes] = rows.minima[row * num_groups + group];
        }
    }
}

inline void pack(const Rows& rows) {
    if (rows.format == Format::float32) return pack_floats<float>(rows);
    if (!is_quantised(rows.format)) return pack_floats<Half>(rows);  // bfloat16 has as many bytes
    with_quantised_format(rows.format, [&](auto format) { pack_steps<format>(rows); });
}

}  // namespace tandem
