// Operators of whole encoders: attention of all positions of a text, and feed-forward layers.
#pragma once

#include <cstring>

#include "operators.h"

namespace lingraft {

// EncoderAttention: packed float [B*S,3*H*D] or [B,S,3*H*D] (queries, keys, values), last int32 [B]:
// each row's last real position -> context float [B*S,H*D] or [B,S,H*D]. All real positions look at
// all real positions; the context of the others is 0. Attribute heads: H.
class EncoderAttention {
 public:
  EncoderAttention(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), heads_(api.integer(info, "heads")) {}

  void compute(ort::Context* context) const {
    const ort::Value *packed = api_.input(context, 0), *last = api_.input(context, 1);
    std::vector<int64_t> sizes = api_.shape(packed);
    const int64_t rows = api_.shape(last).at(0), all = row_count(sizes), width = sizes.back() / 3;
    if (rows == 0 || all % rows != 0) throw std::runtime_error("packed has not B*S rows");
    sizes.back() = width;
    const EncoderCall call{api_.data<float>(packed), api_.data<int32_t>(last),
                           api_.output<float>(context, 0, sizes), heads_, all / rows, width,
                           head_size(width, heads_)};
    auto task = [&](size_t row) { kernels().attend_all(call, int64_t(row)); };
    api_.parallel(context, size_t(rows), task);
  }

 private:
  ort::Api api_;
  int64_t heads_;
};

// DenseAttention: x float [R,K]; weights int8 [K,N], scale [N] and bias [N] of queries, of keys and of
// values; lengths int64 [B] -> context float [R,N], or [B,N] of the first position of each text where
// the attribute `first` is 1. R is the sum of the lengths, or B*S: then padding stands behind each
// text, whose context is 0. All positions of a text are looked at. Attribute heads: H.
class DenseAttention {
 public:
  DenseAttention(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api),
        heads_(api.integer(info, "heads")),
        first_(api.integer(info, "first") != 0),
        weights_(side_by_side(api, info)),
        width_(weights_.n / 3),
        size_(head_size(width_, heads_)) {}

  void compute(ort::Context* context) const {
    const ort::Value *input = api_.input(context, 0), *lengths = api_.input(context, 10);
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

 private:
  struct Text {
    int64_t begin, length, end;  // rows; what is beyond its length is padding
  };

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

  static std::vector<Text> texts_of(const int64_t* lengths, int64_t texts, int64_t rows) {
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
  Weights weights_;
  int64_t width_, size_;
};

// FeedForward: x float [R,N], weights int8 [N,M], scale [M], bias [M], weights int8 [M,N], scale [N],
// bias [N], gamma [N], beta [N] -> LayerNorm(x + act(x W + b) W' + b'), float [R,N]. The M values of a
// row are many: those of a part of the rows are made and used before the next, in a nearer cache.
class FeedForward {
 public:
  FeedForward(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api),
        up_(packed(api, info, 1)),
        down_(packed(api, info, 4)),
        activation_(activation(api, info)),
        epsilon_(api.real(info, "epsilon")) {
    if (up_.n != down_.k || up_.k != down_.n) throw std::runtime_error("layers that do not fit");
  }

  void compute(ort::Context* context) const {
    const ort::Value* input = api_.input(context, 0);
    const std::vector<int64_t> sizes = api_.shape(input);
    if (sizes.empty() || sizes.back() != up_.k) throw std::runtime_error("x has not K columns");
    const int64_t rows = row_count(sizes), width = up_.k;
    const float* x = api_.data<float>(input);
    const float* gamma = api_.data<float>(api_.input(context, 7));
    const float* beta = api_.data<float>(api_.input(context, 8));
    float* y = api_.output<float>(context, 0, sizes);
    const int64_t parts = std::max<int64_t>((rows + kMostRows - 1) / kMostRows, 1);
    const int64_t part = (rows + parts * kRowsAtOnce - 1) / (parts * kRowsAtOnce) * kRowsAtOnce;
    thread_local std::vector<float> room;
    float* hidden = aligned(room, part * up_.n);
    for (int64_t begin = 0; begin < rows; begin += part) {
      const int64_t count = std::min(rows - begin, part);
      const float* from = x + begin * width;
      float* out = y + begin * width;
      dense(api_, context, from, count, up_, activation_, hidden);
      dense(api_, context, hidden, count, down_, kNone, out);
      add_and_norm(out, from, gamma, beta, count, width, epsilon_);
    }
  }

 private:
  static constexpr int64_t kMostRows = 320;

  ort::Api api_;
  Weights up_, down_;
  int64_t activation_;
  float epsilon_;
};

}  // namespace lingraft
