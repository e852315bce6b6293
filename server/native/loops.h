// The vector loops, in the namespace LINGRAFT_ISA, whose vectors (avx512.h, avx2.h) come before.
//
// No `#pragma once`: a file for each instruction set includes it. Every function names its target, so
// that nothing of the standard library is ever compiled for a processor that may not be there.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels.h"

namespace lingraft::LINGRAFT_ISA {

constexpr int64_t kVectors = kColumns / kLanes;  // of a panel
constexpr float kLowest = -std::numeric_limits<float>::infinity();

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

template <typename Value>
LINGRAFT_TARGET void quantise_row(const float* x, int64_t k, int64_t padded_k, void* values,
                                  float* scale, int32_t* correction) {
  auto* out = static_cast<Value*>(values);
  const int64_t whole = k / kLanes * kLanes;
  Floats highest = zeros();
  for (int64_t i = 0; i < whole; i += kLanes) highest = larger(highest, magnitude(load(x + i)));
  const Lanes rest = first(k - whole);
  highest = larger(highest, magnitude(load(rest, x + whole)));
  const float most = largest(highest);
  const Floats steps = all(most > 0 ? 127.0f / most : 0.0f);
  Integers total = all(0);
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Integers integers = as_integers(multiply(load(x + i), steps));
    total = add(total, integers);
    store(out + i, integers);
  }
  if (whole < padded_k) {
    const Integers integers = as_integers(multiply(load(rest, x + whole), steps));
    total = add(total, integers);
    store(out + whole, integers);
    std::fill(out + whole + kLanes, out + padded_k, Value(0));
  }
  *scale = most / 127.0f;
  *correction = 128 * sum(total);
}

// Scales and biases of a panel's columns, and which of them there are.
struct Panel {
  Floats scale[kVectors], bias[kVectors];
  Lanes lanes[kVectors];

  LINGRAFT_INLINE static Panel load_at(const Weights& weights, int64_t column) {
    Panel panel;
    for (int64_t v = 0; v < kVectors; ++v) {
      panel.scale[v] = load(weights.scale.get() + column + v * kLanes);
      panel.bias[v] = load(weights.bias.get() + column + v * kLanes);
      panel.lanes[v] = first(weights.n - column - v * kLanes);
    }
    return panel;
  }

  // One vector of one row's results: corrected, scaled, with bias.
  LINGRAFT_INLINE Floats finish(int64_t v, Integers correction, Floats row_scale,
                                const int32_t* sums) const {
    const Integers exact = subtract(load(sums + v * kLanes), correction);
    return fused(multiply(as_floats(exact), scale[v]), row_scale, bias[v]);
  }
};

// Calls use(panel, column, row, sums of that row) for all rows and the columns from `begin` to `end`.
template <typename Use>
LINGRAFT_INLINE void for_each_sum(const Rows& rows, const Weights& weights, int64_t begin,
                                  int64_t end, Use use) {
  const Kernels& chosen = kernels();
  Sums sums;
  for (int64_t column = begin; column < end; column += kColumns) {
    const Panel panel = Panel::load_at(weights, column);
    for (int64_t row = 0; row < rows.count; row += kRowsAtOnce) {
      const int64_t count = std::min<int64_t>(rows.count - row, kRowsAtOnce);
      chosen.multiply(rows, row, count, weights.panel(column), sums.values);
      for (int64_t r = 0; r < count; ++r) use(panel, column, row + r, sums.values + r * kColumns);
    }
  }
}

template <int64_t kActivation>
LINGRAFT_TARGET void dense(const Rows& rows, const Weights& weights, int64_t begin, int64_t end,
                           float* y) {
  const auto finish = [&](const Panel& panel, int64_t column, int64_t row,
                          const int32_t* sums) LINGRAFT_LAMBDA {
    const Integers correction = all(rows.correction.get()[row]);
    const Floats scale = all(rows.scale.get()[row]);
    float* out = y + row * weights.n + column;
    for (int64_t v = 0; v < kVectors; ++v) {
      store(panel.lanes[v], out + v * kLanes,
            activate<kActivation>(panel.finish(v, correction, scale, sums)));
    }
  };
  for_each_sum(rows, weights, begin, end, finish);
}

LINGRAFT_TARGET inline void add_and_norm(float* y, const float* residual, const float* gamma,
                                         const float* beta, int64_t n, float epsilon) {
  Floats total = zeros();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Lanes lanes = first(n - i);
    const Floats value = add(load(lanes, y + i), load(lanes, residual + i));
    store(lanes, y + i, value);
    total = add(total, value);
  }
  const Floats mean = all(sum(total) / float(n));
  Floats squares = zeros();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Lanes lanes = first(n - i);
    const Floats off = choose(lanes, subtract(load(lanes, y + i), mean), zeros());
    squares = fused(off, off, squares);
  }
  const Floats scale = all(1.0f / std::sqrt(sum(squares) / float(n) + epsilon));
  for (int64_t i = 0; i < n; i += kLanes) {
    const Lanes lanes = first(n - i);
    const Floats off = multiply(subtract(load(lanes, y + i), mean), scale);
    store(lanes, y + i, fused(off, load(lanes, gamma + i), load(lanes, beta + i)));
  }
}

