// Vectors of eight floats: AVX2, FMA and F16C. `avx512.h` has the same names for sixteen.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>

#include "kernels.h"

#define LINGRAFT_TARGET __attribute__((target("avx2,fma,f16c")))
#define LINGRAFT_LAMBDA LINGRAFT_TARGET __attribute__((always_inline))
#define LINGRAFT_INLINE LINGRAFT_TARGET inline __attribute__((always_inline))

namespace lingraft::avx2 {

constexpr int64_t kLanes = 8;
constexpr float kLeastExponent = -87.0f;  // 2^n of `scaled` has no smaller n
// Vectors of sums that attention holds for each of four queries, and for one: what registers there are.
constexpr int kScoreTogether = 2, kBlendTogether = 2, kBlendColumns = 8;

using Floats = __m256;
using Integers = __m256i;

// Whole vectors are the rule, and storing part of one takes AMD's processors many cycles.
struct Lanes {
  bool whole;
  __m256i mask;
};

// The first `count` lanes; all of them from kLanes on, none from 0 down.
LINGRAFT_INLINE Lanes first(int64_t count) {
  const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int32_t least = int32_t(count < 0 ? 0 : count > kLanes ? kLanes : count);
  return {count >= kLanes, _mm256_cmpgt_epi32(_mm256_set1_epi32(least), places)};
}

LINGRAFT_INLINE Floats zeros() { return _mm256_setzero_ps(); }
LINGRAFT_INLINE Floats all(float x) { return _mm256_set1_ps(x); }
LINGRAFT_INLINE Integers all(int32_t x) { return _mm256_set1_epi32(x); }
LINGRAFT_INLINE Floats load(const float* p) { return _mm256_loadu_ps(p); }
LINGRAFT_INLINE Floats load(const Lanes& lanes, const float* p) {
  return lanes.whole ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes.mask);
}
LINGRAFT_INLINE void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
LINGRAFT_INLINE void store(const Lanes& lanes, float* p, Floats x) {
  if (lanes.whole) {
    _mm256_storeu_ps(p, x);
  } else {
    _mm256_maskstore_ps(p, lanes.mask, x);
  }
}
// Halves have no instruction for a part of a vector: it goes by way of a whole one.
LINGRAFT_INLINE size_t bytes_of(const Lanes& lanes) {
  const int mask = _mm256_movemask_ps(_mm256_castsi256_ps(lanes.mask));
  return sizeof(Half) * size_t(__builtin_popcount(unsigned(mask)));
}
LINGRAFT_INLINE Floats load(const Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LINGRAFT_INLINE Floats load(const Lanes& lanes, const Half* p) {
  if (lanes.whole) return load(p);
  Half part[kLanes] = {};
  __builtin_memcpy(part, p, bytes_of(lanes));
  return load(part);
}
LINGRAFT_INLINE void store(const Lanes& lanes, Half* p, Floats x) {
  const __m128i halves = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
  if (lanes.whole) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
  } else {
    __builtin_memcpy(p, &halves, bytes_of(lanes));
  }
}
LINGRAFT_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
LINGRAFT_INLINE Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
LINGRAFT_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
LINGRAFT_INLINE Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
LINGRAFT_INLINE Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
LINGRAFT_INLINE Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
LINGRAFT_INLINE Floats magnitude(Floats x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
// a b + c, and c - a b.
LINGRAFT_INLINE Floats fused(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
LINGRAFT_INLINE Floats fused_off(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
// `x` in `lanes`, `other` elsewhere.
LINGRAFT_INLINE Floats choose(const Lanes& lanes, Floats x, Floats other) {
  return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(lanes.mask));
}
LINGRAFT_INLINE float sum(Floats x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
LINGRAFT_INLINE int32_t sum(Integers x) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
}
LINGRAFT_INLINE float largest(Floats x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
LINGRAFT_INLINE Floats nearest(Floats x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x 2^n for whole n from -126 to 127.
LINGRAFT_INLINE Floats scaled(Floats x, Floats n) {
  const __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)));
}
LINGRAFT_INLINE Floats with_sign_of(Floats x, Floats sign) {
  return _mm256_or_ps(x, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
// Bit i: whether a is greater than b in lane i.
LINGRAFT_INLINE uint32_t greater(Floats a, Floats b) {
  return uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
}

LINGRAFT_INLINE Integers load(const int32_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
LINGRAFT_INLINE Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
LINGRAFT_INLINE Integers subtract(Integers a, Integers b) { return _mm256_sub_epi32(a, b); }
LINGRAFT_INLINE Floats as_floats(Integers x) { return _mm256_cvtepi32_ps(x); }
LINGRAFT_INLINE Integers as_integers(Floats x) { return _mm256_cvtps_epi32(x); }
LINGRAFT_INLINE void store(int16_t* p, Integers x) {
  _mm_store_si128(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(_mm256_castsi256_si128(x),
                                                               _mm256_extracti128_si256(x, 1)));
}
LINGRAFT_INLINE void store(int16_t* p, const Integers (&x)[4]) {
  for (int v = 0; v < 4; ++v) store(p + v * kLanes, x[v]);
}

}  // namespace lingraft::avx2
