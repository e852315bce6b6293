// What all operators of the domain "lingraft" are made of.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kernels.h"
#include "ort.h"

namespace lingraft {

constexpr int64_t kTaskColumns = 512;  // columns that one task multiplies
constexpr int64_t kTaskRows = 16;      // rows of one query that one task attends for

// Quantised rows of the thread that runs the operator; its helpers only read them.
inline thread_local Rows current_rows;

inline int64_t row_count(const std::vector<int64_t>& sizes) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) rows *= sizes[i];
  return rows;
}

// Calls use(begin, end) for all columns of a product, kTaskColumns in a task.
template <typename Use>
void for_columns(const ort::Api& api, const ort::Context* context, const Weights& weights, Use use) {
  const int64_t tasks = (weights.padded_n + kTaskColumns - 1) / kTaskColumns;
  auto task = [&](size_t index) {
    const int64_t begin = int64_t(index) * kTaskColumns;
    use(begin, std::min(begin + kTaskColumns, weights.padded_n));
    kernels().release();
  };
  api.parallel(context, size_t(tasks), task);
}

// Calls use(begin, end) for all rows, kTaskRows in a task.
template <typename Use>
void for_rows(const ort::Api& api, const ort::Context* context, int64_t rows, Use use) {
  auto task = [&](size_t index) {
    const int64_t begin = int64_t(index) * kTaskRows;
    use(begin, std::min(begin + kTaskRows, rows));
  };
  api.parallel(context, size_t((rows + kTaskRows - 1) / kTaskRows), task);
}

// Output `to` of a cache, that of input `from`, which may be in the same memory.
inline Half* renewed(const ort::Api& api, ort::Context* context, size_t from, size_t to) {
  const ort::Value* past = api.input(context, from);
  const std::vector<int64_t> sizes = api.shape(past);
  Half* present = api.output<Half>(context, to, sizes);
  const Half* before = api.data<Half>(past);
  const size_t count = size_t(row_count(sizes) * sizes.back());
  if (present != before) std::memcpy(present, before, count * sizeof(Half));
  return present;
}

// y [R,N] = activation(x W + b).
inline void dense(const ort::Api& api, const ort::Context* context, const float* x, int64_t rows,
           const Weights& weights, int64_t activation, float* y) {
  Rows& quantised = current_rows;
  quantised.quantise(x, rows, weights);
  for_columns(api, context, weights, [&](int64_t begin, int64_t end) {
    kernels().dense[activation](quantised, weights, begin, end, y);
  });
}

// Raises unless a constant has so many values.
inline void require(const ort::Api& api, const ort::KernelInfo* info, size_t input, int64_t count) {
  int64_t values = 1;
  for (const int64_t size : api.shape(api.constant(info, input))) values *= size;
  if (values != count) throw std::runtime_error("a constant of another size than its layer");
}

// Weights, scale and bias of a layer, the inputs from `first` on.
inline Weights packed(const ort::Api& api, const ort::KernelInfo* info, size_t first = 1) {
  const ort::Value* weights = api.constant(info, first);
  const std::vector<int64_t> sizes = api.shape(weights);
  for (const size_t column_wise : {1, 2}) require(api, info, first + column_wise, sizes.at(1));
  return Weights::pack(api.data<int8_t>(weights), api.data<float>(api.constant(info, first + 1)),
                       api.data<float>(api.constant(info, first + 2)), sizes.at(0), sizes.at(1));
}

inline int64_t activation(const ort::Api& api, const ort::KernelInfo* info) {
  const int64_t result = api.integer(info, "activation");
  if (result < kNone || result > kGeluTanh) throw std::runtime_error("activation");
  return result;
}

// y = LayerNorm(y + residual), each of `rows` rows [N].
inline void add_and_norm(float* y, const float* residual, const float* gamma, const float* beta,
                         int64_t rows, int64_t n, float epsilon) {
  for (int64_t row = 0; row < rows; ++row, y += n, residual += n) {
    kernels().add_and_norm(y, residual, gamma, beta, n, epsilon);
  }
}

