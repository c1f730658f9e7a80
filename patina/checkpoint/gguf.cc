// One GGUF file, checked in full before a tensor is handed out.
#include "patina/checkpoint/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr const char* kAlignmentKey = "general.alignment";
constexpr uint64_t kUsualAlignment = 32, kLargestAlignment = 1 << 20;
constexpr uint64_t kLongestTensorName = 255;
constexpr uint64_t kShortestSetting = 8 + 4 + 1, kShortestTensor = 8 + 4 + 8 + 4 + 8;

// A name in a message: what is not printable ASCII is replaced.
std::string shown(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (c < 0x20 || c > 0x7e) c = '?';
  return text.size() > kLongest ? out + "..." : out;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

int64_t GgufTensor::count() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

void dequantize_rows(const GgufTensor& tensor, int64_t from, int64_t to, std::span<float> numbers) {
  const int64_t width = tensor.shape.back(), rows = width > 0 ? tensor.count() / width : 0;
  PATINA_REQUIRE(0 <= from && from <= to && to <= rows, "rows {} to {} of {}", from, to, rows);
  const kernels::BlockFormat& block = kernels::block_format(tensor.type);
  const auto bytes = size_t(width / block.numbers * block.bytes);
  kernels::dequantize(
      tensor.type, tensor.data.subspan(size_t(from) * bytes, size_t(to - from) * bytes), numbers);
}

std::string GgufValue::text() const {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* array = std::get_if<Array>(&value))
    return fmt::format("[{} values]", array->size());
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  return std::to_string(std::get<uint64_t>(value));
}

// Walks through the bytes of a file once, in the order of the format.
class GgufReader {
 public:
  GgufReader(std::span<const uint8_t> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  GgufFile read() {
    GgufFile file;
    file.origin_ = origin_;
    read_magic();
    const auto tensors = count("tensors", GgufFile::kMostTensors, kShortestTensor);
    const auto settings = count("settings", GgufFile::kMostSettings, kShortestSetting);
    for (uint64_t i = 0; i < settings; ++i) read_setting(file.settings_);
    alignment_ = alignment_of(file);
    for (uint64_t i = 0; i < tensors; ++i) read_tensor(file.tensors_);
    place(file.tensors_);
    return file;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::format, "{}: not a GGUF file that patina reads: {}", origin_,
         fmt::format(text, std::forward<Args>(args)...));
  }

