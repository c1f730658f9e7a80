#include "patina/checkpoint/archive.h"

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"

namespace patina {

namespace {
constexpr const char* kValues = "patina.values";
constexpr const char* kChecksum = "patina.checksum";
}  // namespace

Archive::Section::Section(Archive& archive, std::string_view key)
    : archive(archive), length(archive.prefix_.size()) {
  archive.prefix_.append(key).append(".");
}

void Archive::operator()(std::string_view key, Tensor& value) {
  const std::string name = prefix_ + std::string(key);
  if (!loading_) {
    Json about = {{"defined", value.defined()}};
    if (value.defined()) {
      about["trains"] = value.requires_grad();
      tensors_[name] = value.detach().to(at::kCPU).clone().contiguous();
    }
    PATINA_CHECK(!values_.contains(name), "state key {} twice", name);
    values_[name] = about;
    return;
  }
  if (!values_.contains(name) || !values_[name].contains("defined"))
    fail(ErrorKind::state, "{}: holds no tensor \"{}\"", origin_, name);
  if (!values_[name]["defined"].get<bool>()) {
    value = Tensor();
    return;
  }
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(ErrorKind::state, "{}: lost the tensor \"{}\"", origin_, name);
  const Tensor& stored = found->second;
  NoGrad no_grad;
  // In place where the shape is unchanged, so that whoever shares the tensor sees the new values.
  if (value.defined() && value.sizes() == stored.sizes() && value.dtype() == stored.dtype())
    value.copy_(stored);
  else
    value = stored.clone();
  if (value.is_floating_point()) value.requires_grad_(values_[name].value("trains", false));
}

template <class T>
void Archive::scalar(std::string_view key, T& value) {
  const std::string name = prefix_ + std::string(key);
  if (!loading_) {
    PATINA_CHECK(!values_.contains(name), "state key {} twice", name);
    values_[name] = value;
    return;
  }
  if (!values_.contains(name)) fail(ErrorKind::state, "{}: holds no value \"{}\"", origin_, name);
  try {
    value = values_[name].get<T>();
  } catch (const Json::exception&) {
    fail(ErrorKind::state, "{}: \"{}\" is not of the expected type", origin_, name);
  }
}

void Archive::operator()(std::string_view key, bool& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, int& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, int64_t& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, double& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, std::vector<int64_t>& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, std::vector<double>& value) { scalar(key, value); }
void Archive::operator()(std::string_view key, Json& value) { scalar(key, value); }

// Text may hold any bytes (an optimizer's state): it travels as a tensor of them.
void Archive::operator()(std::string_view key, std::string& value) {
  Tensor bytes = at::empty({int64_t(value.size())}, at::kByte);
  if (!loading_) std::copy(value.begin(), value.end(), bytes.data_ptr<uint8_t>());
  (*this)(key, bytes);
  if (loading_) value.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
}

void Archive::operator()(std::string_view key, std::vector<Tensor>& value) {
  const Section section(*this, key);
  int64_t count = int64_t(value.size());
  (*this)("count", count);
  value.resize(size_t(count));
  for (size_t i = 0; i < value.size(); ++i) (*this)(std::to_string(i), value[i]);
}

std::string Archive::hash() const {
  ContentHash hash;
  hash.add(values_.dump());
  for (const auto& [name, tensor] : tensors_) {
    hash.add(name);
    hash.add(shape_text(tensor.sizes()));
    hash.add(tensor.data_ptr(), tensor.nbytes());
  }
  return hash.hex();
}

uint64_t Archive::write(const fs::path& path) const {
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors_) stored[name] = to_stored(tensor);
  write_safetensors(path, stored, {{kValues, values_.dump()}, {kChecksum, hash()}});
  return fs::file_size(path);
}

Archive Archive::read(const fs::path& path) {
  const auto file = SafetensorsFile::open(path);
  const auto& metadata = file.metadata();
  if (!metadata.count(kValues) || !metadata.count(kChecksum))
    fail(ErrorKind::state, "{}: not a checkpoint of patina", path.string());
  Archive archive;
  archive.loading_ = true;
  archive.origin_ = path.string();
  archive.values_ = parse_json(metadata.at(kValues), path.string());
  for (const auto& [name, stored] : file.tensors()) archive.tensors_[name] = to_tensor(stored);
  if (archive.hash() != metadata.at(kChecksum))
    fail(ErrorKind::state, "{}: damaged: its checksum does not match", path.string());
  return archive;
}

}  // namespace patina
