// The output layer of a decoder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "operators.h"

namespace lingraft {

// Its weights, scale and bias are the inputs from `first` on. Logits are never written to memory.
class OutputLayer {
 public:
  OutputLayer(const ort::Api& api, const ort::KernelInfo* info, size_t first)
      : api_(api), weights_(packed(api, info, first)) {
    if (kernels().foresee != nullptr) screen_ = Screen::of(weights_);
  }

  int64_t width() const { return weights_.k; }
  int64_t wanted(int64_t asked) const { return std::clamp<int64_t>(std::abs(asked), 1, weights_.n); }

  // Whether rows get logits in place of logarithms of probability: `asked` below 0 allows it, and for one
  // row it is faster, since not all columns have to be multiplied (screen.h). The bits are the same.
  bool owes(int64_t asked, int64_t rows) const {
    return asked < 0 && rows == 1 && screen_.is_there() && kernels().foresee != nullptr;
  }

  // The `wanted(asked)` best pieces of each row x [rows,K]: ids and logprobs [rows,wanted], best first.
  void find(ort::Context* context, const float* x, int64_t rows, int64_t asked, int64_t* ids,
            float* logprobs) const {
    const int64_t count = wanted(asked);
    const bool owing = owes(asked, rows);
    const std::vector<Best> found = owing ? screened(context, x, size_t(count))
                                          : searched(context, x, rows, size_t(count));
    for (int64_t row = 0; row < rows; ++row) {
      const Best& best = found[row];
      if (int64_t(best.pieces.size()) < count) throw std::runtime_error("logits are not numbers");
      const float normaliser = owing ? 0 : normaliser_of(best);
      for (int64_t k = 0; k < count; ++k) {
        ids[row * count + k] = best.pieces[k].second;
        logprobs[row * count + k] = best.pieces[k].first - normaliser;
      }
    }
  }

  // What is to be taken off the logits of rows x [rows,K].
  void normalise(ort::Context* context, const float* x, int64_t rows, float* normalisers) const {
    if (rows == 0) return;
    const std::vector<Best> found = searched(context, x, rows, 1);
    for (int64_t row = 0; row < rows; ++row) {
      if (found[row].pieces.empty()) throw std::runtime_error("logits are not numbers");
      normalisers[row] = normaliser_of(found[row]);
    }
  }

 private:
  static constexpr int64_t kPart = 8192;  // columns that one task searches
  static constexpr size_t kFirst = 12;    // panels that are multiplied to know what is good

  static float normaliser_of(const Best& best) {
    return best.pieces.front().first + float(std::log(best.all));
  }

  // The best of all columns.
  std::vector<Best> searched(ort::Context* context, const float* x, int64_t rows,
                             size_t wanted) const {
    Rows& quantised = current_rows;
    quantised.quantise(x, rows, weights_);
    const int64_t tasks = (weights_.padded_n + kPart - 1) / kPart;
    std::vector<std::vector<Best>> parts(tasks);
    auto task = [&](size_t part) {
      parts[part].resize(rows);
      const int64_t begin = int64_t(part) * kPart;
      kernels().scan(quantised, weights_, begin, std::min(begin + kPart, weights_.padded_n), wanted,
                     parts[part].data());
      kernels().release();
    };
    api_.parallel(context, size_t(tasks), task);
    std::vector<Best> result(rows);
    for (int64_t row = 0; row < rows; ++row) {
      for (const std::vector<Best>& part : parts) {
        for (const auto& [logit, id] : part[row].pieces) result[row].insert(logit, id, wanted);
      }
      if (result[row].pieces.empty()) continue;
      const float most = result[row].pieces.front().first;
      for (const std::vector<Best>& part : parts) {
        result[row].all += part[row].total() * std::exp(double(part[row].offset) - most);
      }
    }
    return result;
  }

  // The same pieces for one row, without normaliser. First the panels that promise most, so that it is
  // known what is good; then all that can hold as much, in their order, on which equals depend.
  std::vector<Best> screened(ort::Context* context, const float* x, size_t wanted) const {
    Rows& quantised = current_rows;
    quantised.quantise(x, 1, weights_);
    const int64_t panels = weights_.padded_n / kColumns, tasks = (weights_.padded_n + kPart - 1) / kPart;
    thread_local std::vector<float> bounds;
    thread_local std::vector<int64_t> order;
    bounds.resize(panels);
    float* to = bounds.data();
    auto task = [&](size_t part) {
      const int64_t begin = int64_t(part) * kPart;
      kernels().foresee(quantised, weights_, screen_, begin,
                        std::min(begin + kPart, weights_.padded_n), to);
    };
    api_.parallel(context, size_t(tasks), task);
    order.resize(panels);
    constexpr float most = std::numeric_limits<float>::infinity();
    for (int64_t panel = 0; panel < panels; ++panel) {
      order[panel] = panel;
      if (std::isnan(bounds[panel])) bounds[panel] = most;  // may be anything, and has an order
    }
    const size_t first = std::min(size_t(panels), kFirst);
    std::nth_element(order.begin(), order.begin() + first - 1, order.end(),
                     [&](int64_t a, int64_t b) { return bounds[a] > bounds[b]; });
    Best good;
    for (size_t i = 0; i < first; ++i) {
      search(quantised, order[i], wanted, &good);
      bounds[order[i]] = most;  // what is known to be good is there, whatever was foreseen of it
    }
    const float least = good.least(wanted);
    std::vector<Best> result(1);
    for (int64_t panel = 0; panel < panels; ++panel) {
      if (bounds[panel] < std::max(least, result[0].least(wanted))) continue;
      search(quantised, panel, wanted, result.data());
    }
    kernels().release();
    return result;
  }

  void search(const Rows& row, int64_t panel, size_t wanted, Best* best) const {
    const int64_t begin = panel * kColumns;
    kernels().scan(row, weights_, begin, begin + kColumns, wanted, best);
  }

  ort::Api api_;
  Weights weights_;
  Screen screen_;
};

// BestPieces: as Dense with x [R,K], then top_k int64 [1] and unscored float [P,K] -> ids int64
// [R,top_k], natural logarithms of probability float [R,top_k], best first; normalisers float [P] of
// the rows `unscored`; owing int64 [1].
//
// A negative top_k allows logits in place of logarithms of probability: owing is 1 then, and who wants
// these has to take off the row's normaliser, which a later call gives for its x in `unscored`.
class BestPieces {
 public:
  BestPieces(const ort::Api& api, const ort::KernelInfo* info) : api_(api), layer_(api, info, 1) {}

  void compute(ort::Context* context) const {
    const ort::Value *input = api_.input(context, 0), *late = api_.input(context, 5);
    const int64_t rows = row_count(api_.shape(input)), asked = *api_.data<int64_t>(api_.input(context, 4));
    const std::vector<int64_t> sizes = {rows, layer_.wanted(asked)};
    *api_.output<int64_t>(context, 3, {1}) = layer_.owes(asked, rows) ? 1 : 0;
    layer_.find(context, api_.data<float>(input), rows, asked,
                api_.output<int64_t>(context, 0, sizes), api_.output<float>(context, 1, sizes));
    const int64_t later = row_count(api_.shape(late));
    layer_.normalise(context, api_.data<float>(late), later, api_.output<float>(context, 2, {later}));
  }

 private:
  ort::Api api_;
  OutputLayer layer_;
};

}  // namespace lingraft
