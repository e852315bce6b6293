// The part of ONNX Runtime's C interface that custom operators need, by position.
//
// The Python wheels bring no header. Its table of functions only ever grows at the end (the
// "ORT API" versioning rule of ONNX Runtime), so a position names a function for good.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace ort {

struct Status;
struct Value;
struct Shape;
struct KernelInfo;
struct Context;
struct SessionOptions;
struct Domain;

using Table = void* const*;
struct ApiBase {
  Table (*table)(uint32_t version);
  const char* (*version_string)();
};

constexpr uint32_t kApiVersion = 17;  // of ONNX Runtime 1.17, which brought ParallelFor
constexpr uint32_t kOpVersion = 16;   // up to and with KernelComputeV2

enum Position : size_t {
  kCreateStatus = 0,
  kCreateDomain = 26,
  kDomainAdd = 27,
  kAddDomain = 28,
  kTensorData = 51,
  kElementType = 60,
  kDimensionsCount = 61,
  kDimensions = 62,
  kTensorShape = 65,
  kAttributeFloat = 85,
  kAttributeInt = 86,
  kContextInput = 90,
  kContextOutput = 91,
  kReleaseShape = 99,
  kConstantInput = 249,
  kParallelFor = 274,
};

enum Kind : int32_t { kRequired = 0, kOptional = 1, kVariadic = 2 };  // of an input or output
enum Element : int32_t { kAny = 0, kFloat = 1, kInt8 = 3, kInt32 = 6, kInt64 = 7, kHalf = 10 };

// struct OrtCustomOp of operators' version 16.
struct CustomOp {
  uint32_t version;
  void* (*create)(const CustomOp*, Table, const KernelInfo*);
  const char* (*name)(const CustomOp*);
  const char* (*provider)(const CustomOp*);
  Element (*input_type)(const CustomOp*, size_t);
  size_t (*input_count)(const CustomOp*);
  Element (*output_type)(const CustomOp*, size_t);
  size_t (*output_count)(const CustomOp*);
  void (*compute)(void*, Context*);
  void (*destroy)(void*);
  int32_t (*input_kind)(const CustomOp*, size_t);
  int32_t (*output_kind)(const CustomOp*, size_t);
  int32_t (*input_memory)(const CustomOp*, size_t);
  int32_t (*variadic_input_least)(const CustomOp*);
  int32_t (*variadic_input_same)(const CustomOp*);
  int32_t (*variadic_output_least)(const CustomOp*);
  int32_t (*variadic_output_same)(const CustomOp*);
  Status* (*create_v2)(const CustomOp*, Table, const KernelInfo*, void**);
  Status* (*compute_v2)(void*, Context*);
};

// Calls by position; a failed call becomes an exception.
class Api {
 public:
  Api() = default;
  explicit Api(Table table) : table_(table) {}

  template <typename... Arguments>
  void call(Position position, Arguments... arguments) const {
    using Function = Status* (*)(Arguments...);
    if (reinterpret_cast<Function>(table_[position])(arguments...) != nullptr) {
      throw std::runtime_error("ONNX Runtime refused call " + std::to_string(position));
    }
  }

  Status* failure(const char* message) const {
    using Function = Status* (*)(int32_t, const char*);
    return reinterpret_cast<Function>(table_[kCreateStatus])(1, message);
  }

  std::vector<int64_t> shape(const Value* value) const {
    Shape* info = nullptr;
    call(kTensorShape, value, &info);
    size_t rank = 0;
    call(kDimensionsCount, static_cast<const Shape*>(info), &rank);
    std::vector<int64_t> sizes(rank);
    call(kDimensions, static_cast<const Shape*>(info), sizes.data(), rank);
    reinterpret_cast<void (*)(Shape*)>(table_[kReleaseShape])(info);
    return sizes;
  }

  Element element(const Value* value) const {
    Shape* info = nullptr;
    call(kTensorShape, value, &info);
    Element result = kAny;
    call(kElementType, static_cast<const Shape*>(info), &result);
    reinterpret_cast<void (*)(Shape*)>(table_[kReleaseShape])(info);
    return result;
  }

  template <typename T>
  const T* data(const Value* value) const {
    void* memory = nullptr;
    call(kTensorData, const_cast<Value*>(value), &memory);
    return static_cast<const T*>(memory);
  }

  const Value* input(const Context* context, size_t index) const {
    const Value* value = nullptr;
    call(kContextInput, context, index, &value);
    return value;
  }

  template <typename T>
  T* output(Context* context, size_t index, const std::vector<int64_t>& sizes) const {
    Value* value = nullptr;
    call(kContextOutput, context, index, sizes.data(), sizes.size(), &value);
    return value == nullptr ? nullptr : const_cast<T*>(data<T>(value));
  }

  const Value* constant(const KernelInfo* info, size_t index) const {
    int32_t is_constant = 0;
    const Value* value = nullptr;
    call(kConstantInput, info, index, &is_constant, &value);
    if (!is_constant) throw std::runtime_error("an input that must be constant is not");
    return value;
  }

  int64_t integer(const KernelInfo* info, const char* name) const {
    int64_t value = 0;
    call(kAttributeInt, info, name, &value);
    return value;
  }

  float real(const KernelInfo* info, const char* name) const {
    float value = 0;
    call(kAttributeFloat, info, name, &value);
    return value;
  }

  // Runs task(0) to task(count - 1) on the session's threads and waits.
  template <typename Task>
  void parallel(const Context* context, size_t count, Task& task) const {
    if (count == 1) {
      task(0);
      return;
    }
    void (*run)(void*, size_t) = [](void* data, size_t index) { (*static_cast<Task*>(data))(index); };
    call(kParallelFor, context, run, count, size_t(0), static_cast<void*>(&task));
  }

 private:
  Table table_ = nullptr;
};

}  // namespace ort
