// Predicts tokens behind the next from a row's last hidden state: the draft head of a model, see
// services/ar/model/draft_head.
//
// A state begins as that hidden state. For each token, state += down(silu(gate) * up) of [state; embedding of the token
// before], and the prediction is the best of the head's own tokens. What it predicts decides no output.
#pragma once

#include <vector>

#include "elementwise.h"
#include "products/matmul.h"
#include "sampling/weights.h"

namespace tandem {

class DraftHeadRunner {
public:
    explicit DraftHeadRunner(const Model& model)
        : model_(model), head_(model.draft_head), width_(model.layers[0].qkv.num_inputs) {
        if (head_.num_tokens == 0) return;
        size_t rows = model.max_drafts, widest = std::max({head_.gate_up.num_inputs, head_.down.num_inputs, width_});
        state_.resize(rows * width_);
        input_.resize(rows * head_.gate_up.num_inputs);
        gated_.resize(rows * head_.down.num_inputs);
        logits_.resize(rows * head_.output.num_outputs);
        bytes_.resize(rows * widest);
        upper_bytes_.resize(bytes_.size());
        scales_.resize(rows * widest / kGroup);
        sums_.resize(scales_.size());
        offsets_.resize(scales_.size());
        half_offsets_.resize(2 * scales_.size());
        is_fine_.resize(rows);
        weights_.reserve(head_.num_tokens);
    }

    // Predict for each of `samples.drafts`, behind the tokens that were sampled; `hidden` has the rows of the logits.
    void run(Team& team, const Samples& samples, const float* hidden) {
        int num_drafts = samples.num_drafts, most = 0;
        std::vector<Sequence> open(num_drafts);
        for (int i = 0; i < num_drafts; i++) {
            const Draft& draft = samples.drafts[i];
            int row = draft.first_row;
            for (int place = 0; place < draft.num_drafted && row + 1 < draft.first_row + draft.num_rows &&
                                samples.token_ids[row] == draft.drafted[place];
                 place++)
                row++;
            std::copy_n(hidden + size_t(samples.rows[row].logits_row) * width_, width_, &state_[size_t(i) * width_]);
            open[i] = {samples.token_ids[row], 1.0};
            std::fill_n(draft.predicted, draft.num_wanted, -1);
            most = std::max(most, draft.num_wanted);
        }
        for (int place = 0, num_open = num_drafts; place < most && num_open > 0; place++) {
            step(team, open);
            num_open = 0;
            for (int i = 0; i < num_drafts; i++) num_open += predict(samples.drafts[i], place, i, open[i]);
        }
    }

private:
    // The last token that is known or predicted, -1 behind the end; and how likely all that was predicted is.
    struct Sequence {
        int token_id;
        double chance;
    };

    void step(Team& team, const std::vector<Sequence>& open) {
        int num_rows = int(open.size()), size = model_.hidden_size, inputs = head_.gate_up.num_inputs;
        for (int row = 0; row < num_rows; row++) {
            float *state = &state_[size_t(row) * width_], *input = &input_[size_t(row) * inputs];
            unpack_row(model_.embedding, std::max(open[row].token_id, 0), input + size);
            normalise(input + size, head_.token_norm, model_.norm_eps, size, input + size);
            normalise(state, head_.hidden_norm, model_.norm_eps, size, input);
            quantise(activations(input_), row, inputs);
        }
        int width = head_.down.num_inputs;
        multiply(team, head_.gate_up, activations(input_), num_rows, [&](int row, int pair, Floats gate, Floats up) {
            store(&gated_[size_t(row) * width + pair * kLanes], silu(gate) * up);
        });
        for (int row = 0; row < num_rows; row++) quantise(activations(gated_), row, width);
        multiply(team, head_.down, activations(gated_), num_rows, [&](int row, int pair, Floats low, Floats high) {
            float* to = &state_[size_t(row) * width_ + pair * 2 * kLanes];
            store(to, load(to) + low);
            store(to + kLanes, load(to + kLanes) + high);
        });
        for (int row = 0; row < num_rows; row++) quantise(activations(state_), row, width_);
        multiply(team, head_.output, activations(state_), num_rows, [&](int row, int pair, Floats low, Floats high) {
            float* to = &logits_[size_t(row) * head_.output.num_outputs + pair * 2 * kLanes];
            store(to, low);
            store(to + kLanes, high);
        });
    }

    // Return whether more is to be predicted behind it.
    bool predict(const Draft& draft, int place, int row, Sequence& sequence) {
        if (place >= draft.num_wanted || sequence.token_id < 0) return false;
        const float* logits = &logits_[size_t(row) * head_.output.num_outputs];
        Best best = best_of(logits, head_.num_tokens);
        weights_.take(logits, head_.num_tokens, best.logit, 1.0);
        sequence.chance /= weights_.total();
        sequence.token_id = sequence.chance >= draft.least_chance ? head_.token_ids[best.token_id] : -1;
        draft.predicted[place] = sequence.token_id;
        return sequence.token_id >= 0;
    }

    Activations activations(std::vector<float>& values) {
        return {values.data(),  bytes_.data(), upper_bytes_.data(), is_fine_.data(),
                scales_.data(), sums_.data(),  offsets_.data(),     half_offsets_.data()};
    }

    const Model& model_;
    const DraftHead& head_;
    const int width_;
    std::vector<float> state_, input_, gated_, logits_, scales_, sums_;
    std::vector<int8_t> bytes_, upper_bytes_;
    std::vector<uint8_t> is_fine_;
    std::vector<int32_t> offsets_, half_offsets_;
    RowWeights weights_;
};

}  // namespace tandem
