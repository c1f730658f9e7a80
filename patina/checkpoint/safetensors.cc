// One safetensors file, checked in full before a tensor is handed out, and the writer.
// Format: https://github.com/huggingface/safetensors (README, "Format")
#include "patina/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/torch_file.h"

namespace patina {

namespace {

constexpr size_t kLengthBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";

struct DTypeRow {
  DType dtype;
  std::string_view name;
  size_t size;
};
constexpr std::array<DTypeRow, 10> kDTypes{{{DType::f64, "F64", 8},
                                            {DType::f32, "F32", 4},
                                            {DType::f16, "F16", 2},
                                            {DType::bf16, "BF16", 2},
                                            {DType::i64, "I64", 8},
                                            {DType::i32, "I32", 4},
                                            {DType::i16, "I16", 2},
                                            {DType::i8, "I8", 1},
                                            {DType::u8, "U8", 1},
                                            {DType::boolean, "BOOL", 1}}};

const DTypeRow& row(DType dtype) {
  const auto at = std::find_if(kDTypes.begin(), kDTypes.end(),
                               [&](const DTypeRow& row) { return row.dtype == dtype; });
  PATINA_REQUIRE(at != kDTypes.end(), "no such dtype: {}", int(dtype));
  return *at;
}

std::string dtype_names() {
  std::string names;
  for (const auto& row : kDTypes) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

// JSON as a message shows it: one line, quoted, not longer than a line of a terminal.
std::string shown_json(const SortedJson& value) {
  std::string text = value.dump(-1, ' ', true, SortedJson::error_handler_t::replace);
  constexpr size_t kLongest = 80;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

std::optional<uint64_t> bytes_needed(const std::vector<int64_t>& shape, DType dtype) {
  uint64_t bytes = size_of(dtype);
  for (const int64_t extent : shape)
    if (__builtin_mul_overflow(bytes, uint64_t(extent), &bytes) || bytes > uint64_t(INT64_MAX))
      return std::nullopt;
  return bytes;
}

// Recognises other file formats and returns advice; "" if the format is unknown.
std::string guess(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 512));
  constexpr const char* convert =
      "; convert it with Python: safetensors.torch.save_file(torch.load(file), "
      "\"model.safetensors\")";
  if (text.starts_with("PK\x03\x04")) {
    // A zip's first entry: its name begins at byte 30.
    const std::string_view first = text.substr(std::min<size_t>(30, text.size()), 256);
    if (const auto end = first.find(".npy"); end != first.npos && first.find("PK") > end)
      return "this is a NumPy archive (.npz); load it with the library that it was made for, and "
             "save its state with safetensors";
    return fmt::format("this is a PyTorch (zip) file{}", convert);
  }
  if (text.starts_with("GGUF"))
    return "this is a GGUF file; name it itself, not in a folder, where a model is asked for";
  if (text.starts_with("\x89HDF\r\n\x1a\n"))
    return "this is an HDF5 file (Keras); save the same weights with PyTorch and safetensors";
  if (text.size() > 1 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5)
    return fmt::format("this is a PyTorch pickle{}", convert);
  if (text.starts_with("version https://git-lfs"))
    return "this is a Git LFS pointer, not the weights; fetch them with git lfs pull";
  const bool is_text = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 0x20 && c != 0x7f && c < 0xf8) || c == '\n' || c == '\r' || c == '\t';
  });
  if (!is_text) return "";
  if (text.starts_with("<"))
    return "this is an HTML page, not the weights; download the file itself";
  return "this looks like text, not weights (a Git LFS pointer, an HTML page?); download the file "
         "itself";
}

[[noreturn]] void refuse(std::span<const uint8_t> bytes, const std::string& origin,
                         std::string_view why) {
  const std::string hint = guess(bytes);
  fail(ErrorKind::format, "{}: not a safetensors file: {}", origin, hint.empty() ? why : hint);
}

std::vector<int64_t> parse_shape(const SortedJson& entry, const std::string& what) {
  const auto at = entry.find("shape");
  if (at == entry.end() || !at->is_array()) fail(ErrorKind::format, "{}: has no shape", what);
  std::vector<int64_t> shape;
  for (const auto& extent : *at) {
    if (!extent.is_number_unsigned() || extent.get<uint64_t>() > uint64_t(INT64_MAX))
      fail(ErrorKind::format, "{}: shape {} is not a list of whole numbers >= 0", what,
           shown_json(*at));
    shape.push_back(extent.get<int64_t>());
  }
  return shape;
}

