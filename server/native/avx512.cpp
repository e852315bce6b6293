// AMX and AVX-512 VNNI.
#define LINGRAFT_ISA avx512
#include "avx512.h"
#include "loops.h"

namespace lingraft {
namespace {

constexpr int kAhead = 8192;  // bytes; measured: 4096 to 16384 are about as good

struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 to 3 hold sums, 4 and 5 rows, 6 and 7 weights; 2, 3 and 5 belong to rows 16 to 31.
__attribute__((target("amx-tile"))) void shape_tiles(int rows) {
  TileShapes shapes;
  std::fill(shapes.bytes, shapes.bytes + 8, uint16_t(kStep));
  for (int tile : {0, 1, 2, 3, 4, 5}) shapes.rows[tile] = uint8_t(rows);
  for (int tile : {6, 7}) shapes.rows[tile] = kTile;
  // By hand: GCC 12 does not know that the instruction reads all 64 bytes.
  __asm__ volatile("ldtilecfg (%0)" ::"r"(&shapes) : "memory");
}

thread_local int shaped_for = 0;

// With many rows a panel takes so long that the processor's own prefetching falls asleep.
inline void prefetch(const uint8_t* weights, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch(weights + line, 0, 2);
  }
}

template <bool kBelow>
__attribute__((target("amx-tile,amx-int8"))) void multiply_tiles(const Rows& rows, int64_t row,
                                                                 const uint8_t* panel,
                                                                 int32_t* sums) {
  const int8_t* above = rows.at<int8_t>(row);
  const int8_t* below = rows.at<int8_t>(row + kTile);
  _tile_zero(0);
  _tile_zero(1);
  if (kBelow) {
    _tile_zero(2);
    _tile_zero(3);
  }
  // The next panel is fetched in equal parts while all rows pass over this one.
  const int64_t passes = (rows.count + kRowsAtOnce - 1) / kRowsAtOnce;
  const int64_t part = (kStep * kColumns / passes + 63) / 64 * 64;
  const int64_t steps = rows.padded_k / kStep;
  const uint8_t* next =
      panel + (passes == 1 ? kAhead : steps * (kStep * kColumns + row / kRowsAtOnce * part));
  for (int64_t k = 0; k < rows.padded_k; k += kStep, panel += kStep * kColumns, next += part) {
    if (kBelow || passes > 1) prefetch(next, part);
    _tile_loadd(4, above + k, rows.stride);
    if (kBelow) _tile_loadd(5, below + k, rows.stride);
    _tile_loadd(6, panel, kStep);
    _tile_loadd(7, panel + kStep * kTile, kStep);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    if (kBelow) {
      _tile_dpbsud(2, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
  }
  constexpr int kStride = kColumns * sizeof(int32_t);
  _tile_stored(0, sums, kStride);
  _tile_stored(1, sums + kTile, kStride);
  if (kBelow) {
    _tile_stored(2, sums + kTile * kColumns, kStride);
    _tile_stored(3, sums + kTile * kColumns + kTile, kStride);
  }
}

// Shaping tiles takes as long as multiplying with them does. So they are shaped for whole ones as soon
// as there are as many rows, and the last ones then multiply what stands behind (`Rows::room`).
__attribute__((target("amx-tile"))) void multiply_amx(const Rows& rows, int64_t row,
                                                      int64_t count, const uint8_t* panel,
                                                      int32_t* sums) {
  const int wanted = int(std::min<int64_t>(rows.count, kTile));
  if (shaped_for != wanted) {
    shape_tiles(wanted);
    shaped_for = wanted;
  }
  (count > kTile ? multiply_tiles<true> : multiply_tiles<false>)(rows, row, panel, sums);
}

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

void multiply_vnni(const Rows& rows, int64_t row, int64_t count, const uint8_t* panel,
                   int32_t* sums) {
  for (int64_t done = 0; done < count; done += kMostRows) {
    const int64_t here = std::min<int64_t>(count - done, kMostRows);
    kMultiplyRows[here - 1](rows.at<int8_t>(row + done), rows.stride, rows.padded_k, panel,
                            sums + done * kColumns);
  }
}

__attribute__((target("amx-tile"))) void release_tiles() {
  if (shaped_for != 0) _tile_release();
  shaped_for = 0;
}

}  // namespace

Kernels amx_kernels() { return avx512::table<int8_t>("amx", multiply_amx, release_tiles); }

Kernels vnni_kernels() {
  return avx512::table<int8_t>("avx512_vnni", multiply_vnni, [] {});
}

}  // namespace lingraft
