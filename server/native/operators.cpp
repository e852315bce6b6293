// Operators of the domain "lingraft", and their registration.
#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>

#include "gemm.h"
#include "ort.h"

namespace lingraft {
namespace {

constexpr int64_t kTaskColumns = 512;  // columns that one task multiplies

struct alignas(64) Sums {
  int32_t values[kRowsAtOnce * kColumns];
};

// Quantised rows of the thread that runs the operator; its helpers only read them.
thread_local Rows current_rows;

// y [R,N] = activation(x W + b), its columns from `begin` to `end`.
template <int64_t kActivation>
LINGRAFT_AVX512 void multiply_columns(const Rows& rows, const Weights& weights, int64_t begin,
                                      int64_t end, float* y) {
  Sums sums;
  for (int64_t column = begin; column < end; column += kColumns) {
    const Columns left = Columns::load(weights, column);
    const Columns right = Columns::load(weights, column + 16);
    const __mmask16 left_mask = first(weights.n - column);
    const __mmask16 right_mask = first(weights.n - column - 16);
    for (int64_t row = 0; row < rows.count; row += kRowsAtOnce) {
      const int64_t count = std::min<int64_t>(rows.count - row, kRowsAtOnce);
      multiply(rows, row, count, weights, column, sums.values);
      float* out = y + row * weights.n + column;
      for (int64_t r = 0; r < count; ++r, out += weights.n) {
        const __m512i correction = _mm512_set1_epi32(rows.correction.get()[row + r]);
        const __m512 scale = _mm512_set1_ps(rows.scale.get()[row + r]);
        const int32_t* here = sums.values + r * kColumns;
        _mm512_mask_storeu_ps(out, left_mask,
                              activate<kActivation>(finish(left, correction, scale, here)));
        _mm512_mask_storeu_ps(out + 16, right_mask,
                              activate<kActivation>(finish(right, correction, scale, here + 16)));
      }
    }
  }
}

using Multiply = void (*)(const Rows&, const Weights&, int64_t, int64_t, float*);
constexpr Multiply kMultiply[] = {multiply_columns<kNone>, multiply_columns<kRelu>,
                                  multiply_columns<kSwish>, multiply_columns<kGelu>,
                                  multiply_columns<kGeluTanh>};

void dense(const ort::Api& api, const ort::Context* context, const float* x, int64_t rows,
           const Weights& weights, int64_t activation, float* y) {
  Rows& quantised = current_rows;
  quantised.quantise(x, rows, weights);
  const int64_t tasks = (weights.padded_n + kTaskColumns - 1) / kTaskColumns;
  auto task = [&](size_t index) {
    const int64_t begin = int64_t(index) * kTaskColumns;
    const int64_t end = std::min(begin + kTaskColumns, weights.padded_n);
    kMultiply[activation](quantised, weights, begin, end, y);
    release_tiles();
  };
  api.parallel(context, size_t(tasks), task);
}

// y = LayerNorm(y + residual) for one row of n values.
LINGRAFT_AVX512 void add_and_norm(float* y, const float* residual, const float* gamma,
                                  const float* beta, int64_t n, float epsilon) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = first(n - i);
    const __m512 value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y + i),
                                       _mm512_maskz_loadu_ps(mask, residual + i));
    _mm512_mask_storeu_ps(y + i, mask, value);
    sum = _mm512_add_ps(sum, value);
  }
  const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / float(n));
  __m512 squares = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = first(n - i);
    const __m512 off = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, y + i), mean);
    squares = _mm512_fmadd_ps(off, off, squares);
  }
  const __m512 scale =
      _mm512_set1_ps(1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / float(n) + epsilon));
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = first(n - i);
    const __m512 off = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, y + i), mean);
    const __m512 normal = _mm512_fmadd_ps(_mm512_mul_ps(off, scale),
                                          _mm512_maskz_loadu_ps(mask, gamma + i),
                                          _mm512_maskz_loadu_ps(mask, beta + i));
    _mm512_mask_storeu_ps(y + i, mask, normal);
  }
}

