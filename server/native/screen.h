// Which columns of an output layer can hold the best pieces of one row, at half the bytes of its
// weights.
//
// One row is as fast as weights are read. So they are read in 4 bits a value first. A column's sum over
// its 4-bit values is off by the sum of what rounding left, r, times the row's integers, h. That is near
// normal, with a deviation of |h| times the root mean square of r, whatever the row says; a column
// whose estimate lies kDeviations of that below the best sum seen so far cannot be better, or in one
// row in a thousand million. The rest is multiplied in 8 bits, so what is found has the bits of a
// search of all columns.
#pragma once

#include "gemm.h"

namespace lingraft {

struct Screen {
  static constexpr float kDeviations = 6;
  // A row whose values are nearly all in two or three places has no normal sum, but one of few terms,
  // each kStep / 2 at most times its value: this least deviation covers two such places.
  static constexpr float kLeastDeviation = 2;
  static constexpr int kStep = 17, kMiddle = 8;  // value = kStep * (nibble - kMiddle), -119 to 119

  // Panels as those of Weights; of a step of 64 values of K, 16 groups of 4, each 64 bytes: the lower
  // halves are the values of the left tile, the upper ones those of the right.
  std::shared_ptr<uint8_t[]> packed;
  Buffer<float> margin;  // [padded_n] by which a column's logit may be above its estimate, over |h|

  // Empty where a search of all columns is as fast: few weights are near the core already.
  static Screen of(const Weights& weights);
  bool is_there() const { return packed != nullptr; }
  const uint8_t* panel(const Weights& weights, int64_t column) const {
    return packed.get() + column * weights.padded_k / 2;
  }
};

}  // namespace lingraft