  template <class T>
  T next(std::string_view what) {
    if (bytes_.size() - at_ < sizeof(T)) refuse("the file ends within {}; is it complete?", what);
    T value;
    std::memcpy(&value, &bytes_[at_], sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string next_text(std::string_view what, uint64_t limit) {
    const auto length = next<uint64_t>(what);
    if (length > limit) refuse("{} of {} bytes, more than {}", what, length, limit);
    if (length > bytes_.size() - at_) refuse("the file ends within {}; is it complete?", what);
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + at_, size_t(length));
    at_ += size_t(length);
    return text;
  }

  void read_magic() {
    if (!GgufFile::is_one(bytes_)) refuse("it does not begin with \"GGUF\"");
    at_ = kMagic.size();
    const auto version = next<uint32_t>("the version");
    if (version != 0 && (version & 0xffff) == 0) refuse("it is big-endian");
    if (version != 2 && version != 3)
      refuse("version {}; versions 2 and 3 are read, llama.cpp's gguf-py converts others", version);
  }

  uint64_t count(std::string_view what, uint64_t limit, uint64_t least_bytes) {
    const auto count = next<uint64_t>("the counts");
    if (count > limit) refuse("{} {}, more than {}", count, what, limit);
    if (count > bytes_.size() / least_bytes)
      refuse("{} {} in {} bytes; is it complete?", count, what, bytes_.size());
    return count;
  }

  void read_setting(std::map<std::string, GgufValue>& settings) {
    const auto key = next_text("a setting's key", GgufFile::kLongestKey);
    if (!is_printable(key)) refuse("the setting \"{}\" is not named in ASCII", shown(key));
    const auto type = next<uint32_t>(key);
    if (!settings.emplace(key, value(type, key, 0)).second)
      refuse("the setting {} is there twice", shown(key));
  }

  GgufValue value(uint32_t type, const std::string& key, int depth) {
    switch (type) {
      case 0:
        return {uint64_t{next<uint8_t>(key)}};
      case 1:
        return {int64_t{next<int8_t>(key)}};
      case 2:
        return {uint64_t{next<uint16_t>(key)}};
      case 3:
        return {int64_t{next<int16_t>(key)}};
      case 4:
        return {uint64_t{next<uint32_t>(key)}};
      case 5:
        return {int64_t{next<int32_t>(key)}};
      case 6:
        return {double{next<float>(key)}};
      case 7:
        return {truth(key)};
      case 8:
        return {next_text(key, bytes_.size())};
      case 9:
        return {array(key, depth + 1)};
      case 10:
        return {next<uint64_t>(key)};
      case 11:
        return {next<int64_t>(key)};
      case 12:
        return {next<double>(key)};
      default:
        refuse("the setting {} is of type {}, which does not exist", shown(key), type);
    }
  }

  bool truth(const std::string& key) {
    const auto byte = next<uint8_t>(key);
    if (byte > 1) refuse("the setting {} is a flag of {}, not of 0 or 1", shown(key), byte);
    return byte == 1;
  }

  GgufValue::Array array(const std::string& key, int depth) {
    if (depth > GgufFile::kDeepestArray)
      refuse("the setting {} has arrays in more than {} arrays", shown(key),
             GgufFile::kDeepestArray);
    const auto type = next<uint32_t>(key);
    const auto count = next<uint64_t>(key);
    // Every value takes a byte at least.
    if (count > bytes_.size() - at_)
      refuse("the setting {} has {} values; is the file complete?", shown(key), count);
    if ((array_values_ += count) > GgufFile::kMostArrayValues)
      refuse("more than {} values in the arrays of the settings", GgufFile::kMostArrayValues);
    GgufValue::Array values;
    for (uint64_t i = 0; i < count; ++i) values.push_back(value(type, key, depth));
    return values;
  }

  uint64_t alignment_of(const GgufFile& file) const {
    if (!file.sets(kAlignmentKey)) return kUsualAlignment;
    const int64_t alignment = file.whole(kAlignmentKey);
    if (alignment < 8 || alignment > int64_t(kLargestAlignment) || alignment % 8 != 0)
      refuse("{} is {}, it must be a multiple of 8 up to {}", kAlignmentKey, alignment,
             kLargestAlignment);
    return uint64_t(alignment);
  }

  void read_tensor(std::map<std::string, GgufTensor>& tensors) {
    const auto name = next_text("a tensor's name", kLongestTensorName);
    if (name.empty() || !is_printable(name))
      refuse("the tensor \"{}\" is not named in ASCII", shown(name));
    const auto dimensions = next<uint32_t>(name);
    if (dimensions < 1 || dimensions > GgufFile::kMostDimensions)
      refuse("{} has {} dimensions, not 1 to {}", name, dimensions, GgufFile::kMostDimensions);
    GgufTensor tensor;
    for (uint32_t i = 0; i < dimensions; ++i) {
      const auto extent = next<uint64_t>(name);
      if (extent > uint64_t(INT64_MAX)) refuse("{} has a dimension of {}", name, extent);
      tensor.shape.insert(tensor.shape.begin(), int64_t(extent));
    }
    const auto type = next<uint32_t>(name);
    const kernels::BlockFormat* block = kernels::block_format(type);
    if (!block)
      refuse("{} is of type {}; types that are read are {}", name, kernels::block_type_name(type),
             kernels::block_type_names());
    tensor.type = block->type;
    places_.push_back({next<uint64_t>(name), bytes_of(tensor, *block, name), name});
    if (!tensors.emplace(name, std::move(tensor)).second) refuse("{} is there twice", name);
  }

  uint64_t bytes_of(const GgufTensor& tensor, const kernels::BlockFormat& block,
                    const std::string& name) {
    if (tensor.shape.back() % block.numbers != 0)
      refuse("{} has rows of {}, which are not whole blocks of {} ({} numbers)", name,
             tensor.shape.back(), block.name, block.numbers);
    uint64_t bytes = uint64_t(block.bytes);
    int64_t count = 1;
    for (const int64_t extent : tensor.shape)
      if (__builtin_mul_overflow(count, extent, &count)) refuse("the shape of {} overflows", name);
    if (__builtin_mul_overflow(bytes, uint64_t(count / block.numbers), &bytes))
      refuse("the shape of {} overflows", name);
    return bytes;
  }

  // Data begins at the first aligned byte behind the tensors' descriptions.
  void place(std::map<std::string, GgufTensor>& tensors) {
    const uint64_t start = (at_ + alignment_ - 1) / alignment_ * alignment_;
    const uint64_t size = start < bytes_.size() ? bytes_.size() - start : 0;
    std::ranges::sort(places_, {}, &Place::offset);
    uint64_t end = 0;
    for (const auto& [offset, length, name] : places_) {
      if (offset % alignment_ != 0)
        refuse("{} begins at {}, which is no multiple of {}", name, offset, alignment_);
      if (offset > size || length > size - offset)
        refuse("{} lies beyond the file's {} bytes of data; is it complete?", name, size);
      if (length == 0) continue;
      if (offset < end) refuse("{} overlaps another tensor", name);
      end = offset + length;
      tensors.at(name).data = bytes_.subspan(size_t(start + offset), size_t(length));
    }
  }

  struct Place {
    uint64_t offset, length;
    std::string name;
  };

  std::span<const uint8_t> bytes_;
  std::string origin_;
  size_t at_ = 0;
  uint64_t array_values_ = 0, alignment_ = kUsualAlignment;
  std::vector<Place> places_;
};

GgufFile GgufFile::open(const fs::path& path) {
  auto map = std::make_shared<MappedFile>(path);
  GgufFile file = parse(map->bytes(), path.string());
  file.map_ = std::move(map);
  return file;
}

GgufFile GgufFile::parse(std::span<const uint8_t> bytes, const std::string& origin) {
  return GgufReader(bytes, origin).read();
}

bool GgufFile::is_one(std::span<const uint8_t> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

const GgufTensor& GgufFile::at(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found != tensors_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, unused] : tensors_) names.push_back(name);
  fail(ErrorKind::format, "{}: no tensor {}{}", origin_, tensor, did_you_mean(tensor, names));
}

