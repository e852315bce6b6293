// Memory for weights, in large pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lingraft {

// `bytes` bytes on a cache line's boundary, their content undefined. One stretch of memory holds many
// and is given back when the last of them is gone. Reading all weights of a decoder touches ten
// thousand pages of 4 KiB, whose places a processor cannot all remember, and it does not fetch ahead
// from one to the next.
std::shared_ptr<uint8_t[]> in_large_pages(size_t bytes);

}  // namespace lingraft