Weights packed(const ort::Api& api, const ort::KernelInfo* info) {
  const ort::Value* weights = api.constant(info, 1);
  const std::vector<int64_t> sizes = api.shape(weights);
  return Weights::pack(api.data<int8_t>(weights), api.data<float>(api.constant(info, 2)),
                       api.data<float>(api.constant(info, 3)), sizes.at(0), sizes.at(1));
}

int64_t row_count(const std::vector<int64_t>& sizes) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) rows *= sizes[i];
  return rows;
}

// Dense: x float [..,K], weights int8 [K,N], scale float [N], bias float [N] -> float [..,N].
// DenseNorm: further residual [..,N], gamma [N], beta [N]; LayerNorm(residual + x W + b).
class Dense {
 public:
  Dense(const ort::Api& api, const ort::KernelInfo* info, bool norm)
      : api_(api), norm_(norm), weights_(packed(api, info)) {
    if (norm_) {
      epsilon_ = api_.real(info, "epsilon");
    } else {
      activation_ = api_.integer(info, "activation");
      if (activation_ < kNone || activation_ > kGeluTanh) throw std::runtime_error("activation");
    }
  }

  void compute(ort::Context* context) const {
    const ort::Value* input = api_.input(context, 0);
    std::vector<int64_t> sizes = api_.shape(input);
    if (sizes.empty() || sizes.back() != weights_.k) throw std::runtime_error("x has not K columns");
    const int64_t rows = row_count(sizes);
    sizes.back() = weights_.n;
    float* y = api_.output<float>(context, 0, sizes);
    dense(api_, context, api_.data<float>(input), rows, weights_, activation_, y);
    if (!norm_) return;
    const float* residual = api_.data<float>(api_.input(context, 4));
    const float* gamma = api_.data<float>(api_.input(context, 5));
    const float* beta = api_.data<float>(api_.input(context, 6));
    for (int64_t row = 0; row < rows; ++row) {
      add_and_norm(y + row * weights_.n, residual + row * weights_.n, gamma, beta, weights_.n,
                   epsilon_);
    }
  }

 private:
  ort::Api api_;
  bool norm_;
  Weights weights_;
  int64_t activation_ = kNone;
  float epsilon_ = 0;
};

struct DenseNorm : Dense {
  DenseNorm(const ort::Api& api, const ort::KernelInfo* info) : Dense(api, info, true) {}
};
struct DensePlain : Dense {
  DensePlain(const ort::Api& api, const ort::KernelInfo* info) : Dense(api, info, false) {}
};

// The best pieces of one row seen so far, and the normaliser: sums of e^(logit - offset).
struct Best {
  std::vector<std::pair<float, int64_t>> pieces;  // best first
  float offset = 0;
  alignas(64) float sums[16] = {};

  void insert(float logit, int64_t id, size_t wanted) {
    if (pieces.size() == wanted) {
      if (logit <= pieces.back().first) return;
      pieces.pop_back();
    }
    // After equal ones, whose ids are lower.
    const auto place = std::upper_bound(pieces.begin(), pieces.end(), logit,
                                        [](float a, const auto& b) { return a > b.first; });
    pieces.insert(place, {logit, id});
  }

  float least(size_t wanted) const {
    return pieces.size() == wanted ? pieces.back().first
                                   : -std::numeric_limits<float>::infinity();
  }

  // Moves the offset up to the best logit where e^(best - offset) could grow out of bounds.
  void settle() {
    const float most = pieces.front().first;
    if (most <= offset + kHeadroom) return;
    const float scale = std::exp(offset - most);
    for (float& sum : sums) sum *= scale;
    offset = most;
  }

  double total() const {
    double result = 0;
    for (float sum : sums) result += sum;
    return result;
  }