// `count` numbers in `room`, which grows as it must, from the beginning of a line of the caches on.
template <typename Number>
Number* aligned(std::vector<Number>& room, int64_t count) {
  constexpr size_t line = 64;
  room.resize(std::max(room.size(), size_t(count) + line / sizeof(Number)));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(room.data());
  return reinterpret_cast<Number*>((begin + line - 1) / line * line);
}

// The two layers of a feed-forward part; weights, scales and biases are the inputs from `first` on. The
// many values between them are made and used for a part of the rows before the next, in a nearer cache.
class FeedForwardLayers {
 public:
  FeedForwardLayers(const ort::Api& api, const ort::KernelInfo* info, size_t first)
      : up_(packed(api, info, first)),
        down_(packed(api, info, first + 3)),
        activation_(activation(api, info)) {
    if (up_.n != down_.k || up_.k != down_.n) throw std::runtime_error("layers that do not fit");
  }

  int64_t width() const { return up_.k; }

  // y [rows,N] = LayerNorm(x + act(x W + b) W' + b').
  void compute(const ort::Api& api, const ort::Context* context, const float* x, int64_t rows,
               const float* gamma, const float* beta, float epsilon, float* y) const {
    const int64_t parts = std::max<int64_t>((rows + kMostRows - 1) / kMostRows, 1);
    const int64_t part = (rows + parts * kRowsAtOnce - 1) / (parts * kRowsAtOnce) * kRowsAtOnce;
    thread_local std::vector<float> room;
    float* hidden = aligned(room, part * up_.n);
    for (int64_t begin = 0; begin < rows; begin += part) {
      const int64_t count = std::min(rows - begin, part);
      const float* from = x + begin * width();
      float* out = y + begin * width();
      dense(api, context, from, count, up_, activation_, hidden);
      dense(api, context, hidden, count, down_, kNone, out);
      add_and_norm(out, from, gamma, beta, count, width(), epsilon);
    }
  }

 private:
  static constexpr int64_t kMostRows = 320;

  Weights up_, down_;
  int64_t activation_;
};

inline int64_t head_size(int64_t width, int64_t heads) {
  if (heads < 1 || width % heads != 0) throw std::runtime_error("the width is not that of heads");
  return width / heads;
}

// What ONNX Runtime calls, for an operator of class `Kernel`.
template <typename Kernel>
struct Operator : ort::CustomOp {
  // `last`: of the last input and the last output.
  Operator(const char* name, std::vector<ort::Element> inputs, std::vector<ort::Element> outputs,
           int32_t last = ort::kRequired)
      : CustomOp{}, name_(name), inputs_(std::move(inputs)), outputs_(std::move(outputs)), last_(last) {
    version = ort::kOpVersion;
    CustomOp::name = [](const CustomOp* op) { return self(op)->name_; };
    provider = [](const CustomOp*) -> const char* { return nullptr; };
    input_type = [](const CustomOp* op, size_t i) { return self(op)->inputs_[i]; };
    input_count = [](const CustomOp* op) { return self(op)->inputs_.size(); };
    output_type = [](const CustomOp* op, size_t i) { return self(op)->outputs_[i]; };
    output_count = [](const CustomOp* op) { return self(op)->outputs_.size(); };
    input_kind = [](const CustomOp* op, size_t i) {
      return i + 1 == self(op)->inputs_.size() ? self(op)->last_ : ort::kRequired;
    };
    output_kind = [](const CustomOp* op, size_t i) {
      return i + 1 == self(op)->outputs_.size() ? self(op)->last_ : ort::kRequired;
    };
    variadic_input_least = variadic_output_least = [](const CustomOp*) { return 1; };
    variadic_input_same = [](const CustomOp*) { return 0; };  // of any types
    variadic_output_same = [](const CustomOp*) { return 1; };
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
  int32_t last_;
};

}  // namespace lingraft
