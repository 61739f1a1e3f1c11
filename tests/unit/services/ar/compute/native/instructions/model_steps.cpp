// Runs random models of every format, and samples, by a compiled kernel: PROGRAM KERNEL prints what came, bit for bit.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <list>
#include <vector>

#include "products/matrix.h"
#include "random_numbers.h"
#include "sampling/sampler.h"

using namespace tandem;

constexpr int kHidden = 96, kHeads = 4, kKvHeads = 2, kHeadDim = 24, kStride = 32, kGated = 64, kVocabulary = 160;
constexpr int kBlockSize = 16, kNumBlocks = 6, kMaxPositions = 64, kMostRows = 24, kNumLayers = 2;
constexpr int kNumTokens = 5003, kNumSampled = 24;

struct Kernel {
    void* (*open)(const Model*, int32_t);
    void (*run)(void*, const Step*, const Samples*);
    void (*sample)(const float*, int64_t, const Samples*, int32_t);
    void (*close)(void*);
    const char* (*instruction_set)();
};

// What a model's addresses lead to, all of it random, for as long as it is there.
class Memory {
public:
    void* bytes(size_t size) {
        std::vector<uint64_t>& words = kept_.emplace_back((size + 64) / 8);
        for (uint64_t& word : words) word = random_.next();
        return words.data();
    }
    void* zeros(size_t size) { return kept_.emplace_back((size + 64) / 8).data(); }
    float* floats(size_t size, float middle, float spread) {
        float* values = static_cast<float*>(bytes(size * sizeof(float)));
        for (size_t i = 0; i < size; i++) values[i] = middle + spread * random_.value();
        return values;
    }
    // Numbers of about 0.06 that have 16 bits, as float16 or bfloat16.
    uint16_t* sixteen_bits(size_t size, Format format) {
        uint16_t* values = static_cast<uint16_t*>(bytes(size * 2));
        for (size_t i = 0; i < size; i++)
            values[i] = format == Format::bfloat16 ? (values[i] & 0x807f) | 0x3d80 : (values[i] & 0x83ff) | 0x2c00;
        return values;
    }
    Part part(Format format, int num_inputs, int num_outputs) {
        size_t size = size_t(num_inputs) * num_outputs, num_groups = size / kGroup / kLanes;
        if (format == Format::float32)
            return {reinterpret_cast<uint8_t*>(floats(size, 0, 0.1f)), nullptr, format, num_outputs / 32};
        if (!is_quantised(format))
            return {reinterpret_cast<uint8_t*>(sixteen_bits(size, format)), nullptr, format, num_outputs / 32};
        return {static_cast<uint8_t*>(bytes(num_groups * group_bytes(format))),
                sixteen_bits(num_groups * group_scales(format), Format::float16), format, num_outputs / 32};
    }
    Matrix matrix(Format format, int num_inputs, int num_outputs, bool has_bias = false) {
        float* bias = has_bias ? floats(num_outputs, 0, 1) : nullptr;
        return {{part(format, num_inputs, num_outputs)}, bias, num_inputs, num_outputs};
    }

private:
    RandomNumbers random_;
    std::list<std::vector<uint64_t>> kept_;
};

uint64_t digest(const void* bytes, size_t size) {  // FNV-1a
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++) hash = (hash ^ static_cast<const uint8_t*>(bytes)[i]) * 0x100000001b3;
    return hash;
}

Layer layer(Memory& memory, int index, Format format, CacheFormat cache) {
    bool has_more = index == 1;
    size_t places = size_t(kKvHeads) * kNumBlocks * kBlockSize;
    size_t element = cache == CacheFormat::int8 ? 1 : cache == CacheFormat::float16 ? 2 : 4;
    auto norm = [&](int size, bool is_there) { return is_there ? memory.floats(size, 1, 0.5f) : nullptr; };
    Layer made{};
    made.attention_norm = norm(kHidden, true);
    made.mlp_norm = norm(kHidden, true);
    made.query_norm = norm(kHeadDim, has_more);
    made.key_norm = norm(kHeadDim, has_more);
    made.attention_output_norm = norm(kHidden, has_more);
    made.mlp_output_norm = norm(kHidden, has_more);
    made.cos = memory.floats(kMaxPositions * kHeadDim, 0, 1);
    made.sin = memory.floats(kMaxPositions * kHeadDim, 0, 1);
    made.sliding_window = has_more ? 11 : 0;
    made.qkv = memory.matrix(format, kHidden, (kHeads + 2 * kKvHeads) * kHeadDim, has_more);
    // Keys and values with other bits than queries, as files of few bits have them.
    if (format == Format::int4) {
        made.qkv.parts[0] = memory.part(Format::int4, kHidden, kHeads * kHeadDim);
        made.qkv.parts[1] = memory.part(Format::int6, kHidden, 2 * kKvHeads * kHeadDim);
    }
    made.out = memory.matrix(format, kHeads * kHeadDim, kHidden);
    made.gate_up = memory.matrix(format, kHidden, 2 * kGated);
    made.down = memory.matrix(format, kGated, kHidden);
    made.keys = memory.zeros(places * kStride * element);
    made.values = memory.zeros(places * kStride * element);
    made.key_scales = static_cast<Half*>(memory.zeros(places * kStride / kGroup * sizeof(Half)));
    made.value_scales = static_cast<Half*>(memory.zeros(places * sizeof(Half)));
    return made;
}