  static constexpr float kHeadroom = 30;
};

// BestPieces: as Dense with x [R,K], then top_k int64 [1] -> ids int64 [R,top_k], natural
// logarithms of probability float [R,top_k], best first. Logits are never written to memory.
class BestPieces {
 public:
  BestPieces(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), weights_(packed(api, info)) {}

  void compute(ort::Context* context) const {
    const ort::Value* input = api_.input(context, 0);
    const int64_t rows = row_count(api_.shape(input));
    const int64_t wanted = std::clamp<int64_t>(
        *api_.data<int64_t>(api_.input(context, 4)), 1, weights_.n);
    Rows& quantised = current_rows;
    quantised.quantise(api_.data<float>(input), rows, weights_);
    const int64_t tasks = (weights_.padded_n + kPart - 1) / kPart;
    std::vector<std::vector<Best>> parts(tasks);
    auto task = [&](size_t part) {
      parts[part].resize(rows);
      const int64_t begin = int64_t(part) * kPart;
      scan(quantised, begin, std::min(begin + kPart, weights_.padded_n), size_t(wanted),
           parts[part]);
      release_tiles();
    };
    api_.parallel(context, size_t(tasks), task);
    int64_t* ids = api_.output<int64_t>(context, 0, {rows, wanted});
    float* logprobs = api_.output<float>(context, 1, {rows, wanted});
    for (int64_t row = 0; row < rows; ++row) {
      Best& best = parts[0][row];
      for (int64_t part = 1; part < tasks; ++part) {
        for (const auto& [logit, id] : parts[part][row].pieces) {
          best.insert(logit, id, size_t(wanted));
        }
      }
      if (int64_t(best.pieces.size()) < wanted) throw std::runtime_error("logits are not numbers");
      const float most = best.pieces.front().first;
      double total = 0;
      for (const std::vector<Best>& part : parts) {
        total += part[row].total() * std::exp(double(part[row].offset) - most);
      }
      const float normaliser = most + float(std::log(total));
      for (int64_t k = 0; k < wanted; ++k) {
        ids[row * wanted + k] = best.pieces[k].second;
        logprobs[row * wanted + k] = best.pieces[k].first - normaliser;
      }
    }
  }

 private:
  static constexpr int64_t kPart = 8192;

  LINGRAFT_AVX512 void scan(const Rows& rows, int64_t begin, int64_t end, size_t wanted,
                            std::vector<Best>& best) const {
    Sums sums;
    const __m512 none = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    for (int64_t column = begin; column < end; column += kColumns) {
      const Columns left = Columns::load(weights_, column);
      const Columns right = Columns::load(weights_, column + 16);
      const __mmask16 left_mask = first(weights_.n - column);
      const __mmask16 right_mask = first(weights_.n - column - 16);
      for (int64_t row = 0; row < rows.count; row += kRowsAtOnce) {
        const int64_t count = std::min<int64_t>(rows.count - row, kRowsAtOnce);
        multiply(rows, row, count, weights_, column, sums.values);
        for (int64_t r = 0; r < count; ++r) {
          const __m512i correction = _mm512_set1_epi32(rows.correction.get()[row + r]);
          const __m512 scale = _mm512_set1_ps(rows.scale.get()[row + r]);
          const int32_t* here = sums.values + r * kColumns;
          const __m512 logits[2] = {
              _mm512_mask_blend_ps(left_mask, none, finish(left, correction, scale, here)),
              _mm512_mask_blend_ps(right_mask, none, finish(right, correction, scale, here + 16))};
          take(best[row + r], logits, column, wanted);
        }
      }
    }
  }

