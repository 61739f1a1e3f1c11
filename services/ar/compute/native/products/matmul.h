// Products of activations with packed weights. A row's result does not depend on the rows beside it.
#pragma once

#include <algorithm>

#include "../threads.h"
#include "quantised.h"

namespace tandem {

// Tiles are functions of their own: inlined at each use, they would take the compiler four times as long.
#define TANDEM_APART inline __attribute__((noinline))

template <int kRows>
struct Tile {
    Floats sums[kRows][2];
};

// Tiles that use weights as fast as memory brings them leave it to the processor to ask for the next ones: it does so
// better than prefetches that are far ahead, which pay where there is more to compute (measured on Zen 4).
template <int kRows, Format kFormat>
constexpr bool kAwaitsMemory = kRows == 1 || (kRows <= 4 && kFormat == Format::int8);

// One panel after another: the sums of both would not all stay in registers.
template <int kRows, Format kFormat, bool kFine>
TANDEM_APART Tile<kRows> quantised_tile(const Part& w, int num_inputs, int pair, const Activations& x, int row) {
    size_t num_groups = num_inputs / kGroup;
    size_t size = num_groups * group_bytes(kFormat), num_scales = num_groups * group_scales(kFormat);
    Tile<kRows> tile;
    for (int side = 0; side < 2; side++) {
        const uint8_t* data = w.data + (2 * pair + side) * size;
        const Half* scales = w.scales + (2 * pair + side) * num_scales;
        Floats added[kRows];
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) added[r] = Floats{};
        Panel panel{data, scales, data + 2 * size, scales + 2 * num_scales};
        add_panel<kRows, kFormat, kFine, !kAwaitsMemory<kRows, kFormat>>(panel, num_inputs, x, row, added);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) tile.sums[r][side] = added[r];
    }
    return tile;
}

template <Format kFormat>
inline Floats load_as(const uint8_t* from) {
    if constexpr (kFormat == Format::bfloat16) return load_bfloat16(reinterpret_cast<const uint16_t*>(from));
    if constexpr (kFormat == Format::float16) return load(reinterpret_cast<const Half*>(from));
    return load(reinterpret_cast<const float*>(from));
}

// The products of kRows rows of values: one order of summation for each output, whatever kRows is.
template <int kRows, Format kFormat>
TANDEM_APART void float_tile(const Part& w, int num_inputs, int pair, const float* values, Floats (*sums)[2]) {
    constexpr int kBytes = kLanes * (kFormat == Format::float32 ? 4 : 2);
    constexpr int kSides = 2 * kRows <= kMaxSums ? 2 : 1;  // at a time, so that the sums stay in registers
    size_t panel_bytes = size_t(num_inputs) * kBytes;
    TANDEM_UNROLL for (int first = 0; first < 2; first += kSides) {
        const uint8_t* from = w.data + (2 * pair + first) * panel_bytes;
        Floats added[kRows][kSides] = {};
        for (int input = 0; input < num_inputs; input++, from += kBytes) {
            TANDEM_UNROLL for (int side = 0; side < kSides; side++) {
                __builtin_prefetch(from + (2 + side) * panel_bytes, 0, 2);
                Floats weights = load_as<kFormat>(from + side * panel_bytes);
                TANDEM_UNROLL for (int r = 0; r < kRows; r++) added[r][side] =
                    fma(all(values[size_t(r) * num_inputs + input]), weights, added[r][side]);
            }
        }
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) TANDEM_UNROLL for (int side = 0; side < kSides; side++)
            sums[r][first + side] = added[r][side];
    }
}

template <Format kFormat>
inline void float_tile_of(int num_rows, const Part& w, int num_inputs, int pair, const float* values,
                          Floats (*sums)[2]) {
    unrolled<kMaxFloatRows>([&](auto others) TANDEM_INLINED {
        if (num_rows == others + 1) float_tile<others + 1, kFormat>(w, num_inputs, pair, values, sums);
    });
}

