// Two layers: where the pickle and the storages lie in the file, and which of its tensors are read.
#include "patina/checkpoint/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "patina/base/error.h"
#include "patina/checkpoint/torch_values.h"
#include "patina/checkpoint/zip.h"

namespace patina {

namespace {

using Kind = PickleValue::Kind;

// The first pickle of the older format: this number (torch.serialization.MAGIC_NUMBER).
constexpr std::array<uint8_t, 10> kMagicNumber = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                                  0x20, 0x6a, 0xa8, 0x50, 0x19};
constexpr int64_t kProtocolVersion = 1001;

// A pickle and the bytes of the storages it refers to.
struct TorchParts {
  Pickle pickle;
  std::map<std::string, std::span<const uint8_t>> storages;
};

class TorchReader {
 public:
  TorchReader(std::span<const uint8_t> bytes, const std::string& origin, const std::string& part)
      : bytes_(bytes), origin_(origin), part_(part) {}

  SafetensorsFile read() {
    const TorchParts parts = ZipArchive::begins(bytes_) ? of_archive() : of_pickles();
    storages_ = &parts.storages;
    std::map<std::string, StoredTensor> tensors;
    collect(weights(parts.pickle.root()), "", 0, tensors);
    if (tensors.empty()) refuse("it holds no tensors");
    return SafetensorsFile::of(std::move(tensors), std::move(memory_));
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    refuse_torch_file(origin_, text, std::forward<Args>(args)...);
  }

  // The two formats.

  TorchParts of_archive() const {
    const ZipArchive archive = ZipArchive::parse(bytes_, origin_);
    std::string folder;
    for (const auto& [name, entry] : archive.entries()) {
      if (!name.ends_with("/data.pkl") || std::ranges::count(name, '/') != 1) continue;
      if (!folder.empty()) refuse("it has two folders with a data.pkl");
      folder = name.substr(0, name.size() - std::string_view("data.pkl").size());
    }
    if (folder.empty()) refuse("it is a zip archive without data.pkl, not one of torch.save's");
    if (archive.has(folder + "byteorder")) {
      const auto order = archive.at(folder + "byteorder");
      if (std::string_view(reinterpret_cast<const char*>(order.data()), order.size()) != "little")
        refuse("its numbers are not little-endian");
    }
    TorchParts parts{Pickle::read(archive.at(folder + "data.pkl"), origin_, is_torch_name), {}};
    const std::string data = folder + "data/";
    for (auto at = archive.entries().lower_bound(data);
         at != archive.entries().end() && at->first.starts_with(data); ++at)
      parts.storages[at->first.substr(data.size())] = archive.at(at->first);
    return parts;
  }

  // Pickles one after the other: the magic number, the protocol, the system, the object and the
  // keys of its storages; then each storage, behind its number of elements.
  TorchParts of_pickles() {
    size_t at = 0;
    const auto next = [&] {
      Pickle pickle = Pickle::read(bytes_.subspan(at), origin_, is_torch_name);
      at += pickle.size();
      return pickle;
    };
    const Pickle magic = next();
    if (!magic.root().is(Kind::big) ||
        !std::ranges::equal(magic.root().text, kMagicNumber,
                            [](char a, uint8_t b) { return uint8_t(a) == b; }))
      refuse("it is a pickle, but torch.save did not write it");
    const Pickle protocol = next();
    if (!protocol.root().is(Kind::whole) || protocol.root().whole != kProtocolVersion)
      refuse("its protocol is not {}", kProtocolVersion);
    const Pickle system = next();
    const PickleValue* little = torch_entry(system.root(), "little_endian");
    if (!little || !little->is(Kind::boolean) || !little->whole)
      refuse("its numbers are not little-endian");
    TorchParts parts{next(), {}};
    const Pickle keys = next();
    if (!keys.root().is(Kind::list)) refuse("there is no list of its storages");
    note_storages(parts.pickle.root());
    for (const PickleValue* key : keys.root().items) {
      const std::string name = torch_key(*key, origin_);
      const auto type = types_.find(name);
      if (type == types_.end())
        refuse("nothing tells the type of the storage {}", shown_text(name));
      int64_t elements = 0;
      if (bytes_.size() - at < sizeof elements)
        refuse("it ends before its storages; is it complete?");
      std::memcpy(&elements, bytes_.data() + at, sizeof elements);
      at += sizeof elements;
      const uint64_t left = bytes_.size() - at, width = size_of(type->second);
      if (elements < 0 || uint64_t(elements) > left / width)
        refuse("the storage {} of {} numbers lies beyond its end; is it complete?",
               shown_text(name), elements);
      if (!parts.storages.emplace(name, bytes_.subspan(at, size_t(elements) * width)).second)
        refuse("the storage {} is there twice", shown_text(name));
      at += size_t(elements) * width;
    }
    return parts;
  }

