// Operators of the domain "lingraft", and their registration.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <limits>

#include "kernels.h"
#include "ort.h"

namespace lingraft {
namespace {

constexpr int64_t kTaskColumns = 512;  // columns that one task multiplies
constexpr int64_t kTaskRows = 16;      // rows of one query that one task attends for

// Quantised rows of the thread that runs the operator; its helpers only read them.
thread_local Rows current_rows;

void dense(const ort::Api& api, const ort::Context* context, const float* x, int64_t rows,
           const Weights& weights, int64_t activation, float* y) {
  Rows& quantised = current_rows;
  quantised.quantise(x, rows, weights);
  const int64_t tasks = (weights.padded_n + kTaskColumns - 1) / kTaskColumns;
  auto task = [&](size_t index) {
    const int64_t begin = int64_t(index) * kTaskColumns;
    const int64_t end = std::min(begin + kTaskColumns, weights.padded_n);
    kernels().dense[activation](quantised, weights, begin, end, y);
    kernels().release();
  };
  api.parallel(context, size_t(tasks), task);
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
      kernels().add_and_norm(y + row * weights_.n, residual + row * weights_.n, gamma, beta,
                             weights_.n, epsilon_);
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
      kernels().scan(quantised, weights_, begin, std::min(begin + kPart, weights_.padded_n),
                     size_t(wanted), parts[part].data());
      kernels().release();
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

  ort::Api api_;
  Weights weights_;
};

// Calls use(begin, end) for all rows, kTaskRows in a task.
template <typename Use>
void for_rows(const ort::Api& api, const ort::Context* context, int64_t rows, Use use) {
  auto task = [&](size_t index) {
    const int64_t begin = int64_t(index) * kTaskRows;
    use(begin, std::min(begin + kTaskRows, rows));
  };
  api.parallel(context, size_t((rows + kTaskRows - 1) / kTaskRows), task);
}

// DenseHalves: as Dense with x [B*S,K], then ids int64 [B,S], for their shape -> two float16
// [B,S,N/2], the first and the second half of the columns.
class DenseHalves {
 public:
  DenseHalves(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), weights_(packed(api, info)) {
    if (weights_.n % 2 != 0) throw std::runtime_error("N is not even");
  }

  void compute(ort::Context* context) const {
    const ort::Value* input = api_.input(context, 0);
    std::vector<int64_t> sizes = api_.shape(api_.input(context, 4));
    const int64_t rows = row_count(api_.shape(input)), half = weights_.n / 2;
    if (rows != row_count(sizes) * sizes.back()) throw std::runtime_error("x has not B*S rows");
    if (api_.shape(input).back() != weights_.k) throw std::runtime_error("x has not K columns");
    thread_local std::vector<float> floats;
    floats.resize(rows * weights_.n);
    dense(api_, context, api_.data<float>(input), rows, weights_, kNone, floats.data());
    sizes.push_back(half);
    for (size_t part = 0; part < 2; ++part) {
      Half* out = api_.output<Half>(context, part, sizes);
      for (int64_t row = 0; row < rows; ++row) {
        kernels().to_halves(floats.data() + row * weights_.n + part * half, half, out + row * half);
      }
    }
  }

 private:
  ort::Api api_;
  Weights weights_;
};

int64_t head_size(int64_t width, int64_t heads) {
  if (heads < 1 || width % heads != 0) throw std::runtime_error("the width is not that of heads");
  return width / heads;
}

// CrossAttention: query float [B,H*D] scaled already, key and value float16 [G,S,H*D], lengths int64
// [B] -> context [B,H*D], shares [B,S]: their mean over heads. Row b looks at source b / (B / G).
// Attribute heads: H.
class CrossAttention {
 public:
  CrossAttention(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), heads_(api.integer(info, "heads")) {}

