// Operators of the domain "lingraft", and their registration.
#include <algorithm>
#include <exception>
#include <limits>

#include "decoder.h"
#include "encoder.h"

namespace lingraft {
namespace {

// Dense: x float [..,K], weights int8 [K,N], scale float [N], bias float [N] -> float [..,N].
// DenseNorm: further residual [..,N], gamma [N], beta [N]; LayerNorm(residual + x W + b).
class Dense {
 public:
  Dense(const ort::Api& api, const ort::KernelInfo* info, bool norm)
      : api_(api), norm_(norm), weights_(packed(api, info)) {
    if (norm_) {
      epsilon_ = api_.real(info, "epsilon");
    } else {
      activation_ = activation(api_, info);
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
    add_and_norm(y, residual, gamma, beta, rows, weights_.n, epsilon_);
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
    if (sources == 0 ? rows > 0 : rows % sources != 0) {
      throw std::runtime_error("rows are no whole groups");
    }
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
                         sources == 0 ? 1 : rows / sources};
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
    for (size_t part = 0; part < 2; ++part) {
      call.cache[part] = renewed(api_, context, 1 + part, 1 + part);
    }
    for_rows(api_, context, rows, [&](int64_t begin, int64_t end) {
      kernels().attend_past(call, begin, end);
    });
  }

 private:
  ort::Api api_;
  int64_t heads_;
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
  static Operator<BestPieces> best("BestPieces",
                                   {kFloat, kInt8, kFloat, kFloat, kInt64, kFloat},
                                   {kInt64, kFloat, kFloat, kInt64});
  static Operator<DenseHalves> halves(
      "DenseHalves", {kFloat, kInt8, kFloat, kFloat, kInt64, kInt64}, {kHalf, kHalf});
  static Operator<CrossAttention> cross("CrossAttention", {kFloat, kHalf, kHalf, kInt64},
                                        {kFloat, kFloat});
  static Operator<SelfAttention> self("SelfAttention", {kFloat, kHalf, kHalf, kInt32},
                                      {kFloat, kHalf, kHalf});
  static Operator<PackedAttention> encoder(
      "PackedAttention", {kFloat, kInt8, kFloat, kFloat, kInt64}, {kFloat});
  static Operator<DenseAttention> attention(
      "DenseAttention",
      {kFloat, kInt8, kFloat, kFloat, kInt8, kFloat, kFloat, kInt8, kFloat, kFloat, kInt64},
      {kFloat});
  static Operator<FeedForward> feed_forward(
      "FeedForward", {kFloat, kInt8, kFloat, kFloat, kInt8, kFloat, kFloat, kFloat, kFloat},
      {kFloat});
  // Behind the fixed ones: constants and caches of all layers, and the caches of the past.
  static Operator<Decoder> decoder(
      "Decoder", {kInt64, kInt32, kInt64, kInt64, kFloat, kInt64, kInt32, ort::kAny},
      {kInt64, kFloat, kFloat, kFloat, kInt64, kInt64, kFloat, kHalf}, ort::kVariadic);
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
                                    static_cast<const ort::CustomOp*>(&encoder),
                                    static_cast<const ort::CustomOp*>(&attention),
                                    static_cast<const ort::CustomOp*>(&feed_forward),
                                    static_cast<const ort::CustomOp*>(&decoder)}) {
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