  // Notes the type of every storage that a pickle refers to. Values may be shared and may contain
  // themselves, so each is visited once.
  void note_storages(const PickleValue& root) {
    std::set<const PickleValue*> seen;
    std::vector<const PickleValue*> open = {&root};
    while (!open.empty()) {
      const PickleValue* value = open.back();
      open.pop_back();
      if (!value || !seen.insert(value).second) continue;
      if (value->is(Kind::persistent)) {
        const TorchStorage storage = torch_storage(*value, origin_);
        const auto [known, fresh] = types_.emplace(storage.key, storage.dtype);
        if (!fresh && size_of(known->second) != size_of(storage.dtype))
          refuse("the storage {} is of two types", shown_text(storage.key));
        continue;
      }
      open.insert(open.end(), value->items.begin(), value->items.end());
      open.insert(open.end(), {value->arguments, value->state});
    }
  }

  // Which dictionary to read.

  struct Candidate {
    std::string path;
    const PickleValue* dict;
  };

  const PickleValue& weights(const PickleValue& root) {
    if (is_torch_tensor(root)) refuse("it holds one tensor without a name, not a model's");
    if (!is_torch_dict(root)) refuse("it holds no dictionary of tensors");
    std::vector<Candidate> found;
    std::set<const PickleValue*> seen;
    find_dicts({"", &root}, 0, found, seen);
    if (!part_.empty()) {
      for (const auto& candidate : found)
        if (candidate.path == part_) return *candidate.dict;
      refuse("its part \"{}\" is no dictionary of tensors; those are: {}", part_, listed(found));
    }
    if (found.empty()) refuse("it holds no dictionary of tensors");
    if (found.size() > 1)
      refuse("it holds several models; say which in model.part: {}", listed(found));
    return *found.front().dict;
  }

  // Dictionaries with a tensor of their own; dictionaries within them belong to them. Optimizers
  // number their tensors, so that keys that are no texts lead to none.
  void find_dicts(const Candidate& at, int depth, std::vector<Candidate>& found,
                  std::set<const PickleValue*>& seen) const {
    if (depth > kDeepestTorchNames) refuse("dictionaries in more than {}", kDeepestTorchNames);
    if (!seen.insert(at.dict).second) return;
    const auto all = torch_entries(*at.dict);
    if (is_torch_module(*at.dict) || std::ranges::any_of(all, [](const TorchEntry& entry) {
          return entry.key->is(Kind::text) && is_torch_tensor(*entry.value);
        })) {
      found.push_back(at);
      return;
    }
    for (const auto& [key, value] : all)
      if (key->is(Kind::text) && is_torch_dict(*value))
        find_dicts({at.path.empty() ? key->text : at.path + "." + key->text, value}, depth + 1,
                   found, seen);
  }

  static std::string listed(const std::vector<Candidate>& found) {
    constexpr size_t kMostShown = 20;
    std::string names;
    for (size_t i = 0; i < std::min(found.size(), kMostShown); ++i)
      names +=
          (i ? ", " : "") + shown_text(found[i].path.empty() ? "(the whole file)" : found[i].path);
    return found.size() > kMostShown
               ? names + fmt::format(" and {} more", found.size() - kMostShown)
           : names.empty() ? "none"
                           : names;
  }

  // Its tensors.

