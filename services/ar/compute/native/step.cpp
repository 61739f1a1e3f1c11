// One step of a Llama-like transformer: from token ids to logits, keys and values kept in a paged cache.
//
// A row (one token) is computed to the same bits whatever rows are beside it and however a prompt is cut.
// Knows nothing of sequences, sampling or Python.
#include <algorithm>
#include <numbers>

#include "attention/attention.h"
#include "drafting.h"
#include "sampling/sampler.h"

namespace tandem {

// Rows' logits are computed by several threads, each of which may find the same.
inline void note(const Step& step, int row, bool is_finite) {
    if (!is_finite) __atomic_store_n(step.is_finite + row, uint8_t(0), __ATOMIC_RELAXED);
}

class Engine {
public:
    Engine(const Model& model, int num_threads)
        : model_(model), team_(num_threads), sampler_(num_threads), draft_head_(model_) {
        const Layer& layer = model.layers[0];
        int widest = layer.qkv.num_inputs;
        for (const Matrix* w : {&layer.out, &layer.down, &model.head}) widest = std::max(widest, w->num_inputs);
        size_t rows = model.max_rows;
        hidden_.resize(rows * layer.qkv.num_inputs);
        normed_.resize(rows * layer.qkv.num_inputs);
        qkv_.resize(rows * layer.qkv.num_outputs + kLanes);  // vectors may reach beyond the last value
        attended_.resize(rows * layer.out.num_inputs);
        gated_.resize(rows * layer.down.num_inputs);
        bytes_.resize(rows * widest);
        upper_bytes_.resize(bytes_.size());
        is_fine_.resize(rows);
        scales_.resize(rows * widest / kGroup);
        sums_.resize(scales_.size());
        offsets_.resize(scales_.size());
        half_offsets_.resize(2 * scales_.size());
        scratch_size_ = attention_scratch(model.max_context_tokens, filled_up(model.head_dim, kLanes));
        scratch_.resize(num_threads * scratch_size_);
    }

    // Compute a step, then sample from its logits what is wanted of them.
    void run(const Step& step, const Samples& samples) {
        team_.begin();
        forward(step);
        sampler_.run(team_, samples, step.logits, model_.head.num_outputs,
                     [&](int row) { return step.is_finite[step.logits_rows[row]] != 0; });
        draft_head_.run(team_, samples, normed_.data());
        team_.end();
    }

private:
    // Rows of one sequence, one position after another, whose queries share a tile. The results go to attended_[to...].
    struct Run {
        int row, num_rows, to;
    };

    // Put rows[num_rows] into runs, all rows if it is null.
    void find_runs(const Step& step, const int32_t* rows, int num_rows) {
        int most = std::max(1, kMaxQueries / (model_.num_heads / model_.num_kv_heads));
        runs_.clear();
        for (int to = 0; to < num_rows; to++) {
            int row = rows == nullptr ? to : rows[to];
            bool goes_on = to > 0 && row == runs_.back().row + runs_.back().num_rows && runs_.back().num_rows < most &&
                           step.tables[row] == step.tables[row - 1] &&
                           step.positions[row] == step.positions[row - 1] + 1;
            if (goes_on) runs_.back().num_rows++;
            else runs_.push_back({row, 1, to});
        }
    }

    void forward(const Step& step) {
        each_row(step.num_rows, [&](int row) {
            float* hidden = row_of(hidden_, row);
            unpack_row(model_.embedding, step.token_ids[row], hidden);
            for (int i = 0; i < model_.hidden_size; i++) hidden[i] *= model_.embedding_scale;
            is_fine_[row] = step.positions[row] < model_.fine_positions;
        });
        find_runs(step, nullptr, step.num_rows);
        int num_rows = step.num_rows;
        for (int index = 0; index < model_.num_layers; index++) {
            const Layer& layer = model_.layers[index];
            keys_and_values(step, layer);
            if (index == model_.num_layers - 1) {
                keep_logits_rows(step);
                num_rows = step.num_logits;
            }
            attention(step, layer, num_rows);
            mlp(layer, num_rows);
        }
        logits(step);
    }

    // What the last layer makes of a row, beside its key and value, is for its logits alone.
    void keep_logits_rows(const Step& step) {
        find_runs(step, step.logits_rows, step.num_logits);
        for (int to = 0; to < step.num_logits; to++) {
            int row = step.logits_rows[to];
            is_fine_[to] = is_fine_[row];
            if (row != to) std::copy_n(row_of(hidden_, row), model_.layers[0].qkv.num_inputs, row_of(hidden_, to));
        }
    }

