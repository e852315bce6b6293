// AVX2. Its product of bytes saturates at 16 bits, so integers are widened to 16 bits first, and
// multiplied and added in pairs (vpmaddwd), which is exact and takes as many multiplications.
#define LINGRAFT_ISA avx2
#include "avx2.h"
#include "loops.h"

namespace lingraft {
namespace {

constexpr int kLine = 64;        // bytes of the cache
constexpr int kAhead = 4096;     // bytes that one row's product is read ahead
constexpr int64_t kBlock = 256;  // values of K: a panel's and 32 rows' stay in the nearest cache

// By hand: GCC 12 multiplies for all sums before it adds, and then has no registers left for them.
LINGRAFT_INLINE void add_products(__m256i& sum, __m256i a, __m256i b) {
  __m256i products;
  __asm__("vpmaddwd %2, %3, %0\n\tvpaddd %0, %1, %1" : "=&x"(products), "+x"(sum) : "x"(a), "x"(b));
}

// Four values, four times. By hand too: `vpbroadcastq` takes a place from the multiplications (Zen 3).
LINGRAFT_INLINE __m256i four_values(const int16_t* p) {
  struct Four {
    int16_t values[4];
  };
  __m256i result;
  __asm__("vbroadcastsd %1, %0" : "=x"(result) : "m"(*reinterpret_cast<const Four*>(p)));
  return result;
}

// Sums for kRows rows and kVectors times four columns of a tile, from its 16 kVectors bytes on.
template <int kRows, int kVectors>
struct Products {
  __m256i sums[kRows][kVectors];

  LINGRAFT_INLINE void clear() {
    for (auto& row : sums) {
      for (__m256i& sum : row) sum = _mm256_setzero_si256();
    }
  }

  // `weights`: four values of K of these columns; `rows`: the same four of each row.
  LINGRAFT_INLINE void add(const uint8_t* weights, const int16_t* rows, int64_t stride) {
    __m256i columns[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      columns[v] = _mm256_cvtepu8_epi16(
          _mm_load_si128(reinterpret_cast<const __m128i*>(weights + 16 * v)));
    }
    for (int row = 0; row < kRows; ++row) {
      const __m256i values = four_values(rows + row * stride);
      for (int v = 0; v < kVectors; ++v) {
        add_products(sums[row][v], columns[v], values);
      }
    }
  }

  // Adds the two halves of each column, and writes [kRows][4 kVectors] to rows of kColumns, or adds
  // to what stands there.
  LINGRAFT_INLINE void write(int32_t* out, bool further) const {
    for (int row = 0; row < kRows; ++row) {
      for (int v = 0; v < kVectors; v += 2) {
        const __m256i pairs = _mm256_hadd_epi32(sums[row][v], sums[row][v + 1]);
        __m256i result = _mm256_permute4x64_epi64(pairs, 0xD8);
        auto* place = reinterpret_cast<__m256i*>(out + row * kColumns + 4 * v);
        if (further) result = _mm256_add_epi32(result, _mm256_load_si256(place));
        _mm256_store_si256(place, result);
      }
    }
  }
};

// One row: the panel is read once, from its beginning to its end. Reading ahead by hand, here and
// below, makes products of weights that are in no near cache 1.2 to 2 times as fast (Zen 3).
LINGRAFT_TARGET void multiply_row(const Rows& rows, int64_t row, int64_t begin, int64_t end,
                                  const uint8_t* panel, int32_t* sums) {
  const int16_t* values = rows.at<int16_t>(row);
  Products<1, 4> left, right;
  left.clear();
  right.clear();
  panel += begin * kColumns;
  for (int64_t k = begin; k < end; k += kStep, panel += kStep * kTile) {
    for (int64_t four = 0; four < kStep; four += 4, panel += kStep) {
      __builtin_prefetch(panel + kAhead);
      left.add(panel, values + k + four, 0);
    }
    for (int64_t four = 0; four < kStep; four += 4) {
      __builtin_prefetch(panel + four / 4 * kStep + kAhead);
      right.add(panel + four / 4 * kStep, values + k + four, 0);
    }
  }
  left.write(sums, begin > 0);
  right.write(sums + kTile, begin > 0);
}

// kRows rows with 4 kVectors columns at a time, the values of K from `begin` to `end`. Each of these
// passes fetches its part of the panel that comes next.
template <int kRows, int kVectors>
LINGRAFT_TARGET void multiply_rows(const Rows& rows, int64_t row, int64_t begin, int64_t end,
                                   const uint8_t* panel, int32_t* sums) {
  const int64_t stride = rows.stride / int64_t(sizeof(int16_t));
  for (int column = 0; column < kColumns; column += 4 * kVectors) {
    const int16_t* values = rows.at<int16_t>(row) + begin;
    const uint8_t* weights = panel + begin * kColumns + column / kTile * kStep * kTile +
                             column % kTile * 4;
    const uint8_t* next = panel + (rows.padded_k + begin) * kColumns + column * kStep;
    Products<kRows, kVectors> products;
    products.clear();
    for (int64_t k = begin; k < end; k += kStep) {
      for (int line = 0; line < 4 * kVectors; ++line, weights += kStep, values += 4) {
        __builtin_prefetch(next + line * kLine, 0, 2);
        products.add(weights, values, stride);
      }
      for (int line = 4 * kVectors; line < kStep / 4; ++line, weights += kStep, values += 4) {
        products.add(weights, values, stride);
      }
      weights += kStep * kTile;
      next += kStep * kColumns;
    }
    products.write(sums + column, begin > 0);
  }
}

using MultiplyRows = void (*)(const Rows&, int64_t, int64_t, int64_t, const uint8_t*, int32_t*);
constexpr int kMostRows = 6;  // 12 of 16 registers hold sums
constexpr MultiplyRows kMultiplyRows[kMostRows] = {
    multiply_row,        multiply_rows<2, 4>, multiply_rows<3, 4>,
    multiply_rows<4, 2>, multiply_rows<5, 2>, multiply_rows<6, 2>,
};

void multiply_avx2(const Rows& rows, int64_t row, int64_t count, const uint8_t* panel,
                   int32_t* sums) {
  // Few rows wait for memory: then the panel is read about in order.
  const int64_t few = count == 1 ? rows.padded_k : kStep;
  const int64_t block = count <= kMostRows ? few : kBlock;
  for (int64_t begin = 0; begin < rows.padded_k; begin += block) {
    const int64_t end = std::min(begin + block, rows.padded_k);
    int64_t parts = (count + kMostRows - 1) / kMostRows;
    for (int64_t done = 0; done < count; --parts) {
      const int64_t here = (count - done + parts - 1) / parts;  // about as many in each part
      kMultiplyRows[here - 1](rows, row + done, begin, end, panel, sums + done * kColumns);
      done += here;
    }
  }
}

}  // namespace

Kernels avx2_kernels() {
  return avx2::table<int16_t>("avx2", multiply_avx2, [] {});
}

}  // namespace lingraft