LINGRAFT_INLINE void take(Best& best, const Floats* logits, int64_t column, size_t wanted) {
  const Floats least = all(best.least(wanted));
  uint32_t better = 0;
  for (int64_t v = 0; v < kVectors; ++v) better |= greater(logits[v], least) << (v * kLanes);
  if (__builtin_expect(better != 0, 0)) {
    alignas(64) float values[kColumns];
    for (int64_t v = 0; v < kVectors; ++v) store(values + v * kLanes, logits[v]);
    const bool begun = !best.pieces.empty();
    for (; better != 0; better &= better - 1) {
      const int lane = __builtin_ctz(better);
      best.insert(values[lane], column + lane, wanted);
    }
    if (!begun) best.offset = best.pieces.front().first;
    best.settle();
  }
  const Floats offset = all(best.offset);
  Floats shares = load(best.sums);
  for (int64_t v = 0; v < kVectors; ++v) {
    shares = add(shares, exponential(subtract(logits[v], offset)));
  }
  store(best.sums, shares);
}

LINGRAFT_TARGET inline void scan(const Rows& rows, const Weights& weights, int64_t begin,
                                 int64_t end, size_t wanted, Best* best) {
  const auto finish = [&](const Panel& panel, int64_t column, int64_t row,
                          const int32_t* sums) LINGRAFT_LAMBDA {
    const Integers correction = all(rows.correction.get()[row]);
    const Floats scale = all(rows.scale.get()[row]);
    Floats logits[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) {
      logits[v] = choose(panel.lanes[v], panel.finish(v, correction, scale, sums), all(kLowest));
    }
    take(best[row], logits, column, wanted);
  };
  for_each_sum(rows, weights, begin, end, finish);
}

// scores[0..count) become shares that sum to 1; what follows to the end of the last vector, 0.
LINGRAFT_TARGET inline void softmax(float* scores, int64_t count) {
  Floats most = all(kLowest);
  for (int64_t i = 0; i < count; i += kLanes) {
    most = larger(most, choose(first(count - i), load(scores + i), all(kLowest)));
  }
  const Floats highest = all(largest(most));
  Floats total = zeros();
  for (int64_t i = 0; i < count; i += kLanes) {
    const Floats share = choose(first(count - i),
                                exponential(subtract(load(scores + i), highest)), zeros());
    store(scores + i, share);
    total = add(total, share);
  }
  const Floats scale = all(1.0f / sum(total));
  for (int64_t i = 0; i < count; i += kLanes) {
    store(scores + i, multiply(load(scores + i), scale));
  }
}

template <bool kWhole>
LINGRAFT_INLINE Floats load_part(const Lanes& lanes, const float* p) {
  return kWhole ? load(p) : load(lanes, p);
}

template <bool kWhole>
LINGRAFT_INLINE void store_part(const Lanes& lanes, float* p, Floats x) {
  if (kWhole) {
    store(p, x);
  } else {
    store(lanes, p, x);
  }
}

