// Numbers that look random and are the same on each processor (SplitMix64).
#pragma once

#include <cstdint>

struct RandomNumbers {
    uint64_t state = 1;

    uint64_t next() {
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    // In [-1, 1).
    float value() { return float(int32_t(next() >> 40) - (1 << 23)) * 0x1p-23f; }
};
