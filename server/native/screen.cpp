#include "screen.h"

#include <algorithm>
#include <cmath>

#include "pages.h"

namespace lingraft {
namespace {

constexpr int64_t kLeastWeights = int64_t(1) << 22;  // bytes: twice what a core's second cache holds

int nibble(int value) {
  const int half = Screen::kStep / 2;
  const int steps = value >= 0 ? (value + half) / Screen::kStep : -((half - value) / Screen::kStep);
  return std::clamp(steps + Screen::kMiddle, 1, 15);
}

}  // namespace

Screen Screen::of(const Weights& weights) {
  Screen result;
  if (weights.padded_k * weights.padded_n < kLeastWeights) return result;
  result.packed = in_large_pages(weights.padded_k * weights.padded_n / 2);
  result.margin = allocate<float>(weights.padded_n);
  for (int64_t column = 0; column < weights.padded_n; column += kColumns) {
    const uint8_t* from = weights.panel(column);
    uint8_t* to = result.packed.get() + column * weights.padded_k / 2;
    double squares[kColumns] = {};
    for (int64_t step = 0; step < weights.padded_k; step += lingraft::kStep) {
      for (int64_t place = 0; place < lingraft::kStep * kTile; ++place) {
        int both = 0;
        for (int64_t half = 0; half < 2; ++half) {
          const int value = int(from[half * lingraft::kStep * kTile + place]) - 128;
          const int here = nibble(value);
          const int rest = value - Screen::kStep * (here - Screen::kMiddle);
          squares[half * kTile + place % lingraft::kStep / 4] += double(rest) * rest;
          both |= here << (4 * half);
        }
        to[place] = uint8_t(both);
      }
      from += lingraft::kStep * kColumns;
      to += lingraft::kStep * kTile;
    }
    for (int64_t i = 0; i < kColumns; ++i) {
      const float deviation = float(std::sqrt(squares[i] / double(weights.k)));
      result.margin[column + i] = kDeviations * std::max(deviation, kLeastDeviation) *
                                  weights.scale[column + i];
    }
  }
  return result;
}

}  // namespace lingraft