  LINGRAFT_INLINE static void take(Best& best, const __m512* logits, int64_t column,
                                   size_t wanted) {
    const __m512 least = _mm512_set1_ps(best.least(wanted));
    uint32_t better = uint32_t(_mm512_cmp_ps_mask(logits[0], least, _CMP_GT_OQ)) |
                      uint32_t(_mm512_cmp_ps_mask(logits[1], least, _CMP_GT_OQ)) << 16;
    if (__builtin_expect(better != 0, 0)) {
      alignas(64) float values[kColumns];
      _mm512_store_ps(values, logits[0]);
      _mm512_store_ps(values + 16, logits[1]);
      const bool begun = !best.pieces.empty();
      for (; better != 0; better &= better - 1) {
        const int lane = __builtin_ctz(better);
        best.insert(values[lane], column + lane, wanted);
      }
      if (!begun) best.offset = best.pieces.front().first;
      best.settle();
    }
    const __m512 offset = _mm512_set1_ps(best.offset);
    const __m512 shares = _mm512_add_ps(exponential(_mm512_sub_ps(logits[0], offset)),
                                        exponential(_mm512_sub_ps(logits[1], offset)));
    _mm512_store_ps(best.sums, _mm512_add_ps(_mm512_load_ps(best.sums), shares));
  }

  ort::Api api_;
  Weights weights_;
};

constexpr int64_t kMostHeadVectors = 16;  // heads of up to 256 values

// scores[0..count) become shares that sum to 1.
LINGRAFT_AVX512 void softmax(float* scores, int64_t count) {
  __m512 most = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    most = _mm512_mask_max_ps(most, mask, most, _mm512_maskz_loadu_ps(mask, scores + i));
  }
  const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(most));
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    const __m512 share = _mm512_maskz_mov_ps(
        mask, exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, scores + i), highest)));
    _mm512_mask_storeu_ps(scores + i, mask, share);
    sum = _mm512_add_ps(sum, share);
  }
  const __m512 scale = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    _mm512_mask_storeu_ps(scores + i, mask,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, scores + i), scale));
  }
}

// context [size] = sum over positions of shares[position] values[position, size].
LINGRAFT_AVX512 void blend(const float* shares, const float* values, int64_t count, int64_t size,
                           float* context) {
  for (int64_t begin = 0; begin < size; begin += 64) {
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    for (int64_t position = 0; position < count; ++position) {
      const __m512 share = _mm512_set1_ps(shares[position]);
      const float* here = values + position * size + begin;
      for (int v = 0; v < 4; ++v) {
        const __mmask16 mask = first(size - begin - 16 * v);
        sums[v] = _mm512_fmadd_ps(share, _mm512_maskz_loadu_ps(mask, here + 16 * v), sums[v]);
      }
    }
    for (int v = 0; v < 4; ++v) {
      _mm512_mask_storeu_ps(context + begin + 16 * v, first(size - begin - 16 * v), sums[v]);
    }
  }
}

// CrossAttention: query float [B,H*D] scaled already, key [G,H,D,S], value [G,H,S,D], lengths int64
// [B] -> context [B,H*D], shares [B,S]: their mean over heads. Row b looks at source b / (B / G).
class CrossAttention {
 public:
  CrossAttention(const ort::Api& api, const ort::KernelInfo*) : api_(api) {}

  void compute(ort::Context* context) const {
    const ort::Value* query = api_.input(context, 0);
    const std::vector<int64_t> sizes = api_.shape(query), keys = api_.shape(api_.input(context, 1));
    const int64_t rows = sizes.at(0), sources = keys.at(0), width = keys.at(3);
    if (sources == 0 || rows % sources != 0) throw std::runtime_error("rows are no whole groups");
    const Call call{api_.data<float>(query),
                    api_.data<float>(api_.input(context, 1)),
                    api_.data<float>(api_.input(context, 2)),
                    api_.data<int64_t>(api_.input(context, 3)),
                    api_.output<float>(context, 0, sizes),
                    api_.output<float>(context, 1, {rows, width}),
                    keys.at(1),
                    keys.at(2),
                    width,
                    rows / sources};
    const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
    auto task = [&](size_t index) {
      const int64_t begin = int64_t(index) * kTaskRows;
      attend(call, begin, std::min(begin + kTaskRows, rows));
    };
    api_.parallel(context, size_t(tasks), task);
  }

