// Attention of whole texts in bfloat16, on AMX.
//
// No `#pragma once`: amx.cpp includes it in its namespace.

constexpr int64_t kPair = 32;  // values of a row that a tile multiplies: 16 pairs of bfloat16
constexpr int64_t kTileValues = kTile * kPair;
constexpr int64_t kQueries = 2 * kTile;  // that are asked at once

// 16 rows of 16 pairs, `stride` values apart, of which `count` are there -> a tile of pairs by rows.
LINGRAFT_TILES void transpose_pairs(const Bfloat* rows, int64_t stride, int64_t count,
                                    Bfloat* tile) {
  __m512i in[kTile], quads[kTile];
  for (int i = 0; i < kTile; ++i) {
    in[i] = i < count ? _mm512_loadu_si512(rows + i * stride) : _mm512_setzero_si512();
  }
  for (int i = 0; i < kTile; i += 4) {
    const __m512i low = _mm512_unpacklo_epi32(in[i], in[i + 1]);
    const __m512i high = _mm512_unpackhi_epi32(in[i], in[i + 1]);
    const __m512i next_low = _mm512_unpacklo_epi32(in[i + 2], in[i + 3]);
    const __m512i next_high = _mm512_unpackhi_epi32(in[i + 2], in[i + 3]);
    quads[i] = _mm512_unpacklo_epi64(low, next_low);
    quads[i + 1] = _mm512_unpackhi_epi64(low, next_low);
    quads[i + 2] = _mm512_unpacklo_epi64(high, next_high);
    quads[i + 3] = _mm512_unpackhi_epi64(high, next_high);
  }
  // Quarter q of quads[i] holds pair 4 q + i % 4 of four rows.
  for (int i = 0; i < 4; ++i) {
    const __m512i even = _mm512_shuffle_i32x4(quads[i], quads[4 + i], 0x88);
    const __m512i odd = _mm512_shuffle_i32x4(quads[i], quads[4 + i], 0xDD);
    const __m512i next_even = _mm512_shuffle_i32x4(quads[8 + i], quads[12 + i], 0x88);
    const __m512i next_odd = _mm512_shuffle_i32x4(quads[8 + i], quads[12 + i], 0xDD);
    _mm512_store_si512(tile + i * kPair, _mm512_shuffle_i32x4(even, next_even, 0x88));
    _mm512_store_si512(tile + (4 + i) * kPair, _mm512_shuffle_i32x4(odd, next_odd, 0x88));
    _mm512_store_si512(tile + (8 + i) * kPair, _mm512_shuffle_i32x4(even, next_even, 0xDD));
    _mm512_store_si512(tile + (12 + i) * kPair, _mm512_shuffle_i32x4(odd, next_odd, 0xDD));
  }
}

// 32 rows of 16 values, `stride` values apart, of which `count` are there -> a tile of pairs of rows.
LINGRAFT_TILES void pair_rows(const Bfloat* rows, int64_t stride, int64_t count, Bfloat* tile) {
  alignas(64) static const Bfloat kOrder[kPair] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                   21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                   11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(kOrder);
  const auto row = [&](int64_t i) LINGRAFT_LAMBDA {
    return i < count ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + i * stride))
                     : _mm256_setzero_si256();
  };
  for (int64_t i = 0; i < kPair; i += 2) {
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(row(i)), row(i + 1), 1);
    _mm512_store_si512(tile + i * kTile, _mm512_permutexvar_epi16(order, both));
  }
}

