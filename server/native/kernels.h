// The vector loops of all operators, once for each kind of processor, and the choice among them.
#pragma once

#include <limits>
#include <utility>
#include <vector>

#include "gemm.h"
#include "screen.h"

namespace lingraft {

enum Activation : int64_t { kNone = 0, kRelu = 1, kSwish = 2, kGelu = 3, kGeluTanh = 4 };
constexpr int64_t kSlack = 64;  // what a row of scores has room for beyond its last one

// The best pieces of one row seen so far, and the normaliser: sums of e^(logit - offset).
struct Best {
  std::vector<std::pair<float, int64_t>> pieces;  // best first
  float offset = 0;
  alignas(64) float sums[16] = {};
  double all = 0;  // the sum of e^(logit - the best logit), once all columns have been seen

  void insert(float logit, int64_t id, size_t wanted);
  // Moves the offset up to the best logit where e^(best - offset) could grow out of bounds.
  void settle();
  double total() const;

  float least(size_t wanted) const {
    return pieces.size() == wanted ? pieces.back().first
                                   : -std::numeric_limits<float>::infinity();
  }
};

using Half = uint16_t;    // the bits of an IEEE 754 binary16
using Bfloat = uint16_t;  // the upper half of those of a float

// One query a row over the keys and values [G,positions,H*D] of its source; `group` rows have one.
struct CrossCall {
  const float* query;
  const Half *key, *value;
  const int64_t* lengths;
  float *context, *shares;
  int64_t heads, size, positions, group;
};

// One new position a row: packed [B,3*H*D], caches of keys and of values [B,room,H*D].
struct SelfCall {
  const float* packed;
  const int32_t* past;
  float* context;
  Half* cache[2];
  int64_t heads, room, size;
};

// All positions of a row among themselves: packed [B,S,3*H*D].
struct EncoderCall {
  const float* packed;
  const int32_t* last;
  float* context;
  int64_t heads, positions, width, size;
};

// The first `asking` positions of one text look at all of it: packed [length,3*H*D], behind which 31
// more rows may be read -> context [asking,H*D].
struct TextCall {
  const Bfloat* packed;
  float* context;
  int64_t length, asking, heads, size;
};

struct Kernels {
  const char* name;  // of the instructions
  int value_bytes;   // of a quantised activation: 1 for int8, 2 for int16
  void (*quantise_row)(const float* x, int64_t k, int64_t padded_k, void* values, float* scale,
                       int32_t* correction);
  Multiply multiply;
  void (*release)();  // what `multiply` holds of the processor, when a thread is done

  // y [R,N] = activation(x W + b), its columns from `begin` to `end`; by activation.
  void (*dense[5])(const Rows& rows, const Weights& weights, int64_t begin, int64_t end, float* y);
  // y = LayerNorm(y + residual) for one row of n values.
  void (*add_and_norm)(float* y, const float* residual, const float* gamma, const float* beta,
                       int64_t n, float epsilon);
  // The best of each row among the columns from `begin` to `end`.
  void (*scan)(const Rows& rows, const Weights& weights, int64_t begin, int64_t end, size_t wanted,
               Best* best);
  void (*to_halves)(const float* x, int64_t count, Half* y);
  // Rows from `begin` to `end`.
  void (*attend_source)(const CrossCall& call, int64_t begin, int64_t end);
  void (*attend_past)(const SelfCall& call, int64_t begin, int64_t end);
  void (*attend_all)(const EncoderCall& call, int64_t row);

  // For one row: of each panel from `begin` to `end` (columns) the highest logit that any of its columns
  // can have, to bounds[panel]. Where 4 bits are multiplied as fast as they are read.
  void (*foresee)(const Rows& row, const Weights& weights, const Screen& screen, int64_t begin,
                  int64_t end, float* bounds) = nullptr;

  // Where there are products of bfloat16; heads of kColumns values or multiples of them only.
  void (*dense_bfloat)(const Rows& rows, const Weights& weights, int64_t begin, int64_t end,
                       Bfloat* y) = nullptr;
  void (*attend_text)(const TextCall& call) = nullptr;
};

// What this processor runs, best first; none where it lacks AVX2.
const std::vector<Kernels>& offered();

// Those in use: the best, until `choose` has said otherwise.
const Kernels& kernels();

// For tests that compare them: those of this name from now on, the best for "". False: not offered.
bool choose(const char* name);

// Of `vnni_kernels`, which AMX takes too where there are few rows.
void multiply_vnni(const Rows& rows, int64_t row, int64_t count, const uint8_t* panel,
                   int32_t* sums);

void foresee_vnni(const Rows& row, const Weights& weights, const Screen& screen, int64_t begin,
                  int64_t end, float* bounds);

Kernels amx_kernels();
Kernels vnni_kernels();
Kernels avx2_kernels();

}  // namespace lingraft