 private:
  static constexpr int64_t kTaskRows = 16;

  struct Call {
    const float *query, *key, *value;
    const int64_t* lengths;
    float *context, *shares;
    int64_t heads, size, width, group;
  };

  LINGRAFT_AVX512 static void attend(const Call& call, int64_t begin, int64_t end) {
    std::vector<float> scores(call.width + 64);
    for (int64_t row = begin; row < end; ++row) {
      float* mean = call.shares + row * call.width;
      std::fill(mean, mean + call.width, 0.0f);
      const int64_t source = row / call.group, length = std::min(call.lengths[row], call.width);
      for (int64_t head = 0; head < call.heads; ++head) {
        const int64_t place = source * call.heads + head;
        const int64_t mine = (row * call.heads + head) * call.size;
        score(call.query + mine, call.key + place * call.size * call.width, call.size, call.width,
              length, scores.data());
        softmax(scores.data(), length);
        blend(scores.data(), call.value + place * call.size * call.width, length, call.size,
              call.context + mine);
        for (int64_t i = 0; i < length; ++i) mean[i] += scores[i] / float(call.heads);
      }
    }
  }

  LINGRAFT_AVX512 static void score(const float* query, const float* key, int64_t size,
                                    int64_t width, int64_t length, float* scores) {
    for (int64_t begin = 0; begin < length; begin += 32) {
      const __mmask16 left = first(length - begin), right = first(length - begin - 16);
      __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
      for (int64_t d = 0; d < size; ++d) {
        const __m512 q = _mm512_set1_ps(query[d]);
        const float* here = key + d * width + begin;
        sums[0] = _mm512_fmadd_ps(q, _mm512_maskz_loadu_ps(left, here), sums[0]);
        sums[1] = _mm512_fmadd_ps(q, _mm512_maskz_loadu_ps(right, here + 16), sums[1]);
      }
      _mm512_mask_storeu_ps(scores + begin, left, sums[0]);
      _mm512_mask_storeu_ps(scores + begin + 16, right, sums[1]);
    }
  }

  ort::Api api_;
};

// SelfAttention: packed float [B,3*H*D] (queries, keys, values), past_key and past_value [B,H,T,D],
// past_lengths int32 [B] -> context [B,H*D], present_key and present_value, which may share the
// memory of the past. The new key and value are written at position past_lengths[b].
class SelfAttention {
 public:
  SelfAttention(const ort::Api& api, const ort::KernelInfo*) : api_(api) {}

  void compute(ort::Context* context) const {
    const ort::Value* packed = api_.input(context, 0);
    const std::vector<int64_t> cache = api_.shape(api_.input(context, 1));
    const int64_t rows = cache.at(0), heads = cache.at(1), room = cache.at(2), size = cache.at(3);
    if (size > 16 * kMostHeadVectors) throw std::runtime_error("heads have over 256 values");
    Call call{api_.data<float>(packed), api_.data<int32_t>(api_.input(context, 3)),
              api_.output<float>(context, 0, {rows, heads * size}), {}, heads, room, size};
    const size_t bytes = size_t(rows * heads * room * size) * sizeof(float);
    for (size_t part = 0; part < 2; ++part) {
      const float* past = api_.data<float>(api_.input(context, 1 + part));
      call.cache[part] = api_.output<float>(context, 1 + part, cache);
      if (call.cache[part] != past) std::memcpy(call.cache[part], past, bytes);
    }
    const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
    auto task = [&](size_t index) {
      const int64_t begin = int64_t(index) * kTaskRows;
      attend(call, begin, std::min(begin + kTaskRows, rows));
    };
    api_.parallel(context, size_t(tasks), task);
  }

 private:
  static constexpr int64_t kTaskRows = 16;