DType parse_dtype(const SortedJson& entry, const std::string& what) {
  const auto at = entry.find("dtype");
  if (at == entry.end() || !at->is_string()) fail(ErrorKind::format, "{}: has no dtype", what);
  for (const auto& row : kDTypes)
    if (at->get_ref<const std::string&>() == row.name) return row.dtype;
  fail(ErrorKind::format, "{}: unknown dtype {}, known are {}", what, shown_json(*at),
       dtype_names());
}

StoredTensor parse_tensor(const SortedJson& entry, std::span<const uint8_t> data,
                          const std::string& what) {
  if (!entry.is_object()) fail(ErrorKind::format, "{}: is not a JSON object", what);
  StoredTensor tensor{parse_dtype(entry, what), parse_shape(entry, what), {}};
  const auto at = entry.find("data_offsets");
  if (at == entry.end() || !at->is_array() || at->size() != 2 || !(*at)[0].is_number_unsigned() ||
      !(*at)[1].is_number_unsigned())
    fail(ErrorKind::format, "{}: data_offsets are not two whole numbers >= 0", what);
  const uint64_t begin = (*at)[0].get<uint64_t>(), end = (*at)[1].get<uint64_t>();
  if (begin > end)
    fail(ErrorKind::format, "{}: data offsets [{}, {}] end before they begin", what, begin, end);
  if (end > data.size())
    fail(ErrorKind::format,
         "{}: data offsets [{}, {}] lie beyond the file's {} bytes of data; is the file complete?",
         what, begin, end, data.size());
  const auto needed = bytes_needed(tensor.shape, tensor.dtype);
  if (!needed)
    fail(ErrorKind::format, "{}: shape {} overflows", what, shown_json(entry.at("shape")));
  if (*needed != end - begin)
    fail(ErrorKind::format, "{}: {} {} needs {} bytes, but data offsets [{}, {}] hold {}", what,
         name(tensor.dtype), shown_json(entry.at("shape")), *needed, begin, end, end - begin);
  tensor.data = data.subspan(begin, end - begin);
  return tensor;
}

std::map<std::string, std::string> parse_metadata(const SortedJson& entry,
                                                  const std::string& origin) {
  if (!entry.is_object())
    fail(ErrorKind::format, "{}: {} is not a JSON object", origin, kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string())
      fail(ErrorKind::format, "{}: {} {} is not a string", origin, kMetadataKey, shown_json(key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Every byte of the data belongs to exactly one tensor.
void check_coverage(const std::map<std::string, StoredTensor>& tensors,
                    std::span<const uint8_t> data, const std::string& origin) {
  struct Piece {
    size_t begin, size;
    const std::string* name;
  };
  std::vector<Piece> pieces;
  for (const auto& [name, tensor] : tensors)
    pieces.push_back({size_t(tensor.data.data() - data.data()), tensor.data.size(), &name});
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return std::pair(a.begin, a.size) < std::pair(b.begin, b.size);
  });
  size_t at = 0;
  for (const auto& piece : pieces) {
    if (piece.begin < at)
      fail(ErrorKind::format, "{}: tensor {} overlaps another", origin, shown_json(*piece.name));
    if (piece.begin > at)
      fail(ErrorKind::format, "{}: {} unused bytes before tensor {}", origin, piece.begin - at,
           shown_json(*piece.name));
    at += piece.size;
  }
  if (at < data.size())
    fail(ErrorKind::format, "{}: {} bytes after the last tensor", origin, data.size() - at);
}

}  // namespace

std::string_view name(DType dtype) {
  return row(dtype).name;
}
size_t size_of(DType dtype) {
  return row(dtype).size;
}

SafetensorsFile SafetensorsFile::parse(std::span<const uint8_t> bytes, const std::string& origin) {
  if (bytes.size() < kLengthBytes)
    refuse(bytes, origin,
           fmt::format("{} bytes, shorter than the 8-byte header length", bytes.size()));
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{bytes[i]} << 8 * i;
  const auto rest = bytes.subspan(kLengthBytes);
  if (length > kLongestHeader)
    refuse(bytes, origin,
           fmt::format("a header of {} bytes, more than the limit of {}", length, kLongestHeader));
  if (length > rest.size())
    refuse(bytes, origin,
           fmt::format("a header of {} bytes in a file of {}; is the file complete?", length,
                       bytes.size()));
  const std::string_view header(reinterpret_cast<const char*>(rest.data()), length);
  if (!header.starts_with('{')) refuse(bytes, origin, "the header does not begin with '{'");

  const SortedJson json = parse_sorted_json(header, origin);
  const auto data = rest.subspan(length);
  SafetensorsFile file;
  for (const auto& [key, entry] : json.items()) {
    if (key == kMetadataKey)
      file.metadata_ = parse_metadata(entry, origin);
    else
      file.tensors_[key] =
          parse_tensor(entry, data, fmt::format("{}: tensor {}", origin, shown_json(key)));
  }
  check_coverage(file.tensors_, data, origin);
  return file;
}