template <int kRows, bool kFine>
inline Tile<kRows> quantised_tile_of(const Part& w, int num_inputs, int pair, const Activations& x, int row) {
    switch (w.format) {
        case Format::int4: return quantised_tile<kRows, Format::int4, kFine>(w, num_inputs, pair, x, row);
        case Format::int5: return quantised_tile<kRows, Format::int5, kFine>(w, num_inputs, pair, x, row);
        case Format::int6: return quantised_tile<kRows, Format::int6, kFine>(w, num_inputs, pair, x, row);
        case Format::int8: return quantised_tile<kRows, Format::int8, kFine>(w, num_inputs, pair, x, row);
        default: return quantised_tile<kRows, Format::q4_0, kFine>(w, num_inputs, pair, x, row);
    }
}

// Where the products with one pair of panels go: the bias is added, and `use` is called.
template <typename Use>
struct Outputs {
    const float* bias;  // of the pair, or null
    int pair;
    const Use& use;

    void take(int row, int num_rows, Floats (*sums)[2]) const {
        for (int r = 0; r < num_rows; r++) {
            if (bias != nullptr)
                TANDEM_UNROLL for (int side = 0; side < 2; side++) sums[r][side] += load(bias + side * kLanes);
            use(row + r, pair, sums[r][0], sums[r][1]);
        }
    }
};

// Compute tiles of kRows rows from `row` on, then what is left with smaller ones.
template <int kRows, typename Use>
inline void quantised_rows(const Part& w, int pair, int num_inputs, const Activations& x, int row, int num_rows,
                           const Outputs<Use>& outputs) {
    for (; row + kRows <= num_rows; row += kRows) {
        Tile<kRows> tile = x.has_fine(row, kRows) ? quantised_tile_of<kRows, true>(w, num_inputs, pair, x, row)
                                                  : quantised_tile_of<kRows, false>(w, num_inputs, pair, x, row);
        outputs.take(row, kRows, tile.sums);
    }
    if constexpr (kRows > 1) {
        if (row < num_rows) quantised_rows<kRows / 2>(w, pair, num_inputs, x, row, num_rows, outputs);
    }
}

// Compute as few tiles as possible, of about equally many rows: small ones leave arithmetic units idle.
template <typename Use>
inline void float_rows(const Part& w, int pair, int num_inputs, const float* values, int num_rows,
                       const Outputs<Use>& outputs) {
    int row = 0;
    for (int num_tiles = (num_rows + kMaxFloatRows - 1) / kMaxFloatRows; num_tiles > 0; num_tiles--) {
        int count = (num_rows - row) / num_tiles;
        const float* first = values + size_t(row) * num_inputs;
        Floats sums[kMaxFloatRows][2];
        switch (w.format) {
            case Format::float16: float_tile_of<Format::float16>(count, w, num_inputs, pair, first, sums); break;
            case Format::bfloat16: float_tile_of<Format::bfloat16>(count, w, num_inputs, pair, first, sums); break;
            default: float_tile_of<Format::float32>(count, w, num_inputs, pair, first, sums);
        }
        outputs.take(row, count, sums);
        row += count;
    }
}

// Call use(row, pair, 16 outputs, the next 16 outputs) for each row and pair of panels, in the team's threads.
template <typename Use>
inline void multiply(Team& team, const Matrix& w, const Activations& x, int num_rows, const Use& use) {
    team.share(w.num_outputs / (2 * kLanes), [&](int first, int last) {
        for (int pair = first; pair < last; pair++) {
            int number = 0, before = 0;  // of the part that has the pair, and pairs of the parts before it
            while (pair >= before + w.parts[number].num_pairs) before += w.parts[number++].num_pairs;
            const Part& part = w.parts[number];
            Outputs<Use> outputs{w.bias == nullptr ? nullptr : w.bias + 2 * pair * kLanes, pair, use};
            if (!has_bytes(w)) float_rows(part, pair - before, w.num_inputs, x.values, num_rows, outputs);
            else quantised_rows<kMaxRows>(part, pair - before, w.num_inputs, x, 0, num_rows, outputs);
        }
    });
}

}  // namespace tandem