  struct Call {
    const float* packed;
    const int32_t* past;
    float* context;
    float* cache[2];
    int64_t heads, room, size;
  };

  LINGRAFT_AVX512 static void attend(const Call& call, int64_t begin, int64_t end) {
    std::vector<float> scores(call.room + 16);
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
        score(query, call.cache[0] + place, call.size, past + 1, scale, scores.data());
        softmax(scores.data(), past + 1);
        blend(scores.data(), call.cache[1] + place, past + 1, call.size,
              call.context + row * width + head * call.size);
      }
    }
  }

  LINGRAFT_AVX512 static void score(const float* query, const float* key, int64_t size,
                                    int64_t count, float scale, float* scores) {
    __m512 q[kMostHeadVectors];
    const int64_t vectors = (size + 15) / 16;
    for (int64_t v = 0; v < vectors; ++v) {
      q[v] = _mm512_maskz_loadu_ps(first(size - 16 * v), query + 16 * v);
    }
    for (int64_t position = 0; position < count; ++position) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t v = 0; v < vectors; ++v) {
        sum = _mm512_fmadd_ps(q[v],
                              _mm512_maskz_loadu_ps(first(size - 16 * v),
                                                    key + position * size + 16 * v),
                              sum);
      }
      scores[position] = _mm512_reduce_add_ps(sum) * scale;
    }
  }

  ort::Api api_;
};

// EncoderAttention: packed float [B,S,3*H*D] (queries, keys, values), last int32 [B]: each row's last
// real position -> context float [B,S,H*D]. All real positions look at all real positions; the
// context of the others is 0. Attribute heads: H.
class EncoderAttention {
 public:
  EncoderAttention(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), heads_(api.integer(info, "heads")) {}

  void compute(ort::Context* context) const {
    const ort::Value* packed = api_.input(context, 0);
    const std::vector<int64_t> sizes = api_.shape(packed);
    const int64_t rows = sizes.at(0), positions = sizes.at(1), width = sizes.at(2) / 3;
    const Call call{api_.data<float>(packed), api_.data<int32_t>(api_.input(context, 1)),
                    api_.output<float>(context, 0, {rows, positions, width}),
                    heads_, positions, width, width / heads_};
    auto task = [&](size_t row) { attend(call, int64_t(row)); };
    api_.parallel(context, size_t(rows), task);
  }

 private:
  static constexpr int64_t kQueries = 4;  // side by side, so that a key is read once for all

  struct Call {
    const float* packed;
    const int32_t* last;
    float* context;
    int64_t heads, positions, width, size;
  };

  LINGRAFT_AVX512 static void attend(const Call& call, int64_t row) {
    const int64_t length = std::clamp<int64_t>(call.last[row] + 1, 0, call.positions);
    float* context = call.context + row * call.positions * call.width;
    std::fill(context + length * call.width, context + call.positions * call.width, 0.0f);
    const int64_t room = (length + 31) / 32 * 32;
    thread_local std::vector<float> keys, scores;
    keys.assign(call.size * room, 0.0f);
    scores.resize(kQueries * room);
    const float* packed = call.packed + row * call.positions * 3 * call.width;
    for (int64_t head = 0; head < call.heads; ++head) {
      const float* query = packed + head * call.size;
      const float* key = query + call.width;
      const float* value = key + call.width;
      const float scale = 1.0f / std::sqrt(float(call.size));
      for (int64_t i = 0; i < length; ++i) {
        for (int64_t d = 0; d < call.size; ++d) {
          keys[d * room + i] = key[i * 3 * call.width + d] * scale;
        }
      }
      for (int64_t begin = 0; begin < length; begin += kQueries) {
        const int64_t last = std::min(begin + kQueries, length) - 1;
        // Beyond the end the last query stands in again; its result is written once more.
        const float* q[kQueries];
        float* out[kQueries];
        for (int64_t i = 0; i < kQueries; ++i) {
          const int64_t position = std::min(begin + i, last);
          q[i] = query + position * 3 * call.width;
          out[i] = context + position * call.width + head * call.size;
        }
        score(q, keys.data(), call.size, room, scores.data());
        for (int64_t i = 0; i < kQueries; ++i) softmax(scores.data() + i * room, length);
        blend_all(scores.data(), room, value, 3 * call.width, length, call.size, out);
      }
    }
  }