SafetensorsFile SafetensorsFile::open_file(const fs::path& path, const std::string& part) {
  auto map = std::make_shared<MappedFile>(path);
  const bool torch = is_torch_file(map->bytes());
  if (!torch && !part.empty())
    fail(ErrorKind::format,
         "{}: has no parts, only PyTorch's files have them: leave model.part empty", path.string());
  SafetensorsFile file = torch ? parse_torch_file(map->bytes(), path.string(), part)
                               : parse(map->bytes(), path.string());
  file.memory_.push_back(std::move(map));
  file.files_.push_back(path);
  return file;
}

SafetensorsFile SafetensorsFile::of(std::map<std::string, StoredTensor> tensors,
                                    std::shared_ptr<const void> memory) {
  SafetensorsFile file;
  file.tensors_ = std::move(tensors);
  file.memory_.push_back(std::move(memory));
  return file;
}

SafetensorsFile SafetensorsFile::with(const std::map<std::string, StoredTensor>& tensors,
                                      std::shared_ptr<const void> memory) const {
  SafetensorsFile file = *this;
  for (const auto& [name, tensor] : tensors) file.tensors_[name] = tensor;
  file.memory_.push_back(std::move(memory));
  return file;
}

bool SafetensorsFile::all_under(const std::string& prefix) const {
  const auto is_under = [&](const auto& item) {
    return item.first.starts_with(prefix) && item.first.size() > prefix.size();
  };
  return tensors_.size() + absent_.size() > 0 && std::ranges::all_of(tensors_, is_under) &&
         std::ranges::all_of(absent_, is_under);
}

SafetensorsFile SafetensorsFile::without_prefix(const std::string& prefix) const {
  PATINA_REQUIRE(all_under(prefix), "not every name begins with \"{}\"", prefix);
  SafetensorsFile file = *this;
  file.tensors_.clear();
  file.absent_.clear();
  for (const auto& [name, tensor] : tensors_) file.tensors_[name.substr(prefix.size())] = tensor;
  for (const auto& [name, shard] : absent_) file.absent_[name.substr(prefix.size())] = shard;
  return file;
}

const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  if (const auto at = tensors_.find(name); at != tensors_.end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [known, tensor] : tensors_) names.push_back(known);
  fail(ErrorKind::format, "{}no tensor {}{}", files_.empty() ? "" : files_.front().string() + ": ",
       shown_json(name), did_you_mean(name, names));
}

void write_safetensors(const fs::path& path, const std::map<std::string, StoredTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const std::pair<const std::string, StoredTensor>*> order;
  for (const auto& entry : tensors) {
    const auto& [name, tensor] = entry;
    PATINA_REQUIRE(name != kMetadataKey, "a tensor may not be called {}", name);
    PATINA_REQUIRE(
        std::all_of(tensor.shape.begin(), tensor.shape.end(), [](auto n) { return n >= 0; }) &&
            bytes_needed(tensor.shape, tensor.dtype) == tensor.data.size(),
        "{}: {} bytes do not fit the shape", name, tensor.data.size());
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });

  SortedJson json = SortedJson::object();
  if (!metadata.empty()) json[kMetadataKey] = metadata;
  uint64_t at = 0;
  for (const auto* entry : order) {
    const auto& [name, tensor] = *entry;
    json[name] = {{"dtype", patina::name(tensor.dtype)},
                  {"shape", tensor.shape},
                  {"data_offsets", {at, at + tensor.data.size()}}};
    at += tensor.data.size();
  }
  std::string header = json.dump(-1, ' ', false, SortedJson::error_handler_t::replace);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::array<uint8_t, kLengthBytes> length;
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = uint8_t(header.size() >> 8 * i);

  AtomicFile file(path);
  file.write(length.data(), length.size());
  file.write(header);
  for (const auto* entry : order) file.write(entry->second.data.data(), entry->second.data.size());
  file.commit();
}

}  // namespace patina
