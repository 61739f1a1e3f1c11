// Products of activations with packed weights. A row's result does not depend on the rows beside it.
#pragma once

#include <algorithm>

#include "../threads.h"
#include "quantised.h"

namespace tandem {

// Tiles are functions of their own: inlined at each use, they would take the compiler four times as long.
#define TANDEM_APART inline __attribute__((noinline))

// Tiles that use weights as fast as memory brings them leave it to the processor to ask for the next ones: it does so
// better than prefetches that are far ahead, which pay where there is more to compute (measured on Zen 4).
template <int kRows, Format kFormat>
constexpr bool kAwaitsMemory = kRows == 1 || (kRows <= 4 && kFormat == Format::int8);

// One panel after another: the sums of both would not all stay in registers.
template <int kRows, Format kFormat, bool kFine>
TANDEM_APART void quantised_tile(const Part& w, int num_inputs, int pair, const Activations& x, int row,
                                 Floats (*sums)[2]) {
    size_t num_groups = num_inputs / kGroup;
    size_t size = num_groups * group_bytes(kFormat), num_scales = num_groups * group_scales(kFormat);
    for (int side = 0; side < 2; side++) {
        const uint8_t* data = w.data + (2 * pair + side) * size;
        const Half* scales = w.scales + (2 * pair + side) * num_scales;
        Floats added[kRows];
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) added[r] = Floats{};
        Panel panel{data, scales, data + 2 * size, scales + 2 * num_scales};
        add_panel<kRows, kFormat, kFine, !kAwaitsMemory<kRows, kFormat>>(panel, num_inputs, x, row, added);
        TANDEM_UNROLL for (int r = 0; r < kRows; r++) sums[r][side] = added[r];
    }
}

// The products of kRows rows of values: one order of summation for each output, whatever kRows is.
template <int kRows, Format kFormat>
TANDEM_APART void float_tile(const Part& w, int num_inputs, int pair, const float* values, Floats (*sums)[2]) {
    constexpr int kBytes = float_bytes(kFormat);
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

// Compute tiles of kRows rows from `row` on, then what is left with smaller ones; take(first row, rows, sums) has them.
template <int kRows>
inline void quantised_rows(const Part& w, int pair, int num_inputs, const Activations& x, int row, int num_rows,
                           const auto& take) {
    for (; row + kRows <= num_rows; row += kRows) {
        Floats sums[kRows][2];
        with_quantised_format(w.format, [&](auto format) {
            if (x.has_fine(row, kRows)) quantised_tile<kRows, format, true>(w, num_inputs, pair, x, row, sums);
            else quantised_tile<kRows, format, false>(w, num_inputs, pair, x, row, sums);
        });
        take(row, kRows, sums);
    }
    if constexpr (kRows > 1) {
        if (row < num_rows) quantised_rows<kRows / 2>(w, pair, num_inputs, x, row, num_rows, take);
    }
}

// Compute as few tiles as possible, of about equally many rows: small ones leave arithmetic units idle.
inline void float_rows(const Part& w, int pair, int num_inputs, const float* values, int num_rows, const auto& take) {
    int row = 0;
    for (int num_tiles = (num_rows + kMaxFloatRows - 1) / kMaxFloatRows; num_tiles > 0; num_tiles--) {
        int count = (num_rows - row) / num_tiles;
        const float* first = values + size_t(row) * num_inputs;
        Floats sums[kMaxFloatRows][2];
        with_float_format(w.format, [&](auto format) {
            unrolled<kMaxFloatRows>([&](auto others) TANDEM_INLINED {
                if (count == others + 1) float_tile<others + 1, format>(w, num_inputs, pair, first, sums);
            });
        });
        take(row, count, sums);
        row += count;
    }
}

// Call use(row, pair, 16 outputs, the next 16 outputs) for each row and pair of panels, in the team's threads.
inline void multiply(Team& team, const Matrix& w, const Activations& x, int num_rows, const auto& use) {
    team.share(w.num_outputs / (2 * kLanes), [&](int first, int last) {
        for (int pair = first; pair < last; pair++) {
            int number = 0, before = 0;  // of the part that has the pair, and pairs of the parts before it
            while (pair >= before + w.parts[number].num_pairs) before += w.parts[number++].num_pairs;
            const Part& part = w.parts[number];
            auto take = [&](int row, int count, Floats(*sums)[2]) {
                for (int r = 0; r < count; r++) {
                    if (w.bias != nullptr)
                        TANDEM_UNROLL for (int side = 0; side < 2; side++) sums[r][side] +=
                            load(w.bias + (2 * pair + side) * kLanes);
                    use(row + r, pair, sums[r][0], sums[r][1]);
                }
            };
            if (!has_bytes(w)) float_rows(part, pair - before, w.num_inputs, x.values, num_rows, take);
            else quantised_rows<kMaxRows>(part, pair - before, w.num_inputs, x, 0, num_rows, take);
        }
    });
}

}  // namespace tandem