  // scores [kQueries][room] of queries over keys [size][room].
  LINGRAFT_AVX512 static void score(const float* const* q, const float* keys, int64_t size,
                                    int64_t room, float* scores) {
    for (int64_t begin = 0; begin < room; begin += 32) {
      __m512 sums[kQueries][2];
      for (auto& sum : sums) sum[0] = sum[1] = _mm512_setzero_ps();
      for (int64_t d = 0; d < size; ++d) {
        const __m512 left = _mm512_loadu_ps(keys + d * room + begin);
        const __m512 right = _mm512_loadu_ps(keys + d * room + begin + 16);
        for (int64_t i = 0; i < kQueries; ++i) {
          const __m512 one = _mm512_set1_ps(q[i][d]);
          sums[i][0] = _mm512_fmadd_ps(one, left, sums[i][0]);
          sums[i][1] = _mm512_fmadd_ps(one, right, sums[i][1]);
        }
      }
      for (int64_t i = 0; i < kQueries; ++i) {
        _mm512_storeu_ps(scores + i * room + begin, sums[i][0]);
        _mm512_storeu_ps(scores + i * room + begin + 16, sums[i][1]);
      }
    }
  }

  // As `blend`, for all queries at once; values stand `stride` apart.
  LINGRAFT_AVX512 static void blend_all(const float* shares, int64_t room, const float* values,
                                        int64_t stride, int64_t count, int64_t size,
                                        float* const* out) {
    for (int64_t begin = 0; begin < size; begin += 64) {
      __m512 sums[kQueries][4];
      for (auto& query : sums) {
        for (auto& sum : query) sum = _mm512_setzero_ps();
      }
      __mmask16 masks[4];
      for (int v = 0; v < 4; ++v) masks[v] = first(size - begin - 16 * v);
      for (int64_t position = 0; position < count; ++position) {
        const float* here = values + position * stride + begin;
        __m512 parts[4];
        for (int v = 0; v < 4; ++v) parts[v] = _mm512_maskz_loadu_ps(masks[v], here + 16 * v);
        for (int64_t i = 0; i < kQueries; ++i) {
          const __m512 share = _mm512_set1_ps(shares[i * room + position]);
          for (int v = 0; v < 4; ++v) sums[i][v] = _mm512_fmadd_ps(share, parts[v], sums[i][v]);
        }
      }
      for (int64_t i = 0; i < kQueries; ++i) {
        for (int v = 0; v < 4; ++v) {
          _mm512_mask_storeu_ps(out[i] + begin + 16 * v, masks[v], sums[i][v]);
        }
      }
    }
  }

  ort::Api api_;
  int64_t heads_;
};

// What ONNX Runtime calls, for an operator of class `Kernel`.
template <typename Kernel>
struct Operator : ort::CustomOp {
  Operator(const char* name, std::vector<ort::Element> inputs, std::vector<ort::Element> outputs)
      : CustomOp{}, name_(name), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {
    version = ort::kOpVersion;
    CustomOp::name = [](const CustomOp* op) { return self(op)->name_; };
    provider = [](const CustomOp*) -> const char* { return nullptr; };
    input_type = [](const CustomOp* op, size_t i) { return self(op)->inputs_[i]; };
    input_count = [](const CustomOp* op) { return self(op)->inputs_.size(); };
    output_type = [](const CustomOp* op, size_t i) { return self(op)->outputs_[i]; };
    output_count = [](const CustomOp* op) { return self(op)->outputs_.size(); };
    input_kind = output_kind = [](const CustomOp*, size_t) -> int32_t { return 0; };
    input_memory = [](const CustomOp*, size_t) -> int32_t { return 0; };
    destroy = [](void* kernel) { delete static_cast<Instance*>(kernel); };
    create_v2 = [](const CustomOp*, ort::Table table, const ort::KernelInfo* info,
                   void** kernel) -> ort::Status* {
      return guarded(ort::Api(table), [&] {
        *kernel = new Instance{ort::Api(table), Kernel(ort::Api(table), info)};
      });
    };
    compute_v2 = [](void* kernel, ort::Context* context) -> ort::Status* {
      auto* instance = static_cast<Instance*>(kernel);
      return guarded(instance->api, [&] { instance->kernel.compute(context); });
    };
  }

