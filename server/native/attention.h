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

// Where a vector of a row's heads begins, its head, and how many values the head has left from there.
struct Column {
  int64_t head, begin, left;
};

// The vectors of `heads` heads of `size` values; none has values of two heads.
LINGRAFT_INLINE const std::vector<Column>& columns_of(int64_t heads, int64_t size) {
  thread_local std::vector<Column> columns;
  columns.clear();
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < size; i += kLanes) columns.push_back({head, head * size + i, size - i});
  }
  return columns;
}

// out[columns] = sum over positions of the head's share and values [count][width].
template <int kWide, bool kWhole>
LINGRAFT_INLINE void blend_columns(const float* shares, int64_t room, const Half* values,
                                   int64_t width, int64_t count, const Column* columns,
                                   float* out) {
  Floats sums[kWide];
  Lanes lanes[kWide];
  for (int v = 0; v < kWide; ++v) {
    sums[v] = zeros();
    lanes[v] = first(columns[v].left);
  }
  for (int64_t position = 0; position < count; ++position, values += width) {
    for (int v = 0; v < kWide; ++v) {
      const Half* from = values + columns[v].begin;
      const Floats value = kWhole ? load(from) : load(lanes[v], from);
      sums[v] = fused(all(shares[columns[v].head * room + position]), value, sums[v]);
    }
  }
  for (int v = 0; v < kWide; ++v) store_part<kWhole>(lanes[v], out + columns[v].begin, sums[v]);
}

// One row's queries [heads][size] over `count` positions of keys and values, each [heads][size] of
// halves in one stretch, so that a row's are read from beginning to end. Leaves the shares of head h
// at shares[h * room].
LINGRAFT_TARGET inline void attend_positions(const float* query, const Half* keys,
                                             const Half* values, int64_t count, int64_t heads,
                                             int64_t size, float scale, float* shares,
                                             int64_t room, float* out) {
  const int64_t width = heads * size, whole = size / kLanes * kLanes;
  const Lanes rest = first(size - whole);
  for (int64_t position = 0; position < count; ++position) {
    const Half* key = keys + position * width;
    const float* here = query;
    for (int64_t head = 0; head < heads; ++head, key += size, here += size) {
      Floats total = zeros();
      for (int64_t i = 0; i < whole; i += kLanes) total = fused(load(here + i), load(key + i), total);
      if (whole < size) total = fused(load(rest, here + whole), load(rest, key + whole), total);
      shares[head * room + position] = sum(total) * scale;
    }
  }
  for (int64_t head = 0; head < heads; ++head) softmax(shares + head * room, count);
  const std::vector<Column>& columns = columns_of(heads, size);
  const int64_t vectors = int64_t(columns.size());
  int64_t step = 0;
  for (int64_t v = 0; v < vectors; v += step) {
    const Column* from = columns.data() + v;
    const int64_t left = vectors - v;
    if (whole == size && left >= kBlendColumns) {
      step = kBlendColumns;
      blend_columns<kBlendColumns, true>(shares, room, values, width, count, from, out);
    } else if (left >= 4) {
      step = 4;
      blend_columns<4, false>(shares, room, values, width, count, from, out);
    } else {
      step = 1;
      blend_columns<1, false>(shares, room, values, width, count, from, out);
    }
  }
}

constexpr float kLargestHalf = 65504.0f;

// Halves of `count` floats; what is too large for one becomes the largest.
LINGRAFT_TARGET inline void to_halves(const float* x, int64_t count, Half* y) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const Lanes lanes = first(count - i);
    // In this order, for of two operands the second is taken where one is no number.
    const Floats value = smaller(all(kLargestHalf), load(lanes, x + i));
    store(lanes, y + i, larger(all(-kLargestHalf), value));
  }
}

// Floats that `count` scores take: whole vectors.
LINGRAFT_INLINE int64_t room_for(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

LINGRAFT_TARGET inline void attend_source(const CrossCall& call, int64_t begin, int64_t end) {
  thread_local std::vector<float> shares;
  const int64_t width = call.heads * call.size, room = room_for(call.positions);
  shares.resize(call.heads * room);
  const Floats part = all(1.0f / float(call.heads));
  for (int64_t row = begin; row < end; ++row) {
    float* mean = call.shares + row * call.positions;
    std::fill(mean, mean + call.positions, 0.0f);
    const int64_t place = row / call.group * call.positions * width;
    const int64_t length = std::min(call.lengths[row], call.positions);
    attend_positions(call.query + row * width, call.key + place, call.value + place, length,
                     call.heads, call.size, 1.0f, shares.data(), room, call.context + row * width);
    for (int64_t head = 0; head < call.heads; ++head) {
      for (int64_t i = 0; i < length; i += kLanes) {
        const Lanes lanes = first(length - i);
        const Floats share = load(shares.data() + head * room + i);
        store(lanes, mean + i, fused(share, part, load(lanes, mean + i)));
      }
    }
  }
}

LINGRAFT_TARGET inline void attend_past(const SelfCall& call, int64_t begin, int64_t end) {
  thread_local std::vector<float> shares;
  const int64_t width = call.heads * call.size, room = room_for(call.room);
  shares.resize(call.heads * room);
  const float scale = 1.0f / std::sqrt(float(call.size));
  for (int64_t row = begin; row < end; ++row) {
    const int64_t past = call.past[row], place = row * call.room * width;
    if (past < 0 || past >= call.room) continue;  // nothing to write to: the engine never asks
    const float* query = call.packed + row * 3 * width;
    for (int part = 0; part < 2; ++part) {
      to_halves(query + (part + 1) * width, width, call.cache[part] + place + past * width);
    }
    attend_positions(query, call.cache[0] + place, call.cache[1] + place, past + 1, call.heads,
                     call.size, scale, shares.data(), room, call.context + row * width);
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
