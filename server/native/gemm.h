// Integer products of rows with packed 8-bit weights.
//
// A row of activations is quantised to int8 by its own largest magnitude, so no row's answer depends
// on its company. Weights are stored plus 128, as uint8, since VNNI multiplies signed by unsigned; the
// sum of a row's integers times 128 is taken off again. Sums are exact, so all instruction sets and
// any number of rows give the same bits.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace lingraft {

constexpr int kTile = 16;      // columns of a tile
constexpr int kColumns = 32;   // columns of a panel
constexpr int kStep = 64;      // values of K in a tile
constexpr int kRowsAtOnce = 32;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
template <typename T>
using Buffer = std::unique_ptr<T[], Free>;

// Zeroed, on a cache line's boundary.
template <typename T>
Buffer<T> allocate(size_t count);

// Weights [K,N]: panels of 32 columns; in a panel, steps of 64 values of K; in a step, two tiles of 16
// columns; in a tile, 16 groups of 4 values of K, each 16 columns x 4 bytes. One stretch of memory is
// read from its beginning to its end.
struct Weights {
  int64_t k = 0, n = 0, padded_k = 0, padded_n = 0;
  std::shared_ptr<uint8_t[]> packed;
  Buffer<float> scale;  // [padded_n], 0 beyond N
  Buffer<float> bias;   // [padded_n], 0 beyond N

  static Weights pack(const int8_t* weights, const float* scale, const float* bias, int64_t k,
                      int64_t n);
  const uint8_t* panel(int64_t column) const { return packed.get() + column * padded_k; }
};

// Rows of activations [R,K] as integers from -127 to 127, of the size that the kernels ask for.
struct Rows {
  int64_t count = 0, padded_k = 0;
  int64_t stride = 0;          // bytes from row to row
  Buffer<int8_t> values;       // [R,padded_k] of int8 or int16, rows `stride` apart
  Buffer<float> scale;         // [R]
  Buffer<int32_t> correction;  // [R]: 128 times the sum of the row
  size_t room = 0;  // of `values`: those of whole tiles of rows
  int64_t rows_room = 0;

  void quantise(const float* x, int64_t rows, const Weights& weights);

  template <typename Value>
  const Value* at(int64_t row) const {
    return reinterpret_cast<const Value*>(values.get() + row * stride);
  }
};

// Sums of products for up to kRowsAtOnce rows from `row` on and the kColumns columns of a panel:
// sums [kRowsAtOnce][kColumns], on a cache line's boundary, the correction not yet taken off.
using Multiply = void (*)(const Rows& rows, int64_t row, int64_t count, const uint8_t* panel,
                          int32_t* sums);

struct alignas(64) Sums {
  int32_t values[kRowsAtOnce * kColumns];
};

}  // namespace lingraft