// out[i] [kWide vectors] = sum over positions of shares[i][position] values[position]; values
// stand `stride` apart, shares of the next of kRows queries `room` apart.
template <int kRows, int kWide, bool kWhole>
LINGRAFT_INLINE void blend_part(const float* shares, int64_t room, const float* values,
                                int64_t stride, int64_t count, int64_t left, float* const* out) {
  Floats sums[kRows][kWide];
  Lanes lanes[kWide];
  for (int v = 0; v < kWide; ++v) lanes[v] = first(left - v * kLanes);
  for (auto& row : sums) {
    for (auto& each : row) each = zeros();
  }
  for (int64_t position = 0; position < count; ++position) {
    Floats parts[kWide];
    for (int v = 0; v < kWide; ++v) {
      parts[v] = load_part<kWhole>(lanes[v], values + position * stride + v * kLanes);
    }
    for (int i = 0; i < kRows; ++i) {
      const Floats share = all(shares[i * room + position]);
      for (int v = 0; v < kWide; ++v) sums[i][v] = fused(share, parts[v], sums[i][v]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kWide; ++v) store_part<kWhole>(lanes[v], out[i] + v * kLanes, sums[i][v]);
  }
}

// As many vectors at a time as `left` has, kWide at most. Calls PART<kRows, vectors, whole>.
#define LINGRAFT_PARTS(PART, left, step, ...)                \
  if ((left) >= kWide * kLanes) {                            \
    (step) = kWide * kLanes;                                 \
    PART<kRows, kWide, true>(__VA_ARGS__);                   \
  } else if (kWide > 2 && (left) >= kWide / 2 * kLanes) {    \
    (step) = kWide / 2 * kLanes;                             \
    PART<kRows, kWide / 2, true>(__VA_ARGS__);               \
  } else {                                                   \
    (step) = kLanes;                                         \
    if ((left) >= kLanes) {                                  \
      PART<kRows, 1, true>(__VA_ARGS__);                     \
    } else {                                                 \
      PART<kRows, 1, false>(__VA_ARGS__);                    \
    }                                                        \
  }

template <int kRows, int kWide>
LINGRAFT_INLINE void blend(const float* shares, int64_t room, const float* values, int64_t stride,
                           int64_t count, int64_t size, float* const* out) {
  float* here[kRows];
  int64_t step = 0;
  for (int64_t begin = 0; begin < size; begin += step) {
    const int64_t left = size - begin;
    for (int i = 0; i < kRows; ++i) here[i] = out[i] + begin;
    LINGRAFT_PARTS(blend_part, left, step, shares, room, values + begin, stride, count, left, here)
  }
}

// scores[i] [kWide vectors] of queries over keys [size][stride].
template <int kRows, int kWide, bool kWhole>
LINGRAFT_INLINE void score_part(const float* const* queries, const float* keys, int64_t stride,
                                int64_t size, int64_t left, float* scores, int64_t room) {
  Floats sums[kRows][kWide];
  Lanes lanes[kWide];
  for (int v = 0; v < kWide; ++v) lanes[v] = first(left - v * kLanes);
  for (auto& row : sums) {
    for (auto& each : row) each = zeros();
  }
  for (int64_t d = 0; d < size; ++d) {
    Floats parts[kWide];
    for (int v = 0; v < kWide; ++v) {
      parts[v] = load_part<kWhole>(lanes[v], keys + d * stride + v * kLanes);
    }
    for (int i = 0; i < kRows; ++i) {
      const Floats one = all(queries[i][d]);
      for (int v = 0; v < kWide; ++v) sums[i][v] = fused(one, parts[v], sums[i][v]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kWide; ++v) store(scores + i * room + v * kLanes, sums[i][v]);
  }
}

// scores [kRows][room] of queries over the first `length` of keys [size][width]; more are written, up
// to the end of a part.
template <int kRows, int kWide>
LINGRAFT_INLINE void score(const float* const* queries, const float* keys, int64_t width,
                           int64_t size, int64_t length, float* scores, int64_t room) {
  int64_t step = 0;
  for (int64_t begin = 0; begin < length; begin += step) {
    const int64_t left = width - begin;
    LINGRAFT_PARTS(score_part, left, step, queries, keys + begin, width, size, left, scores + begin,
                   room)
  }
}

constexpr int64_t kLineFloats = 16;

// Fetches `count` rows of `length` floats that stand `stride` apart. Attention to a source reads its
// keys once a step, in pieces too short for the processor to foresee: reading a head ahead makes 256
// sentences on the starter 1.13 times as fast (Zen 3). For a row's own past it gains nothing.
LINGRAFT_INLINE void fetch(const float* p, int64_t count, int64_t length, int64_t stride) {
  for (int64_t row = 0; row < count; ++row, p += stride) {
    for (int64_t i = 0; i < length; i += kLineFloats) __builtin_prefetch(p + i);
  }
}

LINGRAFT_TARGET inline void attend_source(const CrossCall& call, int64_t begin, int64_t end) {
  thread_local std::vector<float> scores;
  scores.resize(call.width + kSlack);
  const Floats part = all(1.0f / float(call.heads));
  for (int64_t row = begin; row < end; ++row) {
    float* mean = call.shares + row * call.width;
    std::fill(mean, mean + call.width, 0.0f);
    const int64_t source = row / call.group, length = std::min(call.lengths[row], call.width);
    for (int64_t head = 0; head < call.heads; ++head) {
      const int64_t place = (source * call.heads + head) * call.size * call.width;
      if (head + 1 < call.heads) {
        const int64_t next = place + call.size * call.width;
        fetch(call.key + next, call.size, length, call.width);
        fetch(call.value + next, 1, length * call.size, 0);
      }
      const int64_t mine = (row * call.heads + head) * call.size;
      const float* query = call.query + mine;
      float* out = call.context + mine;
      score<1, kScoreAlone>(&query, call.key + place, call.width, call.size, length, scores.data(),
                            0);
      softmax(scores.data(), length);
      blend<1, kBlendAlone>(scores.data(), 0, call.value + place, call.size, length, call.size,
                            &out);
      for (int64_t i = 0; i < length; i += kLanes) {
        const Lanes lanes = first(length - i);
        store(lanes, mean + i, fused(load(scores.data() + i), part, load(lanes, mean + i)));
      }
    }
  }
}

// scores[position] = scale times query . key[position], keys [count][size].
LINGRAFT_TARGET inline void score_past(const float* query, const float* keys, int64_t size,
                                       int64_t count, float scale, float* scores) {
  constexpr int64_t kMostVectors = kMostHeadSize / kLanes;
  Floats q[kMostVectors];
  const int64_t whole = size / kLanes;
  const Lanes rest = first(size - whole * kLanes);
  const bool has_rest = whole * kLanes < size;
  for (int64_t v = 0; v < whole; ++v) q[v] = load(query + v * kLanes);
  const Floats last = has_rest ? load(rest, query + whole * kLanes) : zeros();
  for (int64_t position = 0; position < count; ++position) {
    const float* key = keys + position * size;
    Floats total = has_rest ? multiply(last, load(rest, key + whole * kLanes)) : zeros();
    for (int64_t v = 0; v < whole; ++v) total = fused(q[v], load(key + v * kLanes), total);
    scores[position] = sum(total) * scale;
  }
}

LINGRAFT_TARGET inline void attend_past(const SelfCall& call, int64_t begin, int64_t end) {
  thread_local std::vector<float> scores;
  scores.resize(call.room + kSlack);
  const int64_t width = call.heads * call.size;
  const float scale = 1.0f / std::sqrt(float(call.size));
  for (int64_t row = begin; row < end; ++row) {
    const int64_t past = call.past[row];
    if (past < 0 || past >= call.room) continue;  // nothing to write to: the engine never asks
    for (int64_t head = 0; head < call.heads; ++head) {
      const float* query = call.packed + row * 3 * width + head * call.size;
      const int64_t place = (row * call.heads + head) * call.room * call.size;
      for (int part = 0; part < 2; ++part) {
        std::memcpy(call.cache[part] + place + past * call.size, query + (part + 1) * width,
                    call.size * sizeof(float));
      }
      float* out = call.context + row * width + head * call.size;
      score_past(query, call.cache[0] + place, call.size, past + 1, scale, scores.data());
      softmax(scores.data(), past + 1);
      blend<1, kBlendAlone>(scores.data(), 0, call.cache[1] + place, call.size, past + 1, call.size,
                            &out);
    }
  }
}

LINGRAFT_TARGET inline void attend_all(const EncoderCall& call, int64_t row) {
  constexpr int kQueries = 4;  // side by side, so that a key is read once for all
  const int64_t length = std::clamp<int64_t>(call.last[row] + 1, 0, call.positions);
  float* context = call.context + row * call.positions * call.width;
  std::fill(context + length * call.width, context + call.positions * call.width, 0.0f);
  const int64_t room = (length + kColumns - 1) / kColumns * kColumns;
  thread_local std::vector<float> keys, scores;
  keys.assign(call.size * room, 0.0f);
  scores.resize(kQueries * room + kSlack);
  const float* packed = call.packed + row * call.positions * 3 * call.width;
  const float scale = 1.0f / std::sqrt(float(call.size));
  for (int64_t head = 0; head < call.heads; ++head) {
    const float* query = packed + head * call.size;
    const float* key = query + call.width;
    const float* value = key + call.width;
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t d = 0; d < call.size; ++d) {
        keys[d * room + i] = key[i * 3 * call.width + d] * scale;
      }
    }
    for (int64_t begin = 0; begin < length; begin += kQueries) {
      const int64_t last = std::min<int64_t>(begin + kQueries, length) - 1;
      // Beyond the end the last query stands in again; its result is written once more.
      const float* queries[kQueries];
      float* out[kQueries];
      for (int64_t i = 0; i < kQueries; ++i) {
        const int64_t position = std::min(begin + i, last);
        queries[i] = query + position * 3 * call.width;
        out[i] = context + position * call.width + head * call.size;
      }
      score<kQueries, kScoreTogether>(queries, keys.data(), room, call.size, length, scores.data(),
                                      room);
      for (int64_t i = 0; i < kQueries; ++i) softmax(scores.data() + i * room, length);
      blend<kQueries, kBlendTogether>(scores.data(), room, value, 3 * call.width, length, call.size,
                                      out);
    }
  }
}

// The table of these loops; what multiplies, and on which values, comes from elsewhere.
template <typename Value>
Kernels table(const char* name, Multiply multiply, void (*release)()) {
  return {name,
          sizeof(Value),
          quantise_row<Value>,
          multiply,
          release,
          {dense<kNone>, dense<kRelu>, dense<kSwish>, dense<kGelu>, dense<kGeluTanh>},
          add_and_norm,
          scan,
          attend_source,
          attend_past,
          attend_all};
}

}  // namespace lingraft::LINGRAFT_ISA
