#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "kernels.h"
#include "pages.h"

namespace lingraft {
namespace {

constexpr int64_t kLine = 64;

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

template <typename T>
Buffer<T> allocate(size_t count) {
  const size_t bytes = round_up(std::max<size_t>(count, 1) * sizeof(T), 64);
  void* memory = std::aligned_alloc(64, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Buffer<T>(static_cast<T*>(memory));
}
template Buffer<float> allocate<float>(size_t);
template Buffer<int8_t> allocate<int8_t>(size_t);
template Buffer<int32_t> allocate<int32_t>(size_t);
template Buffer<uint16_t> allocate<uint16_t>(size_t);

Weights Weights::pack(const int8_t* weights, const float* scale, const float* bias, int64_t k,
                      int64_t n) {
  Weights result;
  result.k = k;
  result.n = n;
  result.padded_k = round_up(k, kStep);
  result.padded_n = round_up(n, kColumns);
  result.packed = in_large_pages(result.padded_k * result.padded_n);
  std::memset(result.packed.get(), 128, result.padded_k * result.padded_n);
  for (int64_t row = 0; row < k; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      const int64_t half = column % kColumns / kTile;
      const int64_t place = column / kColumns * kColumns * result.padded_k +
                            row / kStep * kStep * kColumns + half * kStep * kTile +
                            row % kStep / 4 * kStep + column % kTile * 4 + row % 4;
      result.packed[place] = uint8_t(weights[row * n + column] + 128);
    }
  }
  result.scale = allocate<float>(result.padded_n);
  result.bias = allocate<float>(result.padded_n);
  std::copy(scale, scale + n, result.scale.get());
  std::copy(bias, bias + n, result.bias.get());
  return result;
}

void Rows::quantise(const float* x, int64_t rows, const Weights& weights) {
  const Kernels& use = kernels();
  // A line more than the values take: rows a power of two apart would push one another out of the
  // nearest cache, which finds a line by its address modulo 4096.
  stride = weights.padded_k * use.value_bytes + kLine;
  const size_t needed = round_up(rows, kTile) * stride;
  if (needed > room || rows > rows_room) {
    room = std::max(room, needed);
    rows_room = std::max(rows_room, rows);
    values = allocate<int8_t>(room);
    scale = allocate<float>(rows_room);
    correction = allocate<int32_t>(rows_room);
  }
  count = rows;
  padded_k = weights.padded_k;
  for (int64_t row = 0; row < rows; ++row) {
    use.quantise_row(x + row * weights.k, weights.k, padded_k, values.get() + row * stride,
                     scale.get() + row, correction.get() + row);
  }
}

}  // namespace lingraft
