// AVX-512 VNNI.
#define LINGRAFT_ISA avx512
#include "avx512.h"
#include "loops.h"

namespace lingraft {
namespace {

// Bytes; measured on one row and eight: 4096 and 8192 are alike, 1024 a tenth slower. Without it eight
// rows took two fifths longer, for the processor's own prefetching ends with a page.
constexpr int kAhead = 4096;

template <int kRows>
__attribute__((target("avx512f,avx512vnni"))) void multiply_rows(const int8_t* rows, int64_t stride,
                                                                 int64_t padded_k,
                                                                 const uint8_t* panel,
                                                                 int32_t* sums) {
  __m512i left[kRows], right[kRows];
  for (int row = 0; row < kRows; ++row) left[row] = right[row] = _mm512_setzero_si512();
  for (int64_t k = 0; k < padded_k; k += 4, panel += kStep) {
    if (k % kStep == 0 && k > 0) panel += kStep * kTile;  // over the right half of the step before
    const __m512i first_weights = _mm512_load_si512(panel);
    const __m512i second_weights = _mm512_load_si512(panel + kStep * kTile);
    _mm_prefetch(reinterpret_cast<const char*>(panel + kAhead), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(panel + kStep * kTile + kAhead), _MM_HINT_T0);
    for (int row = 0; row < kRows; ++row) {
      int32_t four;
      std::memcpy(&four, rows + row * stride + k, sizeof(four));
      const __m512i values = _mm512_set1_epi32(four);
      left[row] = _mm512_dpbusd_epi32(left[row], first_weights, values);
      right[row] = _mm512_dpbusd_epi32(right[row], second_weights, values);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    _mm512_store_si512(sums + row * kColumns, left[row]);
    _mm512_store_si512(sums + row * kColumns + kTile, right[row]);
  }
}

using MultiplyRows = void (*)(const int8_t*, int64_t, int64_t, const uint8_t*, int32_t*);
constexpr int kMostRows = 12;  // 24 of 32 registers hold sums
constexpr MultiplyRows kMultiplyRows[kMostRows] = {
    multiply_rows<1>, multiply_rows<2>, multiply_rows<3>, multiply_rows<4>,
    multiply_rows<5>, multiply_rows<6>, multiply_rows<7>, multiply_rows<8>,
    multiply_rows<9>, multiply_rows<10>, multiply_rows<11>, multiply_rows<12>,
};

}  // namespace

void multiply_vnni(const Rows& rows, int64_t row, int64_t count, const uint8_t* panel,
                   int32_t* sums) {
  for (int64_t done = 0; done < count; done += kMostRows) {
    const int64_t here = std::min<int64_t>(count - done, kMostRows);
    kMultiplyRows[here - 1](rows.at<int8_t>(row + done), rows.stride, rows.padded_k, panel,
                            sums + done * kColumns);
  }
}

namespace {

// Estimates of one row's sums for a panel of 4-bit weights: of nibbles, kMiddle not yet taken off.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void estimate(const int8_t* row,
                                                                     int64_t padded_k,
                                                                     const uint8_t* panel,
                                                                     __m512i* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  // Two sums for each half: one alone would wait for the product before it.
  __m512i left[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  __m512i right[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (int64_t k = 0; k < padded_k; k += 8) {
    for (int i = 0; i < 2; ++i, panel += kStep) {
      _mm_prefetch(reinterpret_cast<const char*>(panel + kAhead), _MM_HINT_T0);
      const __m512i both = _mm512_load_si512(panel);
      int32_t four;
      std::memcpy(&four, row + k + 4 * i, sizeof(four));
      const __m512i values = _mm512_set1_epi32(four);
      left[i] = _mm512_dpbusd_epi32(left[i], _mm512_and_si512(both, low), values);
      right[i] = _mm512_dpbusd_epi32(
          right[i], _mm512_and_si512(_mm512_srli_epi16(both, 4), low), values);
    }
  }
  sums[0] = _mm512_add_epi32(left[0], left[1]);
  sums[1] = _mm512_add_epi32(right[0], right[1]);
}

}  // namespace

LINGRAFT_TARGET void foresee_vnni(const Rows& row, const Weights& weights, const Screen& screen,
                                  int64_t begin, int64_t end, float* bounds) {
  const int8_t* values = row.at<int8_t>(0);
  int64_t squares = 0;
  for (int64_t k = 0; k < row.padded_k; ++k) squares += values[k] * values[k];
  const float scale = row.scale[0];
  const __m512 length = _mm512_set1_ps(std::sqrt(float(squares)) * scale);
  const __m512 step = _mm512_set1_ps(Screen::kStep * scale);
  // `correction` is 128 times the row's sum.
  const __m512i middle = _mm512_set1_epi32(row.correction[0] / 128 * Screen::kMiddle);
  for (int64_t column = begin; column < end; column += kColumns) {
    __m512i sums[2];
    estimate(values, row.padded_k, screen.panel(weights, column), sums);
    __m512 highest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    for (int64_t v = 0; v < 2; ++v) {
      const int64_t at = column + v * kTile;
      const __m512 factor = _mm512_mul_ps(step, _mm512_load_ps(weights.scale.get() + at));
      const __m512 margin = _mm512_mul_ps(length, _mm512_load_ps(screen.margin.get() + at));
      const __m512 logit = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums[v], middle)),
                                           factor, _mm512_load_ps(weights.bias.get() + at));
      highest = _mm512_mask_max_ps(highest, avx512::first(weights.n - at), highest,
                                   _mm512_add_ps(logit, margin));
    }
    bounds[column / kColumns] = _mm512_reduce_max_ps(highest);
  }
}

Kernels vnni_kernels() {
  Kernels result = avx512::table<int8_t>("avx512_vnni", multiply_vnni, [] {});
  result.foresee = foresee_vnni;
  return result;
}

}  // namespace lingraft