  void collect(const PickleValue& dict, const std::string& prefix, int depth,
               std::map<std::string, StoredTensor>& tensors) {
    if (depth > kDeepestTorchNames) refuse("dictionaries in more than {}", kDeepestTorchNames);
    for (const auto& [key, value] : torch_entries(dict)) {
      // Shared dictionaries multiply what is visited, so that visits are counted.
      if (++visits_ > kMostVisits) refuse("its dictionaries contain each other too often");
      if (!key->is(Kind::text) || !(is_torch_tensor(*value) || is_torch_dict(*value))) continue;
      const std::string name = prefix + key->text;
      if (name.size() > kLongestTorchName ||
          std::ranges::any_of(name, [](char c) { return uint8_t(c) < 0x20 || uint8_t(c) > 0x7e; }))
        refuse("the name \"{}\" is not ASCII of at most {} letters", shown_text(name),
               kLongestTorchName);
      if (is_torch_dict(*value)) {
        collect(*value, name + ".", depth + 1, tensors);
        continue;
      }
      if (tensors.size() >= kMostTorchTensors) refuse("more than {} tensors", kMostTorchTensors);
      if (!tensors.emplace(name, tensor(*value, name, 0)).second) refuse("{} is there twice", name);
    }
  }

  // The value of _rebuild_tensor_v2(storage, offset, size, stride, ...), through a parameter or a
  // subclass around it.
  StoredTensor tensor(const PickleValue& value, const std::string& name, int depth) {
    const auto wrong = [&]() { refuse("{} is built in a way that patina does not know", name); };
    constexpr int kDeepest = 3;  // a subclass around a parameter around a tensor
    if (!is_torch_tensor(value) || depth > kDeepest || value.arguments->items.empty()) wrong();
    const std::string_view function = value.function->text;
    const auto& given = value.arguments->items;
    if (function.starts_with("torch._utils._rebuild_parameter"))
      return tensor(*given[0], name, depth + 1);
    if (function == "torch._tensor._rebuild_from_type_v2") {
      // (function, class, arguments, state): a call of the function for a plain tensor or
      // parameter.
      if (given.size() < 3 || !given[0]->is(Kind::global) || !given[1]->is(Kind::global) ||
          !given[2]->is(Kind::tuple) ||
          (given[1]->text != "torch.Tensor" && given[1]->text != "torch.nn.parameter.Parameter"))
        wrong();
      PickleValue inner{.kind = Kind::call};
      inner.function = given[0], inner.arguments = given[2];
      return tensor(inner, name, depth + 1);
    }
    if (function == "torch._utils._rebuild_tensor_v3" && given.size() > 6 &&
        given[6]->is(Kind::global))
      refuse("{} is of the type {}, whose numbers patina does not have", name,
             shown_text(given[6]->text));
    if (given.size() < 4 || !given[1]->is(Kind::whole)) wrong();
    return laid_out(torch_storage(*given[0], origin_), given[1]->whole, numbers(*given[2], name),
                    numbers(*given[3], name), name);
  }

  // A tuple of whole numbers, or a torch.Size of one.
  std::vector<int64_t> numbers(const PickleValue& value, const std::string& name) const {
    const PickleValue* list = &value;
    if (is_torch_call(value, "torch.Size") && value.arguments->items.size() == 1)
      list = value.arguments->items[0];
    if (!list->is(Kind::tuple) && !list->is(Kind::list))
      refuse("the shape of {} is no list of numbers", name);
    if (list->items.size() > kMostTorchDimensions)
      refuse("{} has {} dimensions, more than {}", name, list->items.size(), kMostTorchDimensions);
    std::vector<int64_t> numbers;
    for (const PickleValue* item : list->items) {
      if (!item->is(Kind::whole) || item->whole < 0)
        refuse("the shape of {} is no list of numbers >= 0", name);
      numbers.push_back(item->whole);
    }
    return numbers;
  }

