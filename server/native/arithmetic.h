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

// x times the normal distribution of x, to 3e-7: max(x, 0) less a Phi(-a), a = |x|. That is 0 from 5.5
// on, and before it a polynomial in u = a / 2.75 - 1 (through the nodes of Chebyshev). Neither a
// division nor an exponential, which took three times as long.
LINGRAFT_INLINE Floats gelu(Floats x) {
  constexpr float kCoefficients[] = {
      -1.64371319e-02f, -2.67895346e-04f, 1.01876877e-01f, -3.84181850e-02f, -2.61687815e-01f,
      2.33847022e-01f, 2.76241750e-01f, -5.46387672e-01f, 1.49504915e-01f, 4.60155696e-01f,
      -6.27847791e-01f, 2.60321051e-01f, 1.78888708e-01f, -3.08671772e-01f, 1.91266134e-01f,
      -6.05782270e-02f, 8.19434877e-03f};
  const Floats u = fused(smaller(magnitude(x), all(5.5f)), all(1.0f / 2.75f), all(-1.0f));
  Floats p = all(kCoefficients[0]);
#pragma GCC unroll 16
  for (int i = 1; i < int(sizeof(kCoefficients) / sizeof(float)); ++i) {
    p = fused(p, u, all(kCoefficients[i]));
  }
  return subtract(larger(x, zeros()), p);
}

template <int64_t kActivation>
LINGRAFT_INLINE Floats activate(Floats x) {
  switch (kActivation) {
    case kRelu:
      return larger(x, zeros());
    case kSwish:
      return multiply(x, sigmoid(x));
    case kGelu:
      return gelu(x);
    case kGeluTanh: {
      // 0.5 x (1 + tanh u) is x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
      const Floats inner = fused(multiply(multiply(x, x), x), all(0.044715f), x);
      return multiply(x, sigmoid(multiply(inner, all(1.59576912f))));
    }
    default:
      return x;
  }
}
