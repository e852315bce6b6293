#include "pages.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace lingraft {
namespace {

constexpr size_t kPage = size_t(2) << 20;
constexpr size_t kStretch = 16 * kPage;  // untouched pages take no memory
constexpr size_t kLine = 64;

struct Stretch {
  uint8_t* begin;
  size_t size, used = 0;

  explicit Stretch(size_t bytes) : size((bytes + kPage - 1) / kPage * kPage) {
    begin = static_cast<uint8_t*>(std::aligned_alloc(kPage, size));
    if (begin == nullptr) throw std::bad_alloc();
#ifdef __linux__
    madvise(begin, size, MADV_HUGEPAGE);  // a wish: where it is not granted, pages are small
#endif
  }
  Stretch(const Stretch&) = delete;
  Stretch& operator=(const Stretch&) = delete;
  ~Stretch() { std::free(begin); }
};

}  // namespace

std::shared_ptr<uint8_t[]> in_large_pages(size_t bytes) {
  static std::mutex guard;
  static std::weak_ptr<Stretch> last;  // those who use it own it
  const size_t needed = (std::max<size_t>(bytes, 1) + kLine - 1) / kLine * kLine;
  const std::lock_guard<std::mutex> locked(guard);
  std::shared_ptr<Stretch> stretch = last.lock();
  if (stretch == nullptr || stretch->size - stretch->used < needed) {
    stretch = std::make_shared<Stretch>(std::max(needed, kStretch));
    last = stretch;
  }
  uint8_t* begin = stretch->begin + stretch->used;
  stretch->used += needed;
  return {stretch, begin};
}

}  // namespace lingraft