  StoredTensor laid_out(const TorchStorage& storage, int64_t offset,
                        const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                        const std::string& name) {
    if (strides.size() != shape.size()) refuse("{} has not one stride a dimension", name);
    const auto found = storages_->find(storage.key);
    if (found == storages_->end())
      refuse("the storage {} of {} is not there; is the file complete?", shown_text(storage.key),
             name);
    const size_t width = size_of(storage.dtype);
    const auto held = uint64_t(found->second.size() / width);
    if (uint64_t(storage.elements) > held)
      refuse("the storage of {} has {} numbers, not {}; is the file complete?", name, held,
             storage.elements);
    // How many numbers there are, and the last one's place, without overflow.
    uint64_t count = 1, last = uint64_t(std::max<int64_t>(offset, 0));
    bool fits = offset >= 0;
    for (size_t i = 0; i < shape.size(); ++i)
      fits = fits && !__builtin_mul_overflow(count, uint64_t(shape[i]), &count);
    for (size_t i = 0; fits && count > 0 && i < shape.size(); ++i) {
      uint64_t step = 0;
      fits = !__builtin_mul_overflow(uint64_t(shape[i] - 1), uint64_t(strides[i]), &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    StoredTensor tensor{storage.dtype, shape, {}};
    if (fits && count == 0) return tensor;
    if (!fits || last >= held || count > held)
      refuse("{} lies beyond its storage of {} numbers", name, held);

    int64_t expected = 1;
    bool contiguous = true;
    for (size_t i = shape.size(); i-- > 0;) {
      contiguous &= shape[i] == 1 || strides[i] == expected;
      expected *= shape[i];
    }
    tensor.data = contiguous ? found->second.subspan(size_t(offset) * width, size_t(count) * width)
                             : copied(storage, offset, shape, strides, count, name);
    return tensor;
  }

  // The numbers in the order of their indices.
  std::span<const uint8_t> copied(const TorchStorage& storage, int64_t offset,
                                  const std::vector<int64_t>& shape,
                                  const std::vector<int64_t>& strides, uint64_t count,
                                  const std::string& name) {
    auto& made = copies_[{storage.key, storage.dtype, offset, shape, strides}];
    if (!made.empty()) return made;
    const size_t width = size_of(storage.dtype);
    if ((copied_bytes_ += count * width) > bytes_.size())
      refuse("{} and others with strides of their own have more numbers than the file", name);
    memory_->emplace_back(size_t(count) * width);
    Bytes& out = memory_->back();
    const uint8_t* from = storages_->at(storage.key).data();
    std::vector<int64_t> index(shape.size(), 0);
    auto at = uint64_t(offset);  // wraps where a dimension of one has a stride without meaning
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&out[i * width], from + at * width, width);
      for (size_t d = shape.size(); d-- > 0;) {
        at += uint64_t(strides[d]);
        if (++index[d] < shape[d]) break;
        at -= uint64_t(strides[d]) * uint64_t(shape[d]);
        index[d] = 0;
      }
    }
    return made = out;
  }

  std::span<const uint8_t> bytes_;
  const std::string &origin_, &part_;
  const std::map<std::string, std::span<const uint8_t>>* storages_ = nullptr;
  std::map<std::string, DType> types_;  // of the older format's storages
  std::shared_ptr<std::deque<Bytes>> memory_ = std::make_shared<std::deque<Bytes>>();
  using View = std::tuple<std::string, DType, int64_t, std::vector<int64_t>, std::vector<int64_t>>;
  std::map<View, std::span<const uint8_t>> copies_;
  uint64_t copied_bytes_ = 0;
  static constexpr size_t kMostVisits = 1'000'000;
  size_t visits_ = 0;  // entries of dictionaries
};

}  // namespace

bool is_torch_file(std::span<const uint8_t> bytes) {
  // NumPy's archives (.npz) begin with an array.
  constexpr size_t kNameAt = 30;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (ZipArchive::begins(bytes)) {
    const std::string_view first = text.substr(std::min(kNameAt, text.size()), 256);
    const auto array = first.find(".npy");
    return array == first.npos || array > first.find("PK");
  }
  // The length in front of a safetensors header may begin with the same bytes; its header is an
  // object.
  constexpr size_t kHeaderAt = 8;
  if (text.size() > kHeaderAt && text[kHeaderAt] == '{') return false;
  return text.size() > 2 && uint8_t(text[0]) == 0x80 && text[1] >= 2 && text[1] <= 5;
}

SafetensorsFile parse_torch_file(std::span<const uint8_t> bytes, const std::string& origin,
                                 const std::string& part) {
  return TorchReader(bytes, origin, part).read();
}

}  // namespace patina
