// AMX: integer products, and attention of whole texts in bfloat16.
//
// Sums of integers are those of all other instructions. Attention is not: queries, keys, values and
// shares are rounded to 8 bits of mantissa, which moves them by less than the integers of the products
// before and behind do.
#define LINGRAFT_ISA avx512
#include "avx512.h"
#include "loops.h"

#define LINGRAFT_TILES                                                                          \
  __attribute__((                                                                               \
      target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))

namespace lingraft {
namespace {

constexpr int kAhead = 8192;  // bytes; measured: 4096 to 16384 are about as good
constexpr int64_t kFewRows = 4;

struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 to 3 hold sums, 4 and 5 rows, 6 weights; 2, 3 and 5 belong to rows 16 to 31. Tile 7 stays free:
// with a neighbour on the core's other hyperthread that is a third faster than weights in two tiles,
// and as fast without.
__attribute__((target("amx-tile"))) void shape_tiles(int rows) {
  TileShapes shapes;
  std::fill(shapes.bytes, shapes.bytes + 7, uint16_t(kStep));
  for (int tile : {0, 1, 4}) shapes.rows[tile] = uint8_t(std::min(rows, kTile));
  for (int tile : {2, 3, 5}) shapes.rows[tile] = uint8_t(std::clamp(rows - kTile, 1, kTile));
  shapes.rows[6] = kTile;
  // By hand: GCC 12 does not know that the instruction reads all 64 bytes.
  __asm__ volatile("ldtilecfg (%0)" ::"r"(&shapes) : "memory");
}

thread_local int shaped_for = 0;

// Shapes tiles for so many rows, unless they are.
__attribute__((target("amx-tile"))) void keep_tiles(int rows) {
  if (shaped_for != rows) shape_tiles(rows);
  shaped_for = rows;
}

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
    _tile_dpbsud(0, 4, 6);
    if (kBelow) _tile_dpbsud(2, 5, 6);
    _tile_loadd(6, panel + kStep * kTile, kStep);
    _tile_dpbsud(1, 4, 6);
    if (kBelow) _tile_dpbsud(3, 5, 6);
  }
  constexpr int kStride = kColumns * sizeof(int32_t);
  _tile_stored(0, sums, kStride);
  _tile_stored(1, sums + kTile, kStride);
  if (kBelow) {
    _tile_stored(2, sums + kTile * kColumns, kStride);
    _tile_stored(3, sums + kTile * kColumns + kTile, kStride);
  }
}

// A few rows are as fast as their weights are read, and plain loads with prefetching read faster: one row
// by an eighth or more, four by a sixteenth.
//
// Shaping tiles takes as long as multiplying with them does. So they are shaped for whole ones as soon
// as there are as many rows, and the last ones then multiply what stands behind (`Rows::room`).
__attribute__((target("amx-tile"))) void multiply_amx(const Rows& rows, int64_t row,
                                                      int64_t count, const uint8_t* panel,
                                                      int32_t* sums) {
  if (rows.count <= kFewRows) {
    multiply_vnni(rows, row, count, panel, sums);
    return;
  }
  keep_tiles(int(std::min<int64_t>(rows.count, kRowsAtOnce)));
  (count > kTile ? multiply_tiles<true> : multiply_tiles<false>)(rows, row, panel, sums);
}

#include "amx_attention.h"

// y [R,N] = x W + b in bfloat16, its columns from `begin` to `end`; N is a multiple of kColumns.
LINGRAFT_TILES void dense_bfloat(const Rows& rows, const Weights& weights, int64_t begin,
                                 int64_t end, Bfloat* y) {
  const auto finish = [&](const avx512::Panel& panel, int64_t column, int64_t row,
                          const int32_t* sums) LINGRAFT_TILES {
    const __m512i correction = _mm512_set1_epi32(rows.correction.get()[row]);
    const __m512 scale = _mm512_set1_ps(rows.scale.get()[row]);
    const __m512 low = panel.finish(0, correction, scale, sums);
    const __m512 high = panel.finish(1, correction, scale, sums);
    _mm512_storeu_si512(y + row * weights.n + column, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  };
  avx512::for_each_sum(rows, weights, begin, end, finish);
}

__attribute__((target("amx-tile"))) void release_tiles() {
  if (shaped_for != 0) _tile_release();
  shaped_for = 0;
}

}  // namespace

Kernels amx_kernels() {
  Kernels result = avx512::table<int8_t>("amx", multiply_amx, release_tiles);
  result.dense_bfloat = dense_bfloat;
  result.attend_text = attend_text;
  result.foresee = foresee_vnni;
  return result;
}

}  // namespace lingraft