// A prompt of one sequence, then a step of two: one row after that prompt, and a prompt in another block.
void run(const Kernel& kernel, Format format, int fine_positions, CacheFormat cache) {
    Memory memory;
    std::vector<Layer> layers;
    for (int i = 0; i < kNumLayers; i++) layers.push_back(layer(memory, i, format, cache));
    Matrix embedding = memory.matrix(format, kHidden, kVocabulary);
    Model model{kNumLayers,    kHeads,     kKvHeads,           kHeadDim,
                kHidden,       kNumBlocks, kBlockSize,         cache,
                kMostRows,     0,          kMaxPositions,      fine_positions,
                1e-5f,         1.5f,       fine_positions > 0, memory.floats(kHidden, 1, 0.5f),
                layers.data(), embedding,  embedding,          {}};
    void* engine = kernel.open(&model, 2);
    const int32_t block_tables[] = {3, 1, 5};
    for (int number = 0; number < 2; number++) {
        std::vector<int32_t> tokens, positions, tables, wanted;
        for (int position = 0; position < (number == 0 ? 19 : 8); position++) {
            bool goes_on = number == 1 && position == 7;
            tokens.push_back((37 * position + 11 * number) % kVocabulary);
            positions.push_back(goes_on ? 19 : position);
            tables.push_back(number == 0 || goes_on ? 0 : 2);
            wanted.push_back(position);
        }
        int num_rows = int(tokens.size());
        std::vector<float> logits(num_rows * kVocabulary);
        std::vector<uint8_t> is_finite(num_rows, 1);
        Step step{num_rows,     num_rows,      tokens.data(), positions.data(), positions.data(), tables.data(),
                  block_tables, wanted.data(), logits.data(), is_finite.data(), nullptr};
        Samples none{};
        kernel.run(engine, &step, &none);
        for (int row = 0; row < num_rows; row++)
            std::printf("format %d fine %d cache %d step %d row %d finite %d: %016llx %a\n", int(format),
                        fine_positions, int(cache), number, row, is_finite[row],
                        (unsigned long long)digest(&logits[row * kVocabulary], 4 * kVocabulary),
                        logits[row * kVocabulary]);
    }
    kernel.close(engine);
}

// Each row has another choice of parameters. Log-probabilities are the C library's in part: not to the last bit.
void sample(const Kernel& kernel) {
    constexpr int kAlternatives = 5;
    Memory memory;
    float* logits = memory.floats(size_t(kNumSampled) * kNumTokens, 0, 9);
    int32_t* history = static_cast<int32_t*>(memory.bytes(30 * 4));
    for (int i = 0; i < 30; i++) history[i] = uint32_t(history[i]) % kNumTokens;
    const uint8_t* allowed = static_cast<uint8_t*>(memory.bytes(kNumTokens / 8 + 1));
    std::vector<Sampling> samplings(kNumSampled);
    std::vector<Row> rows(kNumSampled);
    for (int i = 0; i < kNumSampled; i++) {
        Sampling& sampling = samplings[i] = {};
        sampling.temperature = i % 6 == 0 ? 0.0 : 0.5 + 0.3 * (i % 5);
        sampling.top_p = i % 2 == 0 ? 1.0 : 0.9;
        sampling.min_p = i % 3 == 0 ? 0.02 : 0.0;
        sampling.top_k = i % 4 == 1 ? 40 : 0;
        sampling.seed = i;
        sampling.top_logprobs = kAlternatives;
        sampling.has_penalties = i % 2;
        sampling.repetition_penalty = 1.3f;
        sampling.presence_penalty = 0.2f;
        rows[i] = {&sampling, i, i, -1, 30, 10, 0, 0, history, nullptr, nullptr, i % 5 == 2 ? allowed : nullptr};
    }
    std::vector<int32_t> tokens(kNumSampled), alternatives(kNumSampled * kAlternatives);
    std::vector<float> logprobs(kNumSampled), others(kNumSampled * kAlternatives);
    Samples samples{kNumSampled,   kNumTokens,      kAlternatives,       rows.data(),
                    tokens.data(), logprobs.data(), alternatives.data(), others.data()};
    kernel.sample(logits, kNumTokens, &samples, 2);
    for (int i = 0; i < kNumSampled; i++)
        std::printf("token %d %.4f, %d to %d %.4f\n", tokens[i], logprobs[i], alternatives[i * kAlternatives],
                    alternatives[i * kAlternatives + 4], others[i * kAlternatives + 4]);
}

int main(int, char** arguments) {
    void* library = dlopen(arguments[1], RTLD_NOW);
    if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    Kernel kernel;
    auto find = [&](auto& function, const char* name) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
        if (function == nullptr) std::abort();
    };
    find(kernel.open, "tandem_open");
    find(kernel.run, "tandem_run");
    find(kernel.sample, "tandem_sample");
    find(kernel.close, "tandem_close");
    find(kernel.instruction_set, "tandem_instruction_set");
    for (int format = 0; format <= int(Format::q4_0); format++)
        for (int fine_positions : {0, 10})
            for (CacheFormat cache : {CacheFormat::float32, CacheFormat::float16, CacheFormat::int8})
                run(kernel, Format(format), fine_positions, cache);
    sample(kernel);
    std::printf("%s\n", kernel.instruction_set());
}
