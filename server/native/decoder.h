// A whole decoder of post-norm layers in one operator.
//
// ONNX Runtime takes a microsecond or two for a node, and Python and the session a tenth of a
// millisecond for a step: for one row an eighth of the time that its weights are read in. So a row
// that is alone may take many steps in one call.
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>
#include <vector>

#include "head.h"

namespace lingraft {

// Decoder, of L layers of d values; B rows, and R answers: B, or with a plan for several steps of a single
// row as many as it has room for.
//
// Inputs: input_ids int64 [B], past_lengths int32 [B], source_lengths int64 [B], top_k int64 [1] (as for
// BestPieces), unscored float [P,d], plan int64 [N] (steps, room for them, the piece that ends,
// nanoseconds or -1, pieces that are banned; nothing for one step), halt int32 [2]; then embeddings and positions, each int8 [V,d] and scale float [V,1], or
// float [V,d] twice (attributes piece_bits and position_bits: 8 or 32); the
// output layer, weights, scale and bias; for each layer queries, keys and values in one product and
// their output (weights int8, scale, bias each), gamma, beta; the query to the source and its output,
// gamma, beta; the two products of the feed-forward part, gamma, beta; for each layer the caches float16
// past_key, past_value [B,T,d], cross_key, cross_value [B,S,d].
//
// Outputs: ids int64 [R,K] and logprobs float [R,K] as those of BestPieces, hidden float [R,d],
// normalisers float [P], owing int64 [1], made int64 [1]: how many of R are answered, alignment float
// [B,S] (the shares of layer `aligned`, of the last step), and the caches of the past, which may share
// the memory of those that came.
//
// Each further step of a row is given the best of its K pieces that is not banned. The steps end after
// the piece that ends, where all are banned, after the one during which the time of the plan runs out, or
// during which `halt` says so: another thread wrote another number than 0 to the first place, or something came in, or ended, at the descriptor
// in the second (none: -1).
class Decoder {
 public:
  Decoder(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api),
        heads_(api.integer(info, "heads")),
        aligned_(api.integer(info, "aligned")),
        epsilon_(api.real(info, "epsilon")),
        pieces_(api, info, kFixed, "piece_bits"),
        positions_(api, info, kFixed + 2, "position_bits"),
        head_(api, info, kFixed + 4) {
    const int64_t count = api.integer(info, "layers");
    if (count < 1) throw std::runtime_error("no layers");
    for (int64_t layer = 0; layer < count; ++layer) {
      layers_.emplace_back(api, info, kFixed + kTables + size_t(layer) * kLayerInputs);
    }
    head_size(head_.width(), heads_);
    for (const int64_t width : {pieces_.width(), positions_.width(), layers_.front().packed.k}) {
      if (width != head_.width()) throw std::runtime_error("tables or layers of other widths");
    }
  }

  void compute(ort::Context* context) const {
    Call call(*this, context);
    *api_.output<int64_t>(context, 4, {1}) = head_.owes(call.asked, call.rows) ? 1 : 0;
    int64_t made = 0;
    while (made < call.steps && call.rows > 0) {
      step(context, call, made);
      ++made;
      if (made == call.steps || call.halted() || !call.go_on(made)) break;
    }
    *api_.output<int64_t>(context, 5, {1}) = made;
    const ort::Value* late = api_.input(context, 4);
    const int64_t later = api_.shape(late).at(0);
    head_.normalise(context, api_.data<float>(late), later, api_.output<float>(context, 3, {later}));
  }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr int64_t kPlan = 4;  // numbers before the banned pieces
  static constexpr size_t kFixed = 7, kTables = 7, kLayerInputs = 24, kFixedOutputs = 7;

  // Rows of floats, or of integers, each row times its own scale.
  class Table {
   public:
    Table(const ort::Api& api, const ort::KernelInfo* info, size_t first, const char* bits)
        : integers_(api.integer(info, bits) == 8),
          sizes_(api.shape(api.constant(info, first))),
          values_(api.data<void>(api.constant(info, first))),
          scales_(api.data<float>(api.constant(info, first + 1))) {
      if (integers_) require(api, info, first + 1, sizes_.at(0));
    }

    // Row `index` to x; added to what is there.
    void add(int64_t index, float* x) const {
      if (index < 0 || index >= sizes_.at(0)) throw std::runtime_error("a row that no table has");
      const int64_t width = sizes_.at(1);
      if (integers_) {
        const int8_t* row = static_cast<const int8_t*>(values_) + index * width;
        for (int64_t i = 0; i < width; ++i) x[i] += float(row[i]) * scales_[index];
      } else {
        const float* row = static_cast<const float*>(values_) + index * width;
        for (int64_t i = 0; i < width; ++i) x[i] += row[i];
      }
    }

