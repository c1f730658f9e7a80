// Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
#include "patina/checkpoint/gguf_writer.h"

#include <algorithm>
#include <cstring>

#include "patina/base/error.h"
#include "patina/checkpoint/gguf.h"

namespace patina {

namespace {

constexpr uint32_t kVersion3 = 3, kF32 = 0;
constexpr size_t kAlignment = 32, kLongestName = 63;

// The number of a value's type in the file, in the order of GgufWriter::Value.
constexpr uint32_t kValueTypes[] = {7, 4, 6, 8};

bool is_key(const std::string& key) {
  return !key.empty() && key.size() <= GgufFile::kLongestKey &&
         std::ranges::all_of(key, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
         });
}

// Little-endian, like every machine that patina is built for.
class Buffer {
 public:
  template <class T>
  void number(T value) {
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
  }
  void text(const std::string& text) {
    number(uint64_t(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  void pad() { bytes.resize((bytes.size() + kAlignment - 1) / kAlignment * kAlignment); }

  Bytes bytes;
};

size_t padded(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

void GgufWriter::set(const std::string& key, Value value) {
  PATINA_REQUIRE(is_key(key), "\"{}\" is no key of a GGUF file", key);
  PATINA_REQUIRE(std::ranges::find(settings_, key, &Setting::key) == settings_.end(),
                 "the key {} is set twice", key);
  settings_.push_back({key, std::move(value)});
}

void GgufWriter::add(const std::string& name, const std::vector<int64_t>& shape,
                     std::span<const float> numbers) {
  PATINA_REQUIRE(!name.empty() && name.size() <= kLongestName, "the name {} has more than {} bytes",
                 name, kLongestName);
  PATINA_REQUIRE(std::ranges::find(tensors_, name, &Entry::name) == tensors_.end(),
                 "the tensor {} is added twice", name);
  PATINA_REQUIRE(!shape.empty() && shape.size() <= GgufFile::kMostDimensions,
                 "{} has {} dimensions", name, shape.size());
  uint64_t count = 1;
  for (const int64_t extent : shape)
    PATINA_REQUIRE(extent > 0 && !__builtin_mul_overflow(count, uint64_t(extent), &count),
                   "{} has an extent of {}", name, extent);
  PATINA_REQUIRE(count == numbers.size(), "{}: {} numbers do not fit the shape", name,
                 numbers.size());
  tensors_.push_back({name, shape, numbers});
}

void GgufWriter::write(const fs::path& path) const {
  Buffer head;
  head.bytes = {'G', 'G', 'U', 'F'};
  head.number(kVersion3);
  head.number(uint64_t(tensors_.size()));
  head.number(uint64_t(settings_.size()));
  for (const auto& [key, value] : settings_) {
    head.text(key);
    head.number(kValueTypes[value.index()]);
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>)
            head.text(v);
          else if constexpr (std::is_same_v<T, bool>)
            head.number(uint8_t(v));
          else
            head.number(v);
        },
        value);
  }
  uint64_t offset = 0;
  for (const auto& [name, shape, numbers] : tensors_) {
    head.text(name);
    head.number(uint32_t(shape.size()));
    for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent)
      head.number(uint64_t(*extent));
    head.number(kF32);
    head.number(offset);
    offset += padded(numbers.size_bytes());
  }
  head.pad();
  AtomicFile file(path);
  file.write(head.bytes.data(), head.bytes.size());
  const Bytes zeros(kAlignment);
  for (const auto& [name, shape, numbers] : tensors_) {
    file.write(numbers.data(), numbers.size_bytes());
    file.write(zeros.data(), padded(numbers.size_bytes()) - numbers.size_bytes());
  }
  file.commit();
}

}  // namespace patina
