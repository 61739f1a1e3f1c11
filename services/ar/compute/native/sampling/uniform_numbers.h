// The random numbers of sampling: Philox4x64-10 (Salmon et al. 2011), by counter, as numpy's generator has them.
#pragma once

#include <cstdint>

namespace tandem {

struct Product {
  uint64_t high;
  uint64_t low;
};
inline Product product(uint64_t a, uint64_t b) {
  unsigned __int128 whole = static_cast<unsigned __int128>(a) * b;
  return {uint64_t(whole >> 64), uint64_t(whole)};
}

// The number in [0, 1) of a position of one of a seed's sequences.
inline double uniform_number(uint64_t seed, uint64_t choice, uint64_t position) {
  constexpr int kRounds = 10;
  uint64_t key[2] = {seed, choice};
  // numpy counts up before it makes words.
  uint64_t words[4] = {position + 1, 0, 0, 0};
  for (int round = 0; round < kRounds; round++) {
    Product first = product(0xD2E7470EE14C6C93, words[0]), second = product(0xCA5A826395121157, words[2]);
    words[0] = second.high ^ words[1] ^ key[0];
    words[1] = second.low;
    words[2] = first.high ^ words[3] ^ key[1];
    words[3] = first.low;
    key[0] += 0x9E3779B97F4A7C15;
    key[1] += 0xBB67AE8584CAA73B;
  }
  return double(words[0] >> 11) * 0x1p-53;
}

}  // namespace tandem
