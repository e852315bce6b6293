// Vector arithmetic for AVX-512: exponentials, activations, reductions. Sources are named per function.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>

#define LINGRAFT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#define LINGRAFT_INLINE LINGRAFT_AVX512 inline __attribute__((always_inline))

namespace lingraft {

enum Activation : int64_t { kNone = 0, kRelu = 1, kSwish = 2, kGelu = 3, kGeluTanh = 4 };

// The first `count` of 16 lanes; all of them from 16 on, none from 0 down.
LINGRAFT_INLINE __mmask16 first(int64_t count) {
  return count >= 16 ? __mmask16(0xFFFF) : count <= 0 ? __mmask16(0) : __mmask16((1u << count) - 1);
}

// e^x to about 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor to degree 6 in r
// (Muller, Elementary Functions, section 4.3: range reduction with ln 2 in two parts).
LINGRAFT_INLINE __m512 exponential(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-104.0f));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

// 1 / (1 + e^-x).
LINGRAFT_INLINE __m512 sigmoid(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(one, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// The error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
LINGRAFT_INLINE __m512 error_function(__m512 x) {
  const __m512 a = _mm512_abs_ps(x), one = _mm512_set1_ps(1.0f);
  const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), a, one));
  __m512 p = _mm512_set1_ps(1.061405429f);
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
  const __m512 tail = exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(a, a)));
  const __m512 y = _mm512_fnmadd_ps(_mm512_mul_ps(p, t), tail, one);
  const __m512 sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0f));
  return _mm512_or_ps(y, sign);
}

template <int64_t kActivation>
LINGRAFT_INLINE __m512 activate(__m512 x) {
  switch (kActivation) {
    case kRelu:
      return _mm512_max_ps(x, _mm512_setzero_ps());
    case kSwish:
      return _mm512_mul_ps(x, sigmoid(x));
    case kGelu: {
      const __m512 half = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
      const __m512 e = error_function(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678f)));
      return _mm512_fmadd_ps(half, e, half);
    }
    case kGeluTanh: {
      // 0.5 x (1 + tanh u) is x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
      const __m512 cube = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
      const __m512 inner = _mm512_fmadd_ps(cube, _mm512_set1_ps(0.044715f), x);
      return _mm512_mul_ps(x, sigmoid(_mm512_mul_ps(inner, _mm512_set1_ps(1.59576912f))));
    }
    default:
      return x;
  }
}

}  // namespace lingraft
