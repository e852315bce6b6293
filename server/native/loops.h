// The vector loops, in the namespace LINGRAFT_ISA, whose vectors (avx512.h, avx2.h) come before.
//
// No `#pragma once`: a file for each instruction set includes it. Every function names its target, so
// that nothing of the standard library is ever compiled for a processor that may not be there.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels.h"

namespace lingraft::LINGRAFT_ISA {

constexpr int64_t kVectors = kColumns / kLanes;  // of a panel
constexpr float kLowest = -std::numeric_limits<float>::infinity();

#include "arithmetic.h"

#include "products.h"

#include "attention.h"

// The table of these loops; what multiplies, and on which values, comes from elsewhere.
template <typename Value>
Kernels table(const char* name, Multiply multiply, void (*release)()) {
  return {name,
          sizeof(Value),
          quantise_row<Value>,
          multiply,
          release,
          {dense<kNone>, dense<kRelu>, dense<kSwish>, dense<kGelu>, dense<kGeluTanh>},
          add_and_norm,
          scan,
          to_halves,
          attend_source,
          attend_past,
          attend_all};
}

}  // namespace lingraft::LINGRAFT_ISA
