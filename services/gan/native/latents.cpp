// Latents and classes from seeds, for many requests at once: what latents.py does, to the last bit. For
// this the compiler must not fuse multiplications with additions.

#include <cmath>
#include <cstdint>

#include "interface.h"

namespace {

// Philox-4x64 with ten rounds: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
struct Block {
    uint64_t words[4];
};

Block philox(uint64_t counter, uint64_t domain, uint64_t key) {
    constexpr uint64_t multiplier_0 = 0xD2E7470EE14C6C93, multiplier_1 = 0xCA5A826395121157;
    constexpr uint64_t weyl_0 = 0x9E3779B97F4A7C15, weyl_1 = 0xBB67AE8584CAA73B;
    uint64_t word_0 = counter, word_1 = domain, word_2 = 0, word_3 = 0, key_0 = key, key_1 = 0;
    for (int round = 0; round < 10; ++round) {
        const unsigned __int128 product_0 = (unsigned __int128)multiplier_0 * word_0;
        const unsigned __int128 product_1 = (unsigned __int128)multiplier_1 * word_2;
        word_0 = uint64_t(product_1 >> 64) ^ word_1 ^ key_0;
        word_1 = uint64_t(product_1);
        word_2 = uint64_t(product_0 >> 64) ^ word_3 ^ key_1;
        word_3 = uint64_t(product_0);
        key_0 += weyl_0;
        key_1 += weyl_1;
    }
    return {{word_0, word_1, word_2, word_3}};
}

// numpy's generator counts before it draws.
Block block_of(uint64_t seed, uint64_t domain, uint64_t index) {
    const uint64_t counter = index + 1;
    return philox(counter, domain + (counter == 0), seed);
}

double ratio(const double (&above)[6], const double (&below)[6], double x) {
    double numerator = above[0] * x, denominator = below[0] * x;
    for (int power = 1; power < 5; ++power) {
        numerator = (numerator + above[power]) * x;
        denominator = (denominator + below[power]) * x;
    }
    return (numerator + above[5]) / (denominator + below[5]);
}

// Quantile of the normal distribution: see latents.py.
double normal_quantile(double p) {
    static constexpr double centre_above[6] = {-3.969683028665376e01, 2.209460984245205e02,  -2.759285104469687e02,
                                               1.383577518672690e02,  -3.066479806614716e01, 2.506628277459239e00};
    static constexpr double centre_below[6] = {-5.447609879822406e01, 1.615858368580409e02,  -1.556989798598866e02,
                                               6.680131188771972e01,  -1.328068155288572e01, 1.0};
    static constexpr double tail_above[6] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00,
                                             -2.549732539343734e00,  4.374664141464968e00,   2.938163982698783e00};
    static constexpr double tail_below[6] = {
        0.0, 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0};
    const double q = p - 0.5, distance = std::fabs(q);
    if (distance <= 0.5 - 0.02425) return q * ratio(centre_above, centre_below, q * q);
    const double r = std::sqrt(-2.0 * std::log(0.5 - distance));
    return std::copysign(ratio(tail_above, tail_below, r), q);
}

}  // namespace

// `where` gets the latents [images, latent_dim] of all runs, as floats.
void tandem_gan_latents(const Run* runs, uint64_t num_runs, uint64_t latent_dim, uint64_t domain, void* where) {
    float* to = static_cast<float*>(where);
    const uint64_t blocks_per_image = (latent_dim + 3) / 4;
    for (const Run* run = runs; run != runs + num_runs; ++run)
        for (uint64_t image = run->first; image != run->first + run->count; ++image)
            for (uint64_t at = 0; at < latent_dim; at += 4) {
                const Block block = block_of(run->seed, domain, image * blocks_per_image + at / 4);
                for (uint64_t word = 0; word < 4 && at + word < latent_dim; ++word) {
                    const double uniform = (double(block.words[word] >> 11) + 0.5) * 0x1p-53;
                    *to++ = float(normal_quantile(uniform));
                }
            }
}

// `where` gets the classes [images], each below num_classes, of all runs, as integers of 64 bits.
void tandem_gan_labels(const Run* runs, uint64_t num_runs, uint64_t num_classes, uint64_t domain, void* where) {
    int64_t* to = static_cast<int64_t*>(where);
    for (const Run* run = runs; run != runs + num_runs; ++run)
        for (uint64_t image = run->first; image != run->first + run->count; ++image)
            *to++ = int64_t(block_of(run->seed, domain, image).words[0] % num_classes);
}
