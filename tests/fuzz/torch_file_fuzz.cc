// Any bytes are a file of torch.save's or a patina::Error; every tensor has the bytes that its
// shape needs, and copies of strided ones take no more memory than the file.
#include <cstdint>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/checkpoint/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static_cast<void>(patina::is_torch_file({data, size}));
  for (const char* part : {"", "a"}) try {
      const auto file = patina::parse_torch_file({data, size}, "fuzz", part);
      unsigned sum = 0;
      for (const auto& [name, tensor] : file.tensors()) {
        uint64_t bytes = patina::size_of(tensor.dtype);
        for (const int64_t extent : tensor.shape) bytes *= uint64_t(extent);
        if (bytes != tensor.data.size()) std::abort();
        if (!tensor.data.empty()) sum += tensor.data.front() + unsigned{tensor.data.back()};
      }
      if (sum == ~0u) std::abort();  // keeps the reads
    } catch (const patina::Error&) {
    }
  return 0;
}
