// Weights in their order, the largest first and equals by their ids, without sorting them.
//
// What is wanted of the order is where its running sums reach a limit. A histogram of the weights' leading bits tells in
// which bucket that is, finer ones of that bucket's members at which of them: a radix select that adds up weights.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "../vectors.h"

namespace tandem {

// The bits of numbers from 0 to 1 are in the numbers' own order.
constexpr uint32_t kBitsOfOne = 0x3f800000;
inline uint32_t bits_of(float weight) {
    uint32_t bits;
    std::memcpy(&bits, &weight, 4);
    return bits;
}
inline float of_bits(uint32_t bits) {
    float weight;
    std::memcpy(&weight, &bits, 4);
    return weight;
}

// A number that at least `count` of weights[size] reach, and few more do if it can be; 0 if there are fewer.
inline float reached_by(const float* weights, int size, int count) {
    constexpr int kMore = 256, kRounds = 24;
    uint32_t low = 0, high = kBitsOfOne + 1;
    for (int round = 0; round < kRounds; round++) {
        uint32_t middle = low + (high - low) / 2;
        float least = of_bits(middle);
        int found = 0;
        for (int first = 0; first < size; first += kLanes)
            found += __builtin_popcount(lanes_of((Ints)(load(weights + first) >= least)));
        (found >= count ? low : high) = middle;
        if (found >= count && found - count <= kMore) break;
    }
    return of_bits(low);
}

// How many weights, and how much they are together.
struct Amount {
    double count = 0.0;
    double weight = 0.0;

    Amount operator+(const Amount& other) const { return {count + other.count, weight + other.weight}; }
    Amount operator+(float one) const { return {count + 1.0, weight + one}; }
};

// A place in the order: its token, and what the order has up to it.
struct Place {
    int token_id = 0;
    Amount amount;
};

// Weights and the tokens they are of, by ids.
struct Members {
    int size = 0;
    std::vector<float> weights;
    std::vector<int32_t> ids;

    // Take those of from[count] that lie between `least`, above 0, and `most`; ids are places, or what from_ids has there.
    void select(const float* from, const int32_t* from_ids, int count, float least, float most) {
        weights.resize(std::max<size_t>(weights.size(), count + 2 * kLanes));
        ids.resize(weights.size());
        const Ints steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        size = 0;
        for (int first = 0; first < count; first += kLanes) {
            Floats x = load(from + first);
            uint32_t lanes = lanes_of((Ints)(x >= least) & (Ints)(x <= most));
            if (lanes == 0) continue;
            Ints places = from_ids == nullptr ? steps + first : load(from_ids + first);
            store_lanes(reinterpret_cast<int32_t*>(&weights[size]), (Ints)x, lanes);
            store_lanes(&ids[size], places, lanes);
            size += __builtin_popcount(lanes);
        }
        store(&weights[size], Floats{});
    }
    void select(const Members& from, float least, float most) {
        select(from.weights.data(), from.ids.data(), from.size, least, most);
    }
};

// How much lies in each of some equal spans of bits below `top`.
class Histogram {
public:
    void take(const Members& members, uint32_t top, int num_bits, int shift) {
        top_ = top;
        shift_ = shift;
        copies_.assign(kCopies << num_bits, Amount());
        for (int i = 0; i < members.size; i++) {
            Amount& bucket = copies_[((top - bits_of(members.weights[i])) >> shift) * kCopies + i % kCopies];
            bucket = bucket + members.weights[i];
        }
        buckets_.assign(size_t(1) << num_bits, Amount());
        for (size_t i = 0; i < copies_.size(); i++) buckets_[i / kCopies] = buckets_[i / kCopies] + copies_[i];
    }

    Amount all() const {
        Amount sum;
        for (const Amount& bucket : buckets_) sum = sum + bucket;
        return sum;
    }

    // The highest bits of the bucket in which `reached` becomes true, or of the last that has anything; `before` is what
    // lies before it.
    uint32_t pick(Amount& before, const auto& reached) const {
        size_t last = 0;
        Amount before_last = before;
        for (size_t bucket = 0; bucket < buckets_.size(); bucket++) {
            if (buckets_[bucket].count == 0.0) continue;
            last = bucket;
            before_last = before;
            before = before + buckets_[bucket];
            if (reached(before)) break;
        }
        before = before_last;
        return top_ - (uint32_t(last) << shift_);
    }

    uint32_t span() const { return 1u << shift_; }

private:
    static constexpr int kCopies = 8;  // additions to one bucket would wait for each other

    uint32_t top_ = 0;
    int shift_ = 0;
    std::vector<Amount> copies_, buckets_;
};

class Order {
public:
    // Take those of weights[size], each from 0 to 1, that are at least `least`, and not 0.
    void take(const float* weights, int size, float least) {
        least_ = std::max(least, std::numeric_limits<float>::min());
        members_.select(weights, nullptr, size, least_, 1.0f);
        uint32_t range = kBitsOfOne - bits_of(least_);
        first_shift_ = 0;
        while (range >> first_shift_ >> kFirstBits != 0) first_shift_++;
        histogram_.take(members_, kBitsOfOne, kFirstBits, first_shift_);
        all_ = histogram_.all();
    }

    const Amount& all() const { return all_; }

    // The first place whose amount `reached` is true of; the last place if there is none.
    Place find(const auto& reached) {
        Amount before;
        uint32_t top = histogram_.pick(before, reached);
        narrow(members_, top, histogram_.span());
        for (int shift = first_shift_; shift > 0 && found_.size > kFew;) {
            int num_bits = std::min(shift, kFinerBits);
            shift -= num_bits;
            finer_.take(found_, top, num_bits, shift);
            top = finer_.pick(before, reached);
            std::swap(found_, last_);
            narrow(last_, top, finer_.span());
        }
        return walk(before, reached);
    }

private:
    static constexpr int kFirstBits = 8, kFinerBits = 8, kFew = 32;

    void narrow(const Members& from, uint32_t top, uint32_t span) {
        uint32_t bottom = top >= span ? top - span + 1 : 0;
        found_.select(from, std::max(of_bits(bottom), least_), of_bits(top));
    }

    // Go through the members that are left: few, or equals. In line, it would make what calls it slower.
    __attribute__((noinline)) Place walk(const Amount& before, const auto& reached) {
        places_.resize(found_.size);
        for (int i = 0; i < found_.size; i++) places_[i] = i;
        if (found_.size <= kFew)
            std::stable_sort(places_.begin(), places_.end(),
                             [&](int a, int b) { return found_.weights[a] > found_.weights[b]; });
        Place place{0, before};
        for (int i : places_) {
            place = {found_.ids[i], place.amount + found_.weights[i]};
            if (reached(place.amount)) break;
        }
        return place;
    }

    float least_ = 0.0f;
    int first_shift_ = 0;
    Amount all_;
    Members members_, found_, last_;
    Histogram histogram_, finer_;
    std::vector<int> places_;
};

}  // namespace tandem
