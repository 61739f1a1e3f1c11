// Attention of queries over the keys and values in their sequence's blocks (paged attention, Kwon et al. 2023).
//
// Keys are gone through in the order of their positions, whatever is computed beside them, so a query's result has the
// same bits in a decode step and in a prompt.
#pragma once

#include <type_traits>

#include "byte_cache.h"
#include "float_cache.h"

namespace tandem {

// Numbers of scratch for tiles over as many positions, of heads with value_stride values; it begins where size_t may.
constexpr size_t attention_scratch(int max_positions, int value_stride) {
    size_t panels = size_t(max_positions + kLanes) / kLanes * sizeof(size_t) / sizeof(float);
    size_t of_query = size_t(max_positions + kLanes) + size_t(value_stride + kLanes) * 2 + 2 * kStretch / sizeof(float);
    return (panels + kMaxQueries * of_query + 1) / 2 * 2;  // the next thread's begins where size_t may
}

// Attend queries of one sequence. `scratch` holds attention_scratch numbers.
inline void attend(const auto& cache, int head, const int32_t* block_table, const Query* queries, int num_queries,
                   float* scratch) {
    for (int done = 0; done < num_queries;) {
        const Query* tile = queries + done;
        auto attended = [&](auto count) {
            attend_tile<count>(cache, head, View(block_table, tile, count), tile, scratch);
            done += count;
        };
        switch (std::min(num_queries - done, kMaxQueries)) {
            case 1: attended(std::integral_constant<int, 1>()); break;
            case 2: attended(std::integral_constant<int, 2>()); break;
            case 3: attended(std::integral_constant<int, 3>()); break;
            case 4:
            case 5: attended(std::integral_constant<int, 4>()); break;
            default: attended(std::integral_constant<int, kMaxQueries>());
        }
    }
}

}  // namespace tandem