    int64_t width() const { return sizes_.at(1); }

   private:
    bool integers_;
    std::vector<int64_t> sizes_;
    const void* values_;
    const float* scales_;
  };

  struct Norm {
    const float *gamma, *beta;

    Norm(const ort::Api& api, const ort::KernelInfo* info, size_t first)
        : gamma(api.data<float>(api.constant(info, first))),
          beta(api.data<float>(api.constant(info, first + 1))) {}
  };

  struct Layer {
    Weights packed, self_out, query, source_out;
    FeedForwardLayers feed_forward;
    Norm after_self, after_source, after_feed;

    Layer(const ort::Api& api, const ort::KernelInfo* info, size_t first)
        : packed(lingraft::packed(api, info, first)),
          self_out(lingraft::packed(api, info, first + 3)),
          query(lingraft::packed(api, info, first + 8)),
          source_out(lingraft::packed(api, info, first + 11)),
          feed_forward(api, info, first + 16),
          after_self(api, info, first + 6),
          after_source(api, info, first + 14),
          after_feed(api, info, first + 22) {
      const int64_t width = packed.k;
      const bool fit = packed.n == 3 * width && self_out.k == width && self_out.n == width &&
                       query.k == width && query.n == width && source_out.k == width &&
                       source_out.n == width && feed_forward.width() == width;
      if (!fit) throw std::runtime_error("layers that do not fit");
      for (const size_t norm : {6, 14, 22}) {
        for (const size_t part : {0, 1}) require(api, info, first + norm + part, width);
      }
    }
  };

  // The inputs and outputs of one call, and what goes on from step to step.
  struct Call {
    const int64_t *sources, *banned, *banned_end;
    const int32_t* halt;
    int64_t rows, steps, answers, ends, nanoseconds, asked, wanted, width;
    Clock::time_point begun = Clock::now();
    int64_t *ids;
    float *logprobs, *hidden, *shares;
    std::vector<int64_t> inputs;
    std::vector<int32_t> past;
    std::vector<SelfCall> selves;
    std::vector<CrossCall> crosses;

    Call(const Decoder& of, ort::Context* context);

    bool halted() const {
      if (nanoseconds >= 0 && Clock::now() - begun >= std::chrono::nanoseconds(nanoseconds)) return true;
      if (__atomic_load_n(halt, __ATOMIC_RELAXED) != 0) return true;
      pollfd arrivals{halt[1], POLLIN, 0};  // of -1 nothing is ever said
      return poll(&arrivals, 1, 0) > 0;
    }

    // After so many steps: whether there is another, and what its piece is.
    bool go_on(int64_t made) {
      const int64_t* best = ids + (made - 1) * wanted;
      const int64_t* taken = std::find_if(best, best + wanted, [&](int64_t piece) {
        return std::find(banned, banned_end, piece) == banned_end;
      });
      if (taken == best + wanted || *taken == ends) return false;
      inputs[0] = *taken;
      ++past[0];
      return true;
    }
  };

  // Embeddings of all rows: of the piece, and of its position.
  void embed(const Call& call, float* x) const {
    std::fill(x, x + call.rows * call.width, 0.0f);
    for (int64_t row = 0; row < call.rows; ++row, x += call.width) {
      pieces_.add(call.inputs[row], x);
      positions_.add(call.past[row], x);
    }
  }

  void step(ort::Context* context, Call& call, int64_t made) const {
    const int64_t rows = call.rows, width = call.width, each = rows * width;
    thread_local std::vector<float> room, unseen;
    float* x = aligned(room, 6 * each);
    float *y = x + each, *attended = y + each, *packed = attended + each;
    const auto product = [&](const float* from, const Weights& weights, float* to) {
      dense(api_, context, from, rows, weights, kNone, to);
    };
    embed(call, x);
    for (size_t index = 0; index < layers_.size(); ++index) {
      const Layer& layer = layers_[index];
      product(x, layer.packed, packed);
      SelfCall self = call.selves[index];
      self.packed = packed, self.past = call.past.data(), self.context = attended;
      for_rows(api_, context, rows, [&](int64_t begin, int64_t end) {
        kernels().attend_past(self, begin, end);
      });
      product(attended, layer.self_out, y);
      norm(y, x, layer.after_self, rows);
      product(y, layer.query, packed);
      CrossCall cross = call.crosses[index];
      cross.query = packed, cross.context = attended;
      if (cross.shares == nullptr) cross.shares = aligned(unseen, rows * cross.positions);
      for_rows(api_, context, rows, [&](int64_t begin, int64_t end) {
        kernels().attend_source(cross, begin, end);
      });
      product(attended, layer.source_out, x);
      norm(x, y, layer.after_source, rows);
      layer.feed_forward.compute(api_, context, x, rows, layer.after_feed.gamma,
                                 layer.after_feed.beta, epsilon_, y);
      std::swap(x, y);
    }
    float* hidden = call.hidden + made * width;
    std::copy(x, x + each, hidden);
    const int64_t place = made * call.wanted;
    head_.find(context, hidden, rows, call.asked, call.ids + place, call.logprobs + place);
  }

