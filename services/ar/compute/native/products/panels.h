// Rows of weights laid into panels; matrix.h says how those look in each format.
#pragma once

#include "matrix.h"

namespace tandem {

// The panel of a row, and its lane there.
inline size_t panel_of(const Rows& rows, int row) {
    return size_t((rows.first + row) / kLanes) * rows.num_turns + rows.turn;
}
inline size_t lane_of(const Rows& rows, int row) { return (rows.first + row) % kLanes; }

template <typename Value>
inline void pack_floats(const Rows& rows) {
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
template <Format kFormat>
inline void pack_group(const uint8_t* steps, uint8_t* lane) {
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

template <Format kFormat>
inline void pack_steps(const Rows& rows) {
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
    switch (rows.format) {
        case Format::int4: return pack_steps<Format::int4>(rows);
        case Format::int5: return pack_steps<Format::int5>(rows);
        case Format::int6: return pack_steps<Format::int6>(rows);
        case Format::int8: return pack_steps<Format::int8>(rows);
        case Format::q4_0: return pack_steps<Format::q4_0>(rows);
        case Format::float32: return pack_floats<float>(rows);
        default: return pack_floats<Half>(rows);  // bfloat16 has as many bytes
    }
}

}  // namespace tandem
