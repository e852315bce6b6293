// Integer products of rows with packed 8-bit weights, by AMX or AVX-512 VNNI.
//
// A row of activations is quantised to int8 by its own largest magnitude, so no row's answer depends
// on its company. Weights are stored plus 128, as uint8, since VNNI multiplies signed by unsigned; the
// sum of a row's integers times 128 is taken off again. Sums are exact, so both instruction sets and
// any number of rows give the same bits.
#pragma once

#include <cstdlib>
#include <memory>

#include "simd.h"

namespace lingraft {

constexpr int kColumns = 32;  // columns in a panel
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
  Buffer<uint8_t> packed;
  Buffer<float> scale;  // [padded_n], 0 beyond N
  Buffer<float> bias;   // [padded_n], 0 beyond N

  static Weights pack(const int8_t* weights, const float* scale, const float* bias, int64_t k,
                      int64_t n);
  const uint8_t* panel(int64_t column) const { return packed.get() + column * padded_k; }
};

// Rows of activations [R,K] as integers.
struct Rows {
  int64_t count = 0, padded_k = 0;
  Buffer<int8_t> values;        // [R,padded_k]
  Buffer<float> scale;          // [R]
  Buffer<int32_t> correction;   // [R]: 128 times the sum of the row
  size_t room = 0;
  int64_t rows_room = 0;

  void quantise(const float* x, int64_t rows, const Weights& weights);
};

// Sums of products for up to kRowsAtOnce rows from `row` on and kColumns columns from `column` on:
// sums [kRowsAtOnce][kColumns], on a cache line's boundary, the correction not yet taken off.
void multiply(const Rows& rows, int64_t row, int64_t count, const Weights& weights, int64_t column,
              int32_t* sums);

// Scales and biases of sixteen columns.
struct Columns {
  __m512 scale, bias;

  LINGRAFT_INLINE static Columns load(const Weights& weights, int64_t column) {
    return {_mm512_load_ps(weights.scale.get() + column),
            _mm512_load_ps(weights.bias.get() + column)};
  }
};

// Sixteen results of one row: corrected, scaled, with bias. `sums` are those of the row's columns.
LINGRAFT_INLINE __m512 finish(const Columns& columns, __m512i correction, __m512 scale,
                              const int32_t* sums) {
  const __m512i exact = _mm512_sub_epi32(_mm512_load_si512(sums), correction);
  const __m512 steps = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), columns.scale);
  return _mm512_fmadd_ps(steps, scale, columns.bias);
}

// Whether this processor and system run these kernels at all (AVX-512 with VNNI).
bool supported();

// Gives the tiles back to the system; call when a thread is done multiplying.
void release_tiles();

// "amx" or "avx512_vnni".
const char* instruction_set();

// AMX is left out from now on: for tests that compare the two.
void forbid_amx(bool forbidden);

}  // namespace lingraft