  void norm(float* y, const float* residual, const Norm& norm, int64_t rows) const {
    add_and_norm(y, residual, norm.gamma, norm.beta, rows, head_.width(), epsilon_);
  }

  ort::Api api_;
  int64_t heads_, aligned_;
  float epsilon_;
  Table pieces_, positions_;
  OutputLayer head_;
  std::vector<Layer> layers_;
};

inline Decoder::Call::Call(const Decoder& of, ort::Context* context) : width(of.head_.width()) {
  const ort::Api& api = of.api_;
  const ort::Value *plan = api.input(context, 5), *given = api.input(context, 0);
  rows = row_count({api.shape(given).at(0), 1});
  const int64_t* settings = api.data<int64_t>(plan);
  const int64_t planned = api.shape(plan).at(0);
  steps = 1, answers = rows, ends = nanoseconds = -1;
  if (planned > 0) {
    if (planned < kPlan || settings[0] < 1 || settings[1] < settings[0]) {
      throw std::runtime_error("no such plan");
    }
    if (rows != 1) throw std::runtime_error("more than one row goes ahead");
    steps = settings[0], answers = settings[1], ends = settings[2], nanoseconds = settings[3];
  }
  banned = settings + std::min(planned, kPlan), banned_end = settings + planned;
  halt = api.data<int32_t>(api.input(context, 6));
  if (api.shape(api.input(context, 6)) != std::vector<int64_t>{2}) throw std::runtime_error("halt");
  sources = api.data<int64_t>(api.input(context, 2));
  asked = *api.data<int64_t>(api.input(context, 3));
  wanted = of.head_.wanted(asked);
  ids = api.output<int64_t>(context, 0, {answers, wanted});
  logprobs = api.output<float>(context, 1, {answers, wanted});
  hidden = api.output<float>(context, 2, {answers, width});
  const int64_t* first = api.data<int64_t>(given);
  const int32_t* lengths = api.data<int32_t>(api.input(context, 1));
  inputs.assign(first, first + rows);
  past.assign(lengths, lengths + rows);
  const size_t layers = of.layers_.size(), caches = kFixed + kTables + layers * kLayerInputs;
  const int64_t size = head_size(width, of.heads_);
  for (size_t layer = 0; layer < layers; ++layer) {
    const size_t at = caches + 4 * layer;
    const std::vector<int64_t> sizes = api.shape(api.input(context, at));
    const std::vector<int64_t> keys = api.shape(api.input(context, at + 2));
    for (size_t cache = at; cache < at + 4; ++cache) {
      if (api.element(api.input(context, cache)) != ort::kHalf) throw std::runtime_error("caches in float");
    }
    if (sizes.at(0) != rows || sizes.at(2) != width || keys.at(0) != rows || keys.at(2) != width ||
        sizes != api.shape(api.input(context, at + 1)) ||
        keys != api.shape(api.input(context, at + 3))) {
      throw std::runtime_error("caches that do not fit the rows");
    }
    for (const int32_t length : past) {
      if (length < 0 || length + steps > sizes[1]) throw std::runtime_error("caches that are full");
    }
    SelfCall self{nullptr, nullptr, nullptr, {}, of.heads_, sizes[1], size};
    for (size_t part = 0; part < 2; ++part) {
      self.cache[part] = renewed(api, context, at + part, kFixedOutputs + 2 * layer + part);
    }
    selves.push_back(self);
    const bool told = int64_t(layer) == of.aligned_;
    float* to = told ? api.output<float>(context, 6, {rows, keys[1]}) : nullptr;
    crosses.push_back({nullptr, api.data<Half>(api.input(context, at + 2)),
                       api.data<Half>(api.input(context, at + 3)), sources, nullptr,
                       to, of.heads_, size, keys[1], 1});
  }
}

}  // namespace lingraft
