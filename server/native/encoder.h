// Operators of whole encoders: attention of all positions of a text, and feed-forward layers.
#pragma once

#include <cstring>

#include "operators.h"

namespace lingraft {

// The rows of one text; those from its length on are padding.
struct Text {
  int64_t begin, length, end;
};

// Texts of so many rows: one behind the other, or of equally many with padding behind each.
inline std::vector<Text> texts_of(const int64_t* lengths, int64_t texts, int64_t rows) {
  std::vector<Text> result(texts);
  int64_t real = 0;
  for (int64_t i = 0; i < texts; ++i) real += std::max<int64_t>(lengths[i], 0);
  if (texts == 0 || (real != rows && rows % texts != 0)) {
    throw std::runtime_error("x has neither B*S rows nor as many as the texts have");
  }
  int64_t begin = 0;
  for (int64_t i = 0; i < texts; ++i) {
    const int64_t room = real == rows ? std::max<int64_t>(lengths[i], 0) : rows / texts;
    result[i] = {begin, std::clamp<int64_t>(lengths[i], 0, room), begin + room};
    begin += room;
  }
  return result;
}

// DenseAttention: x float [R,K]; weights int8 [K,N], scale [N] and bias [N] of queries, of keys and of
// values; lengths int64 [B] -> context float [R,N], or [B,N] of the first position of each text where
// the attribute `first` is 1. R is the sum of the lengths, or B*S: then padding stands behind each
// text, whose context is 0. All positions of a text are looked at. Attribute heads: H.
// PackedAttention: the same, of weights [K,3*N], scale [3*N] and bias [3*N] of all three.
class DenseAttention {
 public:
  DenseAttention(const ort::Api& api, const ort::KernelInfo* info)
      : DenseAttention(api, info, side_by_side(api, info), 10) {}

  void compute(ort::Context* context) const {
    const ort::Value *input = api_.input(context, 0), *lengths = api_.input(context, lengths_);
    const std::vector<int64_t> sizes = api_.shape(input);
    if (sizes.empty() || sizes.back() != weights_.k) throw std::runtime_error("x has not K columns");
    const int64_t rows = row_count(sizes), texts = api_.shape(lengths).at(0);
    const std::vector<Text> all = texts_of(api_.data<int64_t>(lengths), texts, rows);
    const float* x = api_.data<float>(input);
    float* y = api_.output<float>(context, 0, {first_ ? texts : rows, width_});
    if (kernels().attend_text != nullptr && size_ % kColumns == 0) {
      in_bfloat(context, x, rows, all, y);
    } else {
      in_floats(context, x, rows, all, y);
    }
  }

 protected:
  DenseAttention(const ort::Api& api, const ort::KernelInfo* info, Weights weights, size_t lengths)
      : api_(api),
        heads_(api.integer(info, "heads")),
        first_(api.integer(info, "first") != 0),
        lengths_(lengths),
        weights_(std::move(weights)),
        width_(weights_.n / 3),
        size_(head_size(width_, heads_)) {
    if (weights_.n % 3 != 0) throw std::runtime_error("N is not that of three layers");
  }

 private:
  static Weights side_by_side(const ort::Api& api, const ort::KernelInfo* info) {
    const std::vector<int64_t> sizes = api.shape(api.constant(info, 1));
    const int64_t k = sizes.at(0), n = sizes.at(1);
    std::vector<int8_t> weights(k * 3 * n);
    std::vector<float> scale, bias;
    for (int64_t part = 0; part < 3; ++part) {
      const ort::Value* each = api.constant(info, 1 + 3 * part);
      if (api.shape(each) != sizes) throw std::runtime_error("weights of different sizes");
      const int8_t* from = api.data<int8_t>(each);
      for (int64_t row = 0; row < k; ++row) {
        std::copy(from + row * n, from + (row + 1) * n, &weights[(row * 3 + part) * n]);
      }
      const float* scales = api.data<float>(api.constant(info, 2 + 3 * part));
      const float* biases = api.data<float>(api.constant(info, 3 + 3 * part));
      scale.insert(scale.end(), scales, scales + n);
      bias.insert(bias.end(), biases, biases + n);
    }
    return Weights::pack(weights.data(), scale.data(), bias.data(), k, 3 * n);
  }

  void in_bfloat(ort::Context* context, const float* x, int64_t rows, const std::vector<Text>& all,
                 float* y) const {
    thread_local std::vector<Bfloat> room;
    Bfloat* packed = aligned(room, (rows + kRowsAtOnce) * weights_.n);
    Rows& quantised = current_rows;
    quantised.quantise(x, rows, weights_);
    for_columns(api_, context, weights_, [&](int64_t begin, int64_t end) {
      kernels().dense_bfloat(quantised, weights_, begin, end, packed);
    });
    for_texts(context, all, y, [&](const Text& text, float* out) {
      const Bfloat* from = packed + text.begin * weights_.n;
      const int64_t asking = first_ ? 1 : text.length;
      kernels().attend_text({from, out, text.length, asking, heads_, size_});
      kernels().release();
    });
  }

