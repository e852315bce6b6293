#include "kernels.h"

#include <cpuid.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lingraft {
namespace {

constexpr float kHeadroom = 30;
constexpr int kRequestPermission = 0x1023, kTileData = 18;  // Linux: arch_prctl, XFEATURE_XTILEDATA

// Not every compiler's __builtin_cpu_supports knows F16C.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_amx() {
#ifdef __linux__
  return has_vnni() && __builtin_cpu_supports("avx512bf16") &&
         __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-bf16") &&
         __builtin_cpu_supports("amx-tile") &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

std::vector<Kernels> found() {
  std::vector<Kernels> result;
  if (has_amx()) result.push_back(amx_kernels());
  if (has_vnni()) result.push_back(vnni_kernels());
  if (has_avx2()) result.push_back(avx2_kernels());
  return result;
}

const Kernels* chosen = nullptr;

}  // namespace

void Best::insert(float logit, int64_t id, size_t wanted) {
  if (pieces.size() == wanted) {
    if (logit <= pieces.back().first) return;
    pieces.pop_back();
  }
  // After equal ones, whose ids are lower.
  const auto place = std::upper_bound(pieces.begin(), pieces.end(), logit,
                                      [](float a, const auto& b) { return a > b.first; });
  pieces.insert(place, {logit, id});
}

void Best::settle() {
  const float most = pieces.front().first;
  if (most <= offset + kHeadroom) return;
  const float scale = std::exp(offset - most);
  for (float& sum : sums) sum *= scale;
  offset = most;
}

double Best::total() const {
  double result = 0;
  for (float sum : sums) result += sum;
  return result;
}

const std::vector<Kernels>& offered() {
  static const std::vector<Kernels> result = found();
  return result;
}

const Kernels& kernels() { return chosen != nullptr ? *chosen : offered().front(); }

bool choose(const char* name) {
  for (const Kernels& each : offered()) {
    if (*name == 0 || std::strcmp(each.name, name) == 0) {
      chosen = &each;
      return true;
    }
  }
  return false;
}

}  // namespace lingraft
