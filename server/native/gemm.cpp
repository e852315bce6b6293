#include "gemm.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace lingraft {
namespace {

constexpr int kTile = 16;
constexpr int kStep = 64;  // values of K in a tile
constexpr int kAhead = 8192;  // bytes; measured: 4096 to 16384 are about as good
constexpr int kRequestPermission = 0x1023, kTileData = 18;  // Linux: arch_prctl, XFEATURE_XTILEDATA

bool amx_forbidden = false;

bool has_amx() {
#ifdef __linux__
  static const bool granted =
      __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-tile") &&
      syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted && !amx_forbidden;
#else
  return false;
#endif
}

struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 to 3 hold sums, 4 and 5 rows, 6 and 7 weights; 2, 3 and 5 belong to rows 16 to 31.
__attribute__((target("amx-tile"))) void shape_tiles(int above, int below) {
  TileShapes shapes;
  std::fill(shapes.bytes, shapes.bytes + 8, uint16_t(kStep));
  for (int tile : {0, 1, 4}) shapes.rows[tile] = uint8_t(above);
  for (int tile : {2, 3, 5}) shapes.rows[tile] = uint8_t(std::max(below, 1));
  for (int tile : {6, 7}) shapes.rows[tile] = kTile;
  // By hand: GCC 12 does not know that the instruction reads all 64 bytes.
  __asm__ volatile("ldtilecfg (%0)" ::"r"(&shapes) : "memory");
}

thread_local int shaped_for = 0;

// With many rows a panel takes so long that the processor's own prefetching falls asleep.
inline void prefetch(const uint8_t* weights) {
  for (int line = 0; line < kStep * kColumns; line += 64) {
    __builtin_prefetch(weights + line, 0, 2);
  }
}

template <bool kBelow>
__attribute__((target("amx-tile,amx-int8"))) void multiply_tiles(const int8_t* rows, int64_t padded_k,
                                                                 const uint8_t* panel,
                                                                 int32_t* sums) {
  _tile_zero(0);
  _tile_zero(1);
  if (kBelow) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < padded_k; k += kStep, panel += kStep * kColumns) {
    if (kBelow) prefetch(panel + kAhead);
    _tile_loadd(4, rows + k, padded_k);
    if (kBelow) _tile_loadd(5, rows + kTile * padded_k + k, padded_k);
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

__attribute__((target("amx-tile"))) void multiply_amx(const int8_t* rows, int64_t padded_k, int count,
                                                      const uint8_t* panel, int32_t* sums) {
  if (shaped_for != count) {
    shape_tiles(std::min(count, kTile), count - kTile);
    shaped_for = count;
  }
  (count > kTile ? multiply_tiles<true> : multiply_tiles<false>)(rows, padded_k, panel, sums);
}

template <int kRows>
__attribute__((target("avx512f,avx512vnni"))) void multiply_vnni(const int8_t* rows, int64_t padded_k,
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
      std::memcpy(&four, rows + row * padded_k + k, sizeof(four));
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

using Vnni = void (*)(const int8_t*, int64_t, const uint8_t*, int32_t*);
constexpr int kVnniRows = 12;  // 24 of 32 registers hold sums
constexpr Vnni kVnni[kVnniRows] = {
    multiply_vnni<1>, multiply_vnni<2>, multiply_vnni<3>, multiply_vnni<4>,
    multiply_vnni<5>, multiply_vnni<6>, multiply_vnni<7>, multiply_vnni<8>,
    multiply_vnni<9>, multiply_vnni<10>, multiply_vnni<11>, multiply_vnni<12>,
};

LINGRAFT_AVX512 void quantise_row(const float* x, int64_t k, int64_t padded_k, int8_t* values,
                                  float* scale, int32_t* correction) {
  __m512 largest = _mm512_setzero_ps();
  for (int64_t i = 0; i < k; i += 16) {
    largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(first(k - i), x + i)));
  }
  const float most = _mm512_reduce_max_ps(largest);
  const __m512 steps = _mm512_set1_ps(most > 0 ? 127.0f / most : 0.0f);
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < padded_k; i += 16) {
    const __m512 here = _mm512_maskz_loadu_ps(first(k - i), x + i);
    const __m512i integers = _mm512_cvtps_epi32(_mm512_mul_ps(here, steps));
    sum = _mm512_add_epi32(sum, integers);
    _mm_store_si128(reinterpret_cast<__m128i*>(values + i), _mm512_cvtsepi32_epi8(integers));
  }
  *scale = most / 127.0f;
  *correction = 128 * _mm512_reduce_add_epi32(sum);
}

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
template Buffer<uint8_t> allocate<uint8_t>(size_t);
template Buffer<int32_t> allocate<int32_t>(size_t);

Weights Weights::pack(const int8_t* weights, const float* scale, const float* bias, int64_t k,
                      int64_t n) {
  Weights result;
  result.k = k;
  result.n = n;
  result.padded_k = round_up(k, kStep);
  result.padded_n = round_up(n, kColumns);
  result.packed = allocate<uint8_t>(result.padded_k * result.padded_n);
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
  const size_t needed = rows * weights.padded_k;
  if (needed > room || rows > rows_room) {
    room = std::max(room, needed);
    values = allocate<int8_t>(room);
    scale = allocate<float>(rows);
    correction = allocate<int32_t>(rows);
    rows_room = rows;
  }
  count = rows;
  padded_k = weights.padded_k;
  for (int64_t row = 0; row < rows; ++row) {
    quantise_row(x + row * weights.k, weights.k, padded_k, values.get() + row * padded_k,
                 scale.get() + row, correction.get() + row);
  }
}

void multiply(const Rows& rows, int64_t row, int64_t count, const Weights& weights, int64_t column,
              int32_t* sums) {
  const int8_t* values = rows.values.get() + row * rows.padded_k;
  const uint8_t* panel = weights.panel(column);
  if (has_amx()) {
    multiply_amx(values, rows.padded_k, int(count), panel, sums);
    return;
  }
  for (int64_t done = 0; done < count; done += kVnniRows) {
    const int64_t here = std::min<int64_t>(count - done, kVnniRows);
    kVnni[here - 1](values + done * rows.padded_k, rows.padded_k, panel, sums + done * kColumns);
  }
}

bool supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

__attribute__((target("amx-tile"))) void release_tiles() {
  if (shaped_for != 0) _tile_release();
  shaped_for = 0;
}

const char* instruction_set() { return has_amx() ? "amx" : "avx512_vnni"; }

void forbid_amx(bool forbidden) { amx_forbidden = forbidden; }

}  // namespace lingraft