  void in_floats(ort::Context* context, const float* x, int64_t rows, const std::vector<Text>& all,
                 float* y) const {
    thread_local std::vector<float> room;
    float* packed = aligned(room, rows * weights_.n);
    dense(api_, context, x, rows, weights_, kNone, packed);
    for_texts(context, all, y, [&](const Text& text, float* out) {
      const int32_t last = int32_t(text.length - 1);
      const float* from = packed + text.begin * weights_.n;
      thread_local std::vector<float> all;
      if (first_) all.resize(text.length * width_);
      float* contexts = first_ ? all.data() : out;
      kernels().attend_all({from, &last, contexts, heads_, text.length, width_, size_}, 0);
      if (first_) std::copy(contexts, contexts + width_, out);
    });
  }

  template <typename Use>
  void for_texts(ort::Context* context, const std::vector<Text>& all, float* y, Use use) const {
    auto task = [&](size_t index) {
      const Text& text = all[index];
      float* out = y + (first_ ? int64_t(index) : text.begin) * width_;
      const int64_t asked = first_ ? std::min<int64_t>(text.length, 1) : text.length;
      const int64_t room = first_ ? 1 : text.end - text.begin;
      if (text.length > 0) use(text, out);
      std::fill(out + asked * width_, out + room * width_, 0.0f);
    };
    api_.parallel(context, all.size(), task);
  }

  ort::Api api_;
  int64_t heads_;
  bool first_;
  size_t lengths_;  // which input they are
  Weights weights_;
  int64_t width_, size_;
};

struct PackedAttention : DenseAttention {
  PackedAttention(const ort::Api& api, const ort::KernelInfo* info)
      : DenseAttention(api, info, packed(api, info), 4) {}
};

// DenseHalves: as Dense with x [R,K], then ids int64 [B,S], for their shape, and lengths int64 [B] -> two
// float16 [B,S,N/2], the first and the second half of the columns. R is the sum of the lengths, or B*S.
// Padding is 0 where x has none.
class DenseHalves {
 public:
  DenseHalves(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), weights_(packed(api, info)) {
    if (weights_.n % 2 != 0) throw std::runtime_error("N is not even");
  }

  void compute(ort::Context* context) const {
    const ort::Value *input = api_.input(context, 0), *lengths = api_.input(context, 5);
    std::vector<int64_t> sizes = api_.shape(api_.input(context, 4));
    const int64_t rows = row_count(api_.shape(input)), half = weights_.n / 2;
    const std::vector<Text> all = texts_of(api_.data<int64_t>(lengths), sizes.at(0), rows);
    if (api_.shape(input).back() != weights_.k) throw std::runtime_error("x has not K columns");
    if (api_.shape(lengths) != std::vector<int64_t>{sizes[0]}) {
      throw std::runtime_error("not one length for each text");
    }
    thread_local std::vector<float> room;
    float* floats = aligned(room, rows * weights_.n);
    dense(api_, context, api_.data<float>(input), rows, weights_, kNone, floats);
    const int64_t width = sizes.at(1);
    sizes.push_back(half);
    for (size_t part = 0; part < 2; ++part) {
      Half* out = api_.output<Half>(context, part, sizes);
      for (const Text& text : all) {
        const int64_t count = text.end - text.begin;
        if (count > width) throw std::runtime_error("a text is longer than its ids");
        for (int64_t row = text.begin; row < text.end; ++row, out += half) {
          kernels().to_halves(floats + row * weights_.n + part * half, half, out);
        }
        std::fill(out, out + (width - count) * half, Half(0));
        out += (width - count) * half;
      }
    }
  }

 private:
  ort::Api api_;
  Weights weights_;
};

// FeedForward: x float [R,N], weights int8 [N,M], scale [M], bias [M], weights int8 [M,N], scale [N],
// bias [N], gamma [N], beta [N] -> LayerNorm(x + act(x W + b) W' + b'), float [R,N]. The M values of a
// row are many: those of a part of the rows are made and used before the next, in a nearer cache.
class FeedForward {
 public:
  FeedForward(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), layers_(api, info, 1), epsilon_(api.real(info, "epsilon")) {}

  void compute(ort::Context* context) const {
    const ort::Value* input = api_.input(context, 0);
    const std::vector<int64_t> sizes = api_.shape(input);
    if (sizes.empty() || sizes.back() != layers_.width()) throw std::runtime_error("x has not K columns");
    layers_.compute(api_, context, api_.data<float>(input), row_count(sizes),
                    api_.data<float>(api_.input(context, 7)),
                    api_.data<float>(api_.input(context, 8)), epsilon_,
                    api_.output<float>(context, 0, sizes));
  }

 private:
  ort::Api api_;
  FeedForwardLayers layers_;
  float epsilon_;
};

}  // namespace lingraft