const GgufValue& GgufFile::setting(const std::string& key) const {
  const auto found = settings_.find(key);
  if (found == settings_.end()) fail(ErrorKind::format, "{}: no setting {}", origin_, key);
  return found->second;
}

namespace {

[[noreturn]] void wrong_type(const std::string& origin, const std::string& key,
                             const GgufValue& value, std::string_view wanted) {
  fail(ErrorKind::format, "{}: the setting {} is {}, expected {}", origin, key, shown(value.text()),
       wanted);
}

std::optional<int64_t> as_whole(const GgufValue& value) {
  if (const auto* whole = std::get_if<int64_t>(&value.value)) return *whole;
  if (const auto* whole = std::get_if<uint64_t>(&value.value); whole && *whole <= INT64_MAX)
    return int64_t(*whole);
  return std::nullopt;
}

std::optional<double> as_number(const GgufValue& value) {
  if (const auto* number = std::get_if<double>(&value.value)) return *number;
  if (const auto whole = as_whole(value)) return double(*whole);
  return std::nullopt;
}

}  // namespace

std::string GgufFile::text(const std::string& key) const {
  const GgufValue& value = setting(key);
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  wrong_type(origin_, key, value, "a text");
}

int64_t GgufFile::whole(const std::string& key) const {
  const GgufValue& value = setting(key);
  if (const auto whole = as_whole(value)) return *whole;
  wrong_type(origin_, key, value, "a whole number");
}

double GgufFile::number(const std::string& key) const {
  const GgufValue& value = setting(key);
  const auto number = as_number(value);
  if (number && std::isfinite(*number)) return *number;
  wrong_type(origin_, key, value, "a number");
}

bool GgufFile::flag(const std::string& key) const {
  const GgufValue& value = setting(key);
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag;
  wrong_type(origin_, key, value, "true or false");
}

std::vector<std::string> GgufFile::texts(const std::string& key) const {
  const GgufValue& value = setting(key);
  const auto* array = std::get_if<GgufValue::Array>(&value.value);
  std::vector<std::string> texts;
  for (const auto& item : array ? *array : GgufValue::Array{}) {
    const auto* text = std::get_if<std::string>(&item.value);
    if (!text) wrong_type(origin_, key, item, "a text");
    texts.push_back(*text);
  }
  if (!array) wrong_type(origin_, key, value, "an array of texts");
  return texts;
}

std::vector<double> GgufFile::numbers(const std::string& key) const {
  const GgufValue& value = setting(key);
  const auto* array = std::get_if<GgufValue::Array>(&value.value);
  std::vector<double> numbers;
  for (const auto& item : array ? *array : GgufValue::Array{}) {
    const auto number = as_number(item);
    if (!number) wrong_type(origin_, key, item, "a number");
    numbers.push_back(*number);
  }
  if (!array) wrong_type(origin_, key, value, "an array of numbers");
  return numbers;
}

}  // namespace patina