 private:
  struct Instance {
    ort::Api api;
    Kernel kernel;
  };

  static const Operator* self(const CustomOp* op) { return static_cast<const Operator*>(op); }

  template <typename Work>
  static ort::Status* guarded(const ort::Api& api, Work work) {
    try {
      work();
      return nullptr;
    } catch (const std::exception& error) {
      return api.failure(error.what());
    }
  }

  const char* name_;
  std::vector<ort::Element> inputs_, outputs_;
};

}  // namespace
}  // namespace lingraft

#define LINGRAFT_EXPORT __attribute__((visibility("default")))

extern "C" {

// Called by ONNX Runtime's register_custom_ops_library.
LINGRAFT_EXPORT ort::Status* RegisterCustomOps(ort::SessionOptions* options, const ort::ApiBase* base) {
  using namespace lingraft;
  using ort::kFloat, ort::kInt8, ort::kInt32, ort::kInt64;
  static Operator<DensePlain> dense("Dense", {kFloat, kInt8, kFloat, kFloat}, {kFloat});
  static Operator<DenseNorm> norm(
      "DenseNorm", {kFloat, kInt8, kFloat, kFloat, kFloat, kFloat, kFloat}, {kFloat});
  static Operator<BestPieces> best("BestPieces", {kFloat, kInt8, kFloat, kFloat, kInt64},
                                   {kInt64, kFloat});
  static Operator<CrossAttention> cross("CrossAttention", {kFloat, kFloat, kFloat, kInt64},
                                        {kFloat, kFloat});
  static Operator<SelfAttention> self("SelfAttention", {kFloat, kFloat, kFloat, kInt32},
                                      {kFloat, kFloat, kFloat});
  static Operator<EncoderAttention> encoder("EncoderAttention", {kFloat, kInt32}, {kFloat});
  const ort::Table table = base->table(ort::kApiVersion);
  if (table == nullptr) return nullptr;  // older than 1.17: the graph then names what is missing
  const ort::Api api(table);
  try {
    ort::Domain* domain = nullptr;
    api.call(ort::kCreateDomain, "lingraft", &domain);
    for (const ort::CustomOp* op : {static_cast<const ort::CustomOp*>(&dense),
                                    static_cast<const ort::CustomOp*>(&norm),
                                    static_cast<const ort::CustomOp*>(&best),
                                    static_cast<const ort::CustomOp*>(&cross),
                                    static_cast<const ort::CustomOp*>(&self),
                                    static_cast<const ort::CustomOp*>(&encoder)}) {
      api.call(ort::kDomainAdd, domain, op);
    }
    api.call(ort::kAddDomain, options, domain);
  } catch (const std::exception& error) {
    return api.failure(error.what());
  }
  return nullptr;
}

LINGRAFT_EXPORT int lingraft_supported() { return lingraft::supported() ? 1 : 0; }
LINGRAFT_EXPORT const char* lingraft_instruction_set() { return lingraft::instruction_set(); }
LINGRAFT_EXPORT void lingraft_forbid_amx(int forbidden) { lingraft::forbid_amx(forbidden != 0); }
}
