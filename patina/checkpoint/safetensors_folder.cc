// Weights in several files: the shards that an index lists, and finding either in a folder.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/safetensors.h"

namespace patina {

namespace {

constexpr const char *kIndexName = "model.safetensors.index.json",
                     *kTorchIndexName = "pytorch_model.bin.index.json";
constexpr size_t kMostNames = 10;  // that one message lists

// "a, b, c and 4 more"
std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > kMostNames) out += fmt::format(" and {} more", names.size() - kMostNames);
  return out;
}

// PyTorch's files that a training run leaves beside the weights.
bool is_training_state(const fs::path& name) {
  constexpr std::string_view kStates[] = {"training_args", "optimizer", "scheduler", "scaler",
                                          "rng_state"};
  return std::ranges::any_of(
      kStates, [&](std::string_view state) { return name.string().starts_with(state); });
}

// The one weight file of a folder, or its index; safetensors before PyTorch's.
fs::path find_weights(const fs::path& folder) {
  std::vector<std::string> all, weights, torch;
  std::error_code error;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    const fs::path name = at->path().filename(), extension = name.extension();
    all.push_back(name.string());
    if (extension == ".safetensors") weights.push_back(name.string());
    if (!is_training_state(name) &&
        (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt"))
      torch.push_back(name.string());
  }
  if (error) fail(ErrorKind::file, "{}: cannot list: {}", folder.string(), error.message());
  const auto one_of = [&](const std::vector<const char*>& usual, std::vector<std::string>& found,
                          const char* kind) -> fs::path {
    for (const char* name : usual)
      if (fs::exists(folder / name)) return folder / name;
    std::sort(found.begin(), found.end());
    if (found.size() > 1)
      fail(ErrorKind::format, "{}: several {} files and no {}; name one of them: {}",
           folder.string(), kind, usual.front(), list(found));
    return found.empty() ? fs::path() : folder / found[0];
  };
  fs::path found = one_of({kIndexName, "model.safetensors"}, weights, ".safetensors");
  if (found.empty()) found = one_of({kTorchIndexName, "pytorch_model.bin"}, torch, "PyTorch");
  if (!found.empty()) return found;
  std::sort(all.begin(), all.end());
  fail(ErrorKind::format, "{}: no .safetensors file and none of PyTorch's; the folder holds {}",
       folder.string(), all.empty() ? "nothing" : list(all));
}

// A shard's name comes from a file that anyone may have written.
bool stays_inside(const std::string& shard) {
  const fs::path path(shard);
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  return !shard.empty() && path.is_relative() && path.has_filename() &&
         std::none_of(shard.begin(), shard.end(), control) &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

// Shard -> the tensors that the index expects in it.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& index) {
  const std::string origin = index.string();
  const SortedJson json = parse_sorted_json(read_text(index, kLongestHeader), origin);
  const auto weights = json.find("weight_map");
  if (!json.is_object() || weights == json.end() || !weights->is_object())
    fail(ErrorKind::format, "{}: no weight_map, so not an index of shards", origin);
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : weights->items()) {
    if (!shard.is_string() || !stays_inside(shard.get_ref<const std::string&>()))
      fail(ErrorKind::format,
           "{}: weight_map sends a tensor to {}, which is not a file beside the index", origin,
           shard.dump().substr(0, 200));
    shards[shard.get<std::string>()].push_back(tensor);
  }
  if (shards.empty()) fail(ErrorKind::format, "{}: weight_map is empty", origin);
  return shards;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const fs::path& path) {
  return open(path, /*complete=*/true, "");
}

SafetensorsFile SafetensorsFile::open_what_is_there(const fs::path& path, const std::string& part) {
  return open(path, /*complete=*/false, part);
}

SafetensorsFile SafetensorsFile::open(const fs::path& path, bool complete,
                                      const std::string& part) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? find_weights(path) : path;
  return file.extension() == ".json" ? open_shards(file, complete, part) : open_file(file, part);
}

SafetensorsFile SafetensorsFile::open_shards(const fs::path& index, bool complete,
                                             const std::string& part_name) {
  const auto shards = read_index(index);
  std::vector<std::string> missing;
  for (const auto& [shard, names] : shards) {
    std::error_code ignored;
    if (!fs::exists(index.parent_path() / shard, ignored)) missing.push_back(shard);
  }
  if (complete && !missing.empty())
    fail(ErrorKind::format, "{}: missing shards: {}; download them too", index.string(),
         list(missing));

  SafetensorsFile all;
  std::vector<std::string> absent;
  for (const auto& [shard, names] : shards) {
    if (std::count(missing.begin(), missing.end(), shard) > 0) {
      for (const auto& name : names) all.absent_[name] = shard;
      continue;
    }
    SafetensorsFile part = open_file(index.parent_path() / shard, part_name);
    for (const auto& name : names) {
      const auto at = part.tensors_.find(name);
      if (at == part.tensors_.end())
        absent.push_back(fmt::format("{} in {}", SortedJson(name).dump().substr(0, 200), shard));
      else
        all.tensors_.insert(*at);
    }
    all.metadata_.merge(part.metadata_);
    all.memory_.insert(all.memory_.end(), part.memory_.begin(), part.memory_.end());
    all.files_.push_back(std::move(part.files_.front()));
  }
  if (!absent.empty())
    fail(ErrorKind::format, "{}: listed but not there: {}", index.string(), list(absent));
  return all;
}

}  // namespace patina