    void keys_and_values(const Step& step, const Layer& layer) {
        normalise_rows(step.num_rows, layer.attention_norm, layer.qkv);
        int width = layer.qkv.num_outputs;
        multiply(team_, layer.qkv, activations(normed_), step.num_rows,
                 [&](int row, int pair, Floats low, Floats high) {
                     float* to = &qkv_[size_t(row) * width + pair * 2 * kLanes];
                     store(to, low);
                     store(to + kLanes, high);
                 });
        with_cache(layer, [&](const auto& cache) {
            each_row(step.num_rows, [&](int row) { place_row(step, layer, cache, row); });
        });
    }

    // Call use(the layer's cache).
    void with_cache(const Layer& layer, const auto& use) const {
        switch (model_.cache_format) {
            case CacheFormat::float16: return use(float_cache<Half>(layer));
            case CacheFormat::int8: return use(byte_cache(layer));
            default: return use(float_cache<float>(layer));
        }
    }
    template <typename T> FloatCache<T> float_cache(const Layer& layer) const {
        int stride = filled_up(model_.head_dim, kLanes);
        return {(T*)layer.keys, (T*)layer.values, model_.num_blocks, model_.block_size, model_.head_dim, stride};
    }
    ByteCache byte_cache(const Layer& layer) const {
        auto *keys = static_cast<uint8_t*>(layer.keys), *values = static_cast<uint8_t*>(layer.values);
        int num_blocks = model_.num_blocks, head_dim = model_.head_dim, width = filled_up(head_dim, kGroup);
        return {keys, layer.key_scales, values, layer.value_scales, num_blocks, model_.block_size, head_dim, width};
    }

    void attention(const Step& step, const Layer& layer, int num_rows) {
        int num_kv_heads = model_.num_kv_heads;
        with_cache(layer, [&](const auto& cache) {
            team_.share(int(runs_.size()) * num_kv_heads, 1, [&](int first, int last, int rank) {
                for (int task = first; task < last; task++)
                    attend_run(step, layer, cache, runs_[task / num_kv_heads], task % num_kv_heads,
                               &scratch_[rank * scratch_size_]);
            });
        });
        add_to_hidden(layer.out, attended_, layer.attention_output_norm, num_rows);
    }

    void attend_run(const Step& step, const Layer& layer, const auto& cache, const Run& run, int head, float* scratch) {
        int num_heads = model_.num_heads / model_.num_kv_heads, head_dim = model_.head_dim;
        size_t at = size_t(head) * num_heads * head_dim;
        Query queries[kMaxQueries];
        for (int first = 0; first < num_heads * run.num_rows; first += kMaxQueries) {
            int count = std::min(kMaxQueries, num_heads * run.num_rows - first);
            for (int i = 0; i < count; i++) {
                int place_in_run = (first + i) / num_heads, row = run.row + place_in_run, last = step.positions[row];
                size_t place = at + size_t((first + i) % num_heads) * head_dim;
                int oldest = layer.sliding_window > 0 ? std::max(0, last + 1 - layer.sliding_window) : 0;
                queries[i] = {&qkv_[size_t(row) * layer.qkv.num_outputs + place],
                              &attended_[size_t(run.to + place_in_run) * layer.out.num_inputs + place], oldest, last,
                              last < model_.fine_positions};
            }
            attend(cache, head, step.block_tables + step.tables[run.row], queries, count, scratch);
        }
    }

    // Rotate a row's queries and keys, scale the queries so that scores are exponents of 2, note whether all is finite,
    // and keep keys and values.
    void place_row(const Step& step, const Layer& layer, const auto& cache, int row) {
        int head_dim = model_.head_dim, position = step.positions[row];
        const float* cos = layer.cos + size_t(step.text_positions[row]) * head_dim;
        const float* sin = layer.sin + size_t(step.text_positions[row]) * head_dim;
        float* query = &qkv_[size_t(row) * layer.qkv.num_outputs];
        float* key = query + model_.num_heads * head_dim;
        float* value = key + model_.num_kv_heads * head_dim;
        float scale = std::numbers::log2e_v<float> / std::sqrt(float(head_dim));
        for (int head = 0; head < model_.num_heads; head++, query += head_dim) {
            if (layer.query_norm != nullptr) normalise(query, layer.query_norm, model_.norm_eps, head_dim, query);
            rotate(query, cos, sin, head_dim);
            for (int d = 0; d < head_dim; d++) query[d] *= scale;
        }
        note(step, row, are_finite(query - model_.num_heads * head_dim, model_.num_heads * head_dim));
        int block = step.block_tables[step.tables[row] + position / model_.block_size];
        for (int head = 0; head < model_.num_kv_heads; head++, key += head_dim, value += head_dim) {
            if (layer.key_norm != nullptr) normalise(key, layer.key_norm, model_.norm_eps, head_dim, key);
            rotate(key, cos, sin, head_dim);
            note(step, row, are_finite(key, head_dim) && are_finite(value, head_dim));
            keep(cache, head, block, position % model_.block_size, key, value);
        }
    }

