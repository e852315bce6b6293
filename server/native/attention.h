// Attention of one query a row to its source or its past, and of an encoder's positions.
//
// No `#pragma once`: loops.h includes it in the namespace of each instruction set.

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
