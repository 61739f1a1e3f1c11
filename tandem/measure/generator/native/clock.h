// Clocks in seconds.

#pragma once

#include <time.h>

inline double clock_seconds(clockid_t clock) {
    timespec at;
    clock_gettime(clock, &at);
    return double(at.tv_sec) + double(at.tv_nsec) * 1e-9;
}