// 2^x to 4e-5, which is more than bfloat16 keeps: Taylor to degree 4 in |x - n| <= 1/2.
LINGRAFT_INLINE __m512 power_of_two(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(x, 8);
  const __m512 r = _mm512_sub_ps(x, n);
  __m512 p = _mm512_set1_ps(9.6181291e-3f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5504109e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.24022651f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69314718f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

// e^(scale (score - largest)) of the first `count` scores, then 0 up to `room`, a multiple of kPair;
// returns their sum. `scale` has the factor log2 e in it.
LINGRAFT_TILES float exponentials(const float* scores, int64_t count, int64_t room, float scale,
                                  Bfloat* out) {
  __m512 most = _mm512_set1_ps(avx512::kLowest);
  for (int64_t i = 0; i < count; i += kTile) {
    most = _mm512_mask_max_ps(most, avx512::first(count - i), most, _mm512_load_ps(scores + i));
  }
  const __m512 factor = _mm512_set1_ps(scale);
  const __m512 offset = _mm512_set1_ps(scale * _mm512_reduce_max_ps(most));
  __m512 total = _mm512_setzero_ps();
  const auto part = [&](int64_t i) LINGRAFT_LAMBDA {
    const __m512 steps = _mm512_fmsub_ps(_mm512_load_ps(scores + i), factor, offset);
    const __m512 share = _mm512_maskz_mov_ps(avx512::first(count - i), power_of_two(steps));
    total = _mm512_add_ps(total, share);
    return share;
  };
  for (int64_t i = 0; i < room; i += kPair) {
    const __m512 low = part(i), high = part(i + kTile);
    _mm512_store_si512(out + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
  return _mm512_reduce_add_ps(total);
}

// Tiles 0 to 3 hold sums of 32 rows and 32 columns, as in `multiply_tiles`.
LINGRAFT_TILES inline void zero_tiles() {
  __asm__ volatile("" ::: "memory");  // GCC 12 does not know that loading a tile reads memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// 32 rows, `stride` values apart, by two tiles of pairs.
LINGRAFT_TILES inline void multiply_pairs(const Bfloat* rows, int64_t stride, const Bfloat* left,
                                          const Bfloat* right) {
  _tile_loadd(4, rows, stride * sizeof(Bfloat));
  _tile_loadd(5, rows + kTile * stride, stride * sizeof(Bfloat));
  _tile_loadd(6, left, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, right, 64);
  _tile_dpbf16ps(1, 4, 6);
  _tile_dpbf16ps(3, 5, 6);
}

LINGRAFT_TILES inline void store_tiles(float* out, int64_t stride) {
  _tile_stored(0, out, stride * sizeof(float));
  _tile_stored(1, out + kTile, stride * sizeof(float));
  _tile_stored(2, out + kTile * stride, stride * sizeof(float));
  _tile_stored(3, out + kTile * stride + kTile, stride * sizeof(float));
}

// One head of a text, its keys and values in tiles; memory that a thread keeps.
struct Head {
  int64_t length, room, size, stride;  // room: positions, a multiple of kPair
  Buffer<Bfloat> keys, values, shares;
  Buffer<float> scores, sums;

  void make_room(const TextCall& call) {
    const int64_t wanted = (call.length + kPair - 1) / kPair * kPair;
    if (keys == nullptr || wanted > most_ || call.size != size) {
      most_ = std::max(wanted, most_);
      keys = allocate<Bfloat>(most_ * call.size);
      values = allocate<Bfloat>(most_ * call.size);
      shares = allocate<Bfloat>(most_ * kQueries);
      scores = allocate<float>(most_ * kQueries);
      sums = allocate<float>(kQueries * call.size);
    }
    length = call.length;
    room = wanted;
    size = call.size;
    stride = 3 * call.heads * call.size;
  }

  // Tiles of keys [room/16][size/32], of values [room/32][size/16].
  LINGRAFT_TILES void load(const Bfloat* key, const Bfloat* value) {
    Bfloat* tile = keys.get();
    for (int64_t i = 0; i < room; i += kTile) {
      for (int64_t d = 0; d < size; d += kPair, tile += kTileValues) {
        transpose_pairs(key + i * stride + d, stride, length - i, tile);
      }
    }
    tile = values.get();
    for (int64_t i = 0; i < room; i += kPair) {
      for (int64_t d = 0; d < size; d += kTile, tile += kTileValues) {
        pair_rows(value + i * stride + d, stride, length - i, tile);
      }
    }
  }

  // scores [kQueries,room] of as many queries.
  LINGRAFT_TILES void score(const Bfloat* query) {
    const Bfloat* tile = keys.get();
    const int64_t step = size / kPair * kTileValues;
    for (int64_t i = 0; i < room; i += kPair, tile += 2 * step) {
      zero_tiles();
      for (int64_t d = 0; d < size; d += kPair) {
        const Bfloat* from = tile + d * kTile;
        multiply_pairs(query + d, stride, from, from + step);
      }
      store_tiles(scores.get() + i, room);
    }
  }

  // sums [kQueries,size] of values, each `shares` times.
  LINGRAFT_TILES void blend() {
    for (int64_t d = 0; d < size; d += kPair) {
      const Bfloat* tile = values.get() + d * kPair;
      zero_tiles();
      for (int64_t i = 0; i < room; i += kPair, tile += size * kPair) {
        multiply_pairs(shares.get() + i, room, tile, tile + kTileValues);
      }
      store_tiles(sums.get() + d, size);
    }
  }

 private:
  int64_t most_ = 0;
};

LINGRAFT_TILES void attend_text(const TextCall& call) {
  thread_local Head head;
  head.make_room(call);
  keep_tiles(kRowsAtOnce);
  const int64_t width = call.heads * call.size;
  const float scale = 1.44269504f / std::sqrt(float(call.size));
  for (int64_t h = 0; h < call.heads; ++h) {
    const Bfloat* query = call.packed + h * call.size;
    head.load(query + width, query + 2 * width);
    for (int64_t i = 0; i < call.asking; i += kQueries) {
      head.score(query + i * head.stride);
      const int64_t count = std::min(call.asking - i, kQueries);
      float totals[kQueries];
      for (int64_t row = 0; row < count; ++row) {
        totals[row] = exponentials(head.scores.get() + row * head.room, call.length, head.room,
                                   scale, head.shares.get() + row * head.room);
      }
      head.blend();
      for (int64_t row = 0; row < count; ++row) {
        const __m512 part = _mm512_set1_ps(1.0f / totals[row]);
        const float* sums = head.sums.get() + row * call.size;
        float* out = call.context + (i + row) * width + h * call.size;
        for (int64_t d = 0; d < call.size; d += kTile) {
          _mm512_storeu_ps(out + d, _mm512_mul_ps(_mm512_load_ps(sums + d), part));
        }
      }
    }
  }
}
