// Vectors of sixteen floats: AVX-512 F, BW, VL and DQ. `avx2.h` has the same names for eight.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>

#include "kernels.h"

#define LINGRAFT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#define LINGRAFT_LAMBDA LINGRAFT_TARGET __attribute__((always_inline))
#define LINGRAFT_INLINE LINGRAFT_TARGET inline __attribute__((always_inline))

namespace lingraft::avx512 {

constexpr int64_t kLanes = 16;
constexpr float kLeastExponent = -104.0f;  // e^x is 0 from here down
// Vectors of sums that attention holds for each of four queries, and for one: what registers there are.
constexpr int kScoreTogether = 2, kBlendTogether = 4, kBlendColumns = 16;

using Floats = __m512;
using Integers = __m512i;
using Lanes = __mmask16;

// The first `count` lanes; all of them from kLanes on, none from 0 down.
LINGRAFT_INLINE Lanes first(int64_t count) {
  return count >= 16 ? Lanes(0xFFFF) : count <= 0 ? Lanes(0) : Lanes((1u << count) - 1);
}

LINGRAFT_INLINE Floats zeros() { return _mm512_setzero_ps(); }
LINGRAFT_INLINE Floats all(float x) { return _mm512_set1_ps(x); }
LINGRAFT_INLINE Integers all(int32_t x) { return _mm512_set1_epi32(x); }
LINGRAFT_INLINE Floats load(const float* p) { return _mm512_loadu_ps(p); }
LINGRAFT_INLINE Floats load(Lanes lanes, const float* p) { return _mm512_maskz_loadu_ps(lanes, p); }
LINGRAFT_INLINE void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
LINGRAFT_INLINE void store(Lanes lanes, float* p, Floats x) { _mm512_mask_storeu_ps(p, lanes, x); }
LINGRAFT_INLINE Floats load(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
LINGRAFT_INLINE Floats load(Lanes lanes, const Half* p) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, p));
}
LINGRAFT_INLINE void store(Lanes lanes, Half* p, Floats x) {
  _mm256_mask_storeu_epi16(p, lanes, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
LINGRAFT_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
LINGRAFT_INLINE Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
LINGRAFT_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
LINGRAFT_INLINE Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
LINGRAFT_INLINE Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
LINGRAFT_INLINE Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
LINGRAFT_INLINE Floats magnitude(Floats x) { return _mm512_abs_ps(x); }
// a b + c, and c - a b.
LINGRAFT_INLINE Floats fused(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
LINGRAFT_INLINE Floats fused_off(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
// `x` in `lanes`, `other` elsewhere.
LINGRAFT_INLINE Floats choose(Lanes lanes, Floats x, Floats other) {
  return _mm512_mask_blend_ps(lanes, other, x);
}
LINGRAFT_INLINE float sum(Floats x) { return _mm512_reduce_add_ps(x); }
LINGRAFT_INLINE int32_t sum(Integers x) { return _mm512_reduce_add_epi32(x); }
LINGRAFT_INLINE float largest(Floats x) { return _mm512_reduce_max_ps(x); }
LINGRAFT_INLINE Floats nearest(Floats x) { return _mm512_roundscale_ps(x, 8); }
// x 2^n for whole n.
LINGRAFT_INLINE Floats scaled(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }
LINGRAFT_INLINE Floats with_sign_of(Floats x, Floats sign) {
  return _mm512_or_ps(x, _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
// Bit i: whether a is greater than b in lane i.
LINGRAFT_INLINE uint32_t greater(Floats a, Floats b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

LINGRAFT_INLINE Integers load(const int32_t* p) { return _mm512_load_si512(p); }
LINGRAFT_INLINE Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
LINGRAFT_INLINE Integers subtract(Integers a, Integers b) { return _mm512_sub_epi32(a, b); }
LINGRAFT_INLINE Floats as_floats(Integers x) { return _mm512_cvtepi32_ps(x); }
LINGRAFT_INLINE Integers as_integers(Floats x) { return _mm512_cvtps_epi32(x); }
LINGRAFT_INLINE void store(int8_t* p, Integers x) {
  _mm_store_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x));
}
// Four vectors at once, which takes half the instructions.
LINGRAFT_INLINE void store(int8_t* p, const Integers (&x)[4]) {
  const Integers pairs = _mm512_packs_epi16(_mm512_packs_epi32(x[0], x[1]),
                                            _mm512_packs_epi32(x[2], x[3]));
  // Packing works within quarters of a vector: places 0, 4, 8, 12 are those of x[0].
  const Integers order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_store_si512(p, _mm512_permutexvar_epi32(order, pairs));
}

}  // namespace lingraft::avx512
