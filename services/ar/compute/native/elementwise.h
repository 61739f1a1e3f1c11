// The functions of single rows between a transformer's products: norms, rotary positions, activations.
#pragma once

#include <cmath>

#include "vectors.h"

namespace tandem {

inline Floats silu(Floats x) { return x / (exp(-x) + 1.0f); }

// GELU's approximation by tanh (Hendrycks, Gimpel 2016).
inline Floats gelu(Floats x) {
    Floats cube = x * x * x;
    return x / (exp((x + cube * 0.044715f) * -1.5957691216f) + 1.0f);
}

inline void normalise(const float* x, const float* weight, float eps, int size, float* out) {
    Floats lanes{};
    int whole = size / kLanes * kLanes;
    for (int i = 0; i < whole; i += kLanes) lanes = fma(load(x + i), load(x + i), lanes);
    float sum = sum_of(lanes);
    for (int i = whole; i < size; i++) sum += x[i] * x[i];
    float scale = 1.0f / std::sqrt(sum / float(size) + eps);
    for (int i = 0; i < size; i++) out[i] = x[i] * scale * weight[i];
}

// Rotary positions, the two halves of a head as pairs (Su et al. 2021).
inline void rotate(float* x, const float* cos, const float* sin, int head_dim) {
    int half = head_dim / 2;
    for (int i = 0; i < half; i++) {
        float first = x[i], second = x[i + half];
        x[i] = first * cos[i] - second * sin[i];
        x[i + half] = second * cos[i + half] + first * sin[i + half];
    }
}

}  // namespace tandem