  void compute(ort::Context* context) const {
    const ort::Value* query = api_.input(context, 0);
    const std::vector<int64_t> sizes = api_.shape(query), keys = api_.shape(api_.input(context, 1));
    const int64_t rows = sizes.at(0), sources = keys.at(0), positions = keys.at(1);
    if (sources == 0 || rows % sources != 0) throw std::runtime_error("rows are no whole groups");
    if (keys != api_.shape(api_.input(context, 2)) || keys.at(2) != sizes.at(1)) {
      throw std::runtime_error("keys and values are not [G,S,H*D]");
    }
    const CrossCall call{api_.data<float>(query),
                         api_.data<Half>(api_.input(context, 1)),
                         api_.data<Half>(api_.input(context, 2)),
                         api_.data<int64_t>(api_.input(context, 3)),
                         api_.output<float>(context, 0, sizes),
                         api_.output<float>(context, 1, {rows, positions}),
                         heads_,
                         head_size(sizes.at(1), heads_),
                         positions,
                         rows / sources};
    for_rows(api_, context, rows, [&](int64_t begin, int64_t end) {
      kernels().attend_source(call, begin, end);
    });
  }

 private:
  ort::Api api_;
  int64_t heads_;
};

// SelfAttention: packed float [B,3*H*D] (queries, keys, values), past_key and past_value float16
// [B,T,H*D], past_lengths int32 [B] -> context [B,H*D], present_key and present_value, which may share
// the memory of the past. The new key and value are written at position past_lengths[b]. Attribute
// heads: H.
class SelfAttention {
 public:
  SelfAttention(const ort::Api& api, const ort::KernelInfo* info)
      : api_(api), heads_(api.integer(info, "heads")) {}

  void compute(ort::Context* context) const {
    const ort::Value* packed = api_.input(context, 0);
    const std::vector<int64_t> cache = api_.shape(api_.input(context, 1));
    const int64_t rows = cache.at(0), room = cache.at(1), width = cache.at(2);
    SelfCall call{api_.data<float>(packed), api_.data<int32_t>(api_.input(context, 3)),
                  api_.output<float>(context, 0, {rows, width}), {},
                  heads_, room, head_size(width, heads_)};
    const size_t bytes = size_t(rows * room * width) * sizeof(Half);
    for (size_t part = 0; part < 2; ++part) {
      const Half* past = api_.data<Half>(api_.input(context, 1 + part));
      call.cache[part] = api_.output<Half>(context, 1 + part, cache);
      if (call.cache[part] != past) std::memcpy(call.cache[part], past, bytes);
    }
    for_rows(api_, context, rows, [&](int64_t begin, int64_t end) {
      kernels().attend_past(call, begin, end);
    });
  }

 private:
  ort::Api api_;
  int64_t heads_;
};

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
  using ort::kFloat, ort::kHalf, ort::kInt8, ort::kInt32, ort::kInt64;
  static Operator<DensePlain> dense("Dense", {kFloat, kInt8, kFloat, kFloat}, {kFloat});
  static Operator<DenseNorm> norm(
      "DenseNorm", {kFloat, kInt8, kFloat, kFloat, kFloat, kFloat, kFloat}, {kFloat});
  static Operator<BestPieces> best("BestPieces", {kFloat, kInt8, kFloat, kFloat, kInt64},
                                   {kInt64, kFloat});
  static Operator<DenseHalves> halves("DenseHalves",
                                      {kFloat, kInt8, kFloat, kFloat, kInt64}, {kHalf, kHalf});
  static Operator<CrossAttention> cross("CrossAttention", {kFloat, kHalf, kHalf, kInt64},
                                        {kFloat, kFloat});
  static Operator<SelfAttention> self("SelfAttention", {kFloat, kHalf, kHalf, kInt32},
                                      {kFloat, kHalf, kHalf});
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
                                    static_cast<const ort::CustomOp*>(&halves),
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

LINGRAFT_EXPORT int lingraft_supported() { return lingraft::offered().empty() ? 0 : 1; }
LINGRAFT_EXPORT const char* lingraft_instruction_set() { return lingraft::kernels().name; }
LINGRAFT_EXPORT int lingraft_choose(const char* name) { return lingraft::choose(name) ? 1 : 0; }
}