    void mlp(const Layer& layer, int num_rows) {
        normalise_rows(num_rows, layer.mlp_norm, layer.gate_up);
        int width = layer.down.num_inputs;
        multiply(team_, layer.gate_up, activations(normed_), num_rows, [&](int row, int pair, Floats gate, Floats up) {
            store(&gated_[size_t(row) * width + pair * kLanes], (model_.has_gelu ? gelu(gate) : silu(gate)) * up);
        });
        add_to_hidden(layer.down, gated_, layer.mlp_output_norm, num_rows);
    }

    void logits(const Step& step) {
        each_row(step.num_logits, [&](int row) {
            note(step, step.logits_rows[row], are_finite(row_of(hidden_, row), model_.hidden_size));
        });
        normalise_rows(step.num_logits, model_.norm, model_.head);
        for (int row = 0; step.hidden != nullptr && row < step.num_logits; row++)
            std::copy_n(row_of(normed_, row), model_.hidden_size, step.hidden + size_t(row) * model_.hidden_size);
        int width = model_.head.num_outputs;
        multiply(team_, model_.head, activations(normed_), step.num_logits,
                 [&](int row, int pair, Floats low, Floats high) {
                     float* to = step.logits + size_t(row) * width + pair * 2 * kLanes;
                     store(to, low);
                     store(to + kLanes, high);
                     note(step, step.logits_rows[row], are_finite(low) & are_finite(high));
                 });
    }

    void each_row(int num_rows, const auto& body) {
        team_.share(num_rows, [&](int first, int last) {
            for (int row = first; row < last; row++) body(row);
        });
    }

    void normalise_rows(int num_rows, const float* weight, const Matrix& next) {
        each_row(num_rows, [&](int row) {
            normalise(row_of(hidden_, row), weight, model_.norm_eps, model_.hidden_size, row_of(normed_, row));
            if (has_bytes(next)) quantise(activations(normed_), row, next.num_inputs);
        });
    }

    // hidden += w * x, normalised where there is a norm
    void add_to_hidden(const Matrix& w, std::vector<float>& x, const float* norm, int num_rows) {
        if (has_bytes(w)) each_row(num_rows, [&](int row) { quantise(activations(x), row, w.num_inputs); });
        std::vector<float>& target = norm == nullptr ? hidden_ : normed_;
        multiply(team_, w, activations(x), num_rows, [&](int row, int pair, Floats low, Floats high) {
            float* to = row_of(target, row) + pair * 2 * kLanes;
            store(to, norm == nullptr ? load(to) + low : low);
            store(to + kLanes, norm == nullptr ? load(to + kLanes) + high : high);
        });
        if (norm == nullptr) return;
        each_row(num_rows, [&](int row) {
            float *from = row_of(normed_, row), *to = row_of(hidden_, row);
            normalise(from, norm, model_.norm_eps, model_.hidden_size, from);
            for (int i = 0; i < model_.hidden_size; i++) to[i] += from[i];
            std::fill(from + model_.hidden_size, from + w.num_outputs, 0.0f);  // of NaN, where the row was
        });
    }

    float* row_of(std::vector<float>& rows, int row) { return &rows[size_t(row) * model_.layers[0].qkv.num_inputs]; }

    Activations activations(std::vector<float>& values) {
        return {values.data(),  bytes_.data(), upper_bytes_.data(), is_fine_.data(),
                scales_.data(), sums_.data(),  offsets_.data(),     half_offsets_.data()};
    }

    const Model model_;
    Team team_;
    Sampler sampler_;
    DraftHeadRunner draft_head_;
    size_t scratch_size_;
    std::vector<float> hidden_, normed_, qkv_, attended_, gated_, scales_, sums_, scratch_;
    std::vector<int8_t> bytes_, upper_bytes_;
    std::vector<uint8_t> is_fine_;
    std::vector<int32_t> offsets_, half_offsets_;
    std::vector<Run> runs_;
};

}  // namespace tandem

const char* tandem_instruction_set() { return tandem::kInstructionSet; }

// Any thread may call it, also for rows of one matrix at a time.
void tandem_pack(const Rows* rows) { tandem::pack(*rows); }

void* tandem_open(const Model* model, int32_t num_threads) { return new tandem::Engine(*model, num_threads); }

void tandem_run(void* engine, const Step* step, const Samples* samples) {
    static_cast<tandem::Engine*>(engine)->run(*step, *samples);
}

// Sample from logits [][stride] that were computed elsewhere, all of them finite.
void tandem_sample(const float* logits, int64_t stride, const Samples* samples, int32_t num_threads) {
    tandem::Team team(num_threads);
    tandem::Sampler(num_threads).run(team, *samples, logits, stride, [](int) { return true; });
}

void tandem_close(void* engine) { delete static_cast<tandem::Engine*>(engine); }
