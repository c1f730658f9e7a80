#include "patina/checkpoint/archive.h"

#include <cmath>
#include <concepts>
#include <limits>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/ops.h"

namespace patina {

namespace {
constexpr const char* kValues = "patina.values";
constexpr const char* kChecksum = "patina.checksum";

// How values are stored in JSON and read back: without conversion, so that a key whose type changed
// is detected. JSON has no infinities and no NaN; they are stored as text.
Json stored(bool value) {
  return value;
}
Json stored(int value) {
  return value;
}
Json stored(int64_t value) {
  return value;
}
Json stored(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}
Json stored(const Json& value) {
  return value;
}
template <class T>
Json stored(const std::vector<T>& items) {
  Json list = Json::array();
  for (const T& item : items) list.push_back(stored(item));
  return list;
}

bool restore(const Json& json, bool& value) {
  if (!json.is_boolean()) return false;
  value = json.get<bool>();
  return true;
}
template <class Integer>
requires std::integral<Integer>
bool restore(const Json& json, Integer& value) {
  if (!json.is_number_integer()) return false;
  if (json.is_number_unsigned() && !std::in_range<Integer>(json.get<uint64_t>())) return false;
  if (!std::in_range<Integer>(json.get<int64_t>())) return false;
  value = Integer(json.get<int64_t>());
  return true;
}
bool restore(const Json& json, double& value) {
  if (json == "nan") return value = std::numeric_limits<double>::quiet_NaN(), true;
  if (json == "inf") return value = std::numeric_limits<double>::infinity(), true;
  if (json == "-inf") return value = -std::numeric_limits<double>::infinity(), true;
  if (!json.is_number()) return false;
  value = json.get<double>();
  return true;
}
bool restore(const Json& json, Json& value) {
  value = json;
  return true;
}
template <class T>
bool restore(const Json& json, std::vector<T>& items) {
  if (!json.is_array()) return false;
  std::vector<T> list(json.size());
  for (size_t i = 0; i < list.size(); ++i)
    if (!restore(json[i], list[i])) return false;
  items = std::move(list);
  return true;
}
}  // namespace

Archive::Archive() : values_(std::make_unique<Json>(Json::object())) {}
Archive::~Archive() = default;
Archive::Archive(Archive&&) noexcept = default;

Archive Archive::reopened() && {
  loading_ = true;
  origin_ = "the state";
  prefix_.clear();
  return std::move(*this);
}

Archive::Section::Section(Archive& archive, std::string_view key)
    : archive(archive), length(archive.prefix_.size()) {
  archive.prefix_.append(key).append(".");
}

bool Archive::holds(std::string_view key) const {
  return values_->contains(prefix_ + std::string(key));
}

void Archive::operator()(std::string_view key, Tensor& value) {
  const std::string name = prefix_ + std::string(key);
  if (!loading_) {
    Json about = {{"defined", value.defined()}};
    if (value.defined()) {
      about["trains"] = value.requires_grad();
      tensors_[name] = value.detach().to(at::kCPU).clone().contiguous();
    }
    PATINA_REQUIRE(!values_->contains(name), "state key {} twice", name);
    (*values_)[name] = about;
    return;
  }
  bool defined = false, trains = false;
  if (!values_->contains(name) || !(*values_)[name].contains("defined") ||
      !restore((*values_)[name]["defined"], defined))
    fail(ErrorKind::state, "{}: holds no tensor \"{}\"", origin_, name);
  if (!defined) {
    value = Tensor();
    return;
  }
  if ((*values_)[name].contains("trains")) restore((*values_)[name]["trains"], trains);
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(ErrorKind::state, "{}: lost the tensor \"{}\"", origin_, name);
  const Tensor& stored = found->second;
  NoGrad no_grad;
  // In place if the shape is unchanged, so that all users of the tensor see the new values.
  if (value.defined() && value.sizes() == stored.sizes() && value.dtype() == stored.dtype())
    value.copy_(stored);
  else
    value = stored.to(device_).clone();
  if (value.is_floating_point()) value.requires_grad_(trains);
}

template <class T>
void Archive::scalar(std::string_view key, T& value) {
  const std::string name = prefix_ + std::string(key);
  if (!loading_) {
    PATINA_REQUIRE(!values_->contains(name), "state key {} twice", name);
    (*values_)[name] = stored(value);
    return;
  }
  if (!values_->contains(name)) fail(ErrorKind::state, "{}: holds no value \"{}\"", origin_, name);
  if (!restore((*values_)[name], value))
    fail(ErrorKind::state, "{}: \"{}\" is not of the expected type", origin_, name);
}

void Archive::operator()(std::string_view key, bool& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, int& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, int64_t& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, double& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, std::vector<int64_t>& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, std::vector<double>& value) {
  scalar(key, value);
}
void Archive::operator()(std::string_view key, Json& value) {
  scalar(key, value);
}

// Text may contain any bytes (an optimizer's state), so it is stored as a tensor.
void Archive::operator()(std::string_view key, std::string& value) {
  const MadeOn here(*this, at::kCPU);
  Tensor bytes = at::empty({int64_t(value.size())}, at::kByte);
  if (!loading_) std::copy(value.begin(), value.end(), bytes.data_ptr<uint8_t>());
  (*this)(key, bytes);
  if (!bytes.defined() || bytes.scalar_type() != at::kByte)
    fail(ErrorKind::state, "{}: \"{}{}\" is not text", origin_, prefix_, key);
  if (loading_) value.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
}

void Archive::operator()(std::string_view key, std::vector<Tensor>& value) {
  const Section section(*this, key);
  int64_t count = int64_t(value.size());
  (*this)("count", count);
  // A stored list has an entry for each tensor, so a damaged count allocates nothing.
  if (loading_ && (count < 0 || size_t(count) > values_->size()))
    fail(ErrorKind::state, "{}: \"{}count\" says {} tensors", origin_, prefix_, count);
  value.resize(size_t(count));
  for (size_t i = 0; i < value.size(); ++i) (*this)(std::to_string(i), value[i]);
}

std::string Archive::hash() const {
  ContentHash hash;
  hash.add(values_->dump());
  for (const auto& [name, tensor] : tensors_) {
    hash.add(name);
    hash.add(shape_text(tensor.sizes()));
    hash.add(tensor.data_ptr(), tensor.nbytes());
  }
  return hash.hex();
}

void Archive::refer(const std::vector<int64_t>& positions, const std::vector<int64_t>& targets) {
  if (positions.size() != targets.size())
    fail(ErrorKind::state, "{}: \"{}positions\" are {}, and \"{}targets\" {}", origin_, prefix_,
         positions.size(), prefix_, targets.size());
  for (size_t i = 0; i < positions.size(); ++i) {
    const int64_t before = referred_.emplace(positions[i], targets[i]).first->second;
    if (positions[i] < 0 || targets[i] < 0 || before != targets[i])
      fail(ErrorKind::state, "{}: \"{}positions\" and \"{}targets\" do not fit together: sample {}",
           origin_, prefix_, prefix_, positions[i]);
  }
}

uint64_t Archive::write(const fs::path& path) const {
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors_) stored[name] = to_stored(tensor);
  write_safetensors(path, stored, {{kValues, values_->dump()}, {kChecksum, hash()}});
  return fs::file_size(path);
}

Archive Archive::read(const fs::path& path) {
  return of(SafetensorsFile::open(path), path.string());
}

Archive Archive::parse(std::span<const uint8_t> bytes, const std::string& origin) {
  return of(SafetensorsFile::parse(bytes, origin), origin);
}

Archive Archive::of(const SafetensorsFile& file, const std::string& origin) {
  const auto& metadata = file.metadata();
  if (!metadata.count(kValues) || !metadata.count(kChecksum))
    fail(ErrorKind::state, "{}: not a checkpoint of patina", origin);
  Archive archive;
  archive.loading_ = true;
  archive.origin_ = origin;
  *archive.values_ = parse_json(metadata.at(kValues), origin);
  if (!archive.values_->is_object())
    fail(ErrorKind::state, "{}: not a checkpoint of patina", origin);
  for (const auto& [name, stored] : file.tensors()) archive.tensors_[name] = to_tensor(stored);
  if (archive.hash() != metadata.at(kChecksum))
    fail(ErrorKind::state, "{}: damaged: its checksum does not match", origin);
  return archive;
}

}  // namespace patina
