// Exponentials and activations of vectors. Sources are named per function.
//
// No `#pragma once`: loops.h includes it in the namespace of each instruction set.

// e^x to about 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor to degree 6 in r
// (Muller, Elementary Functions, section 4.3: range reduction with ln 2 in two parts).
LINGRAFT_INLINE Floats exponential(Floats x) {
  x = larger(x, all(kLeastExponent));
  const Floats n = nearest(multiply(x, all(1.44269504f)));
  Floats r = fused_off(n, all(0.693359375f), x);
  r = fused_off(n, all(-2.12194440e-4f), r);
  Floats p = all(1.0f / 720);
  p = fused(p, r, all(1.0f / 120));
  p = fused(p, r, all(1.0f / 24));
  p = fused(p, r, all(1.0f / 6));
  p = fused(p, r, all(0.5f));
  p = fused(p, r, all(1.0f));
  p = fused(p, r, all(1.0f));
  return scaled(p, n);
}

// 1 / (1 + e^-x); below -80, where e^-x leaves the range of floats, as at -80.
LINGRAFT_INLINE Floats sigmoid(Floats x) {
  const Floats opposite = smaller(subtract(zeros(), x), all(80.0f));
  return divide(all(1.0f), add(all(1.0f), exponential(opposite)));
}

// The error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
LINGRAFT_INLINE Floats error_function(Floats x) {
  const Floats a = magnitude(x), one = all(1.0f);
  const Floats t = divide(one, fused(all(0.3275911f), a, one));
  Floats p = all(1.061405429f);
  p = fused(p, t, all(-1.453152027f));
  p = fused(p, t, all(1.421413741f));
  p = fused(p, t, all(-0.284496736f));
  p = fused(p, t, all(0.254829592f));
  const Floats tail = exponential(subtract(zeros(), multiply(a, a)));
  return with_sign_of(fused_off(multiply(p, t), tail, one), x);
}

template <int64_t kActivation>
LINGRAFT_INLINE Floats activate(Floats x) {
  switch (kActivation) {
    case kRelu:
      return larger(x, zeros());
    case kSwish:
      return multiply(x, sigmoid(x));
    case kGelu: {
      const Floats half = multiply(x, all(0.5f));
      return fused(half, error_function(multiply(x, all(0.70710678f))), half);
    }
    case kGeluTanh: {
      // 0.5 x (1 + tanh u) is x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
      const Floats inner = fused(multiply(multiply(x, x), x), all(0.044715f), x);
      return multiply(x, sigmoid(multiply(inner, all(1.59576912f))));
    }
    default:
      return x;
  }
}
