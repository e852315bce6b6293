// Loops around integer products: quantising rows, dense layers, normalisation, the best pieces.
//
// No `#pragma once`: loops.h includes it in the namespace of each instruction set.

template <typename Value>
LINGRAFT_TARGET void quantise_row(const float* x, int64_t k, int64_t padded_k, void* values,
                                  float* scale, int32_t* correction) {
  auto* out = static_cast<Value*>(values);
  const int64_t whole = k / kLanes * kLanes;
  // Four at a time: one alone would wait for the comparison before it.
  Floats highest[4] = {zeros(), zeros(), zeros(), zeros()};
  int64_t seen = 0;
  for (; seen + 4 * kLanes <= whole; seen += 4 * kLanes) {
    for (int64_t v = 0; v < 4; ++v) {
      highest[v] = larger(highest[v], magnitude(load(x + seen + v * kLanes)));
    }
  }
  for (; seen < whole; seen += kLanes) highest[0] = larger(highest[0], magnitude(load(x + seen)));
  const Lanes rest = first(k - whole);
  highest[0] = larger(highest[0], magnitude(load(rest, x + whole)));
  const float most = largest(larger(larger(highest[0], highest[1]), larger(highest[2], highest[3])));
  const Floats steps = all(most > 0 ? 127.0f / most : 0.0f);
  Integers total = all(0);
  int64_t done = 0;
  for (; done + 4 * kLanes <= whole; done += 4 * kLanes) {
    Integers four[4];
    for (int64_t v = 0; v < 4; ++v) {
      four[v] = as_integers(multiply(load(x + done + v * kLanes), steps));
    }
    total = add(total, add(add(four[0], four[1]), add(four[2], four[3])));
    store(out + done, four);
  }
  for (; done < whole; done += kLanes) {
    const Integers integers = as_integers(multiply(load(x + done), steps));
    total = add(total, integers);
    store(out + done, integers);
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
