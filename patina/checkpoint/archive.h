// State: one function saves and loads. Everything that must survive a crash describes itself once:
//
//   void state(Archive& a) { a("gram", gram_); a("samples", samples_); a("head", head_); }
//
// Files are safetensors: tensors as they are, everything else as JSON in the metadata, with a
// checksum over both. They appear under their name only when complete.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/base/file.h"
#include "patina/base/json_fwd.h"
#include "patina/base/random.h"
#include "patina/nn/module.h"

namespace patina {

class SafetensorsFile;

class Archive {
 public:
  /// An empty archive to save into.
  Archive();
  ~Archive();
  Archive(Archive&&) noexcept;
  /// An archive to load from. Throws Error(state) if the file is damaged or not an archive.
  static Archive read(const fs::path& path);
  /// The same from a file's content; `origin` is used in messages.
  static Archive parse(std::span<const uint8_t> bytes, const std::string& origin);
  /// Writes the saved values atomically. Returns the number of bytes.
  uint64_t write(const fs::path& path) const;

  /// Turns a saved archive into one to load from.
  Archive reopened() &&;

  bool loading() const { return loading_; }
  /// The file it was read from.
  const std::string& origin() const { return origin_; }
  /// Whether the current section has a value or tensor under this key: for what files of earlier
  /// versions lack.
  bool holds(std::string_view key) const;

  /// While one lives, loading creates new tensors on a device. Tensors that have the stored shape
  /// are overwritten in place, on any device.
  class MadeOn {
   public:
    MadeOn(Archive& archive, const at::Device& device)
        : archive_(archive), before_(std::exchange(archive.device_, device)) {}
    ~MadeOn() { archive_.device_ = before_; }
    MadeOn(const MadeOn&) = delete;
    MadeOn& operator=(const MadeOn&) = delete;

   private:
    Archive& archive_;
    at::Device before_;
  };

  // Saving copies the value under its key; loading replaces the value by the stored one, or throws
  // Error(state) when the key is absent or of another type. Keys are unique within a section.
  void operator()(std::string_view key, Tensor& value);
  void operator()(std::string_view key, bool& value);
  void operator()(std::string_view key, int& value);
  void operator()(std::string_view key, int64_t& value);
  void operator()(std::string_view key, double& value);
  void operator()(std::string_view key, std::string& value);
  void operator()(std::string_view key, std::vector<int64_t>& value);
  void operator()(std::string_view key, std::vector<double>& value);
  void operator()(std::string_view key, std::vector<Tensor>& value);
  void operator()(std::string_view key, Json& value);

  /// Anything with `state(Archive&)` as a section, any module with `walk(Walk&)` tensor by tensor.
  template <class Part>
  void operator()(std::string_view key, Part& part) {
    const Section section(*this, key);
    if constexpr (requires { part.state(*this); }) {
      part.state(*this);
    } else {
      nn::Walk walk([this](const std::string& name, Tensor& tensor) { (*this)(name, tensor); });
      part.walk(walk);
    }
  }

  /// Every tensor under its full key.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// A hash of everything saved.
  std::string hash() const;

  /// Notes samples that the state refers to: their positions and targets. An artefact may hold
  /// them.
  void refer(const std::vector<int64_t>& positions, const std::vector<int64_t>& targets);
  /// Targets of all samples that what was saved or loaded refers to, by their position.
  const std::map<int64_t, int64_t>& referred() const { return referred_; }

 private:
  struct Section {
    Section(Archive& archive, std::string_view key);
    ~Section() { archive.prefix_.resize(length); }
    Archive& archive;
    size_t length;
  };
  static Archive of(const SafetensorsFile& file, const std::string& origin);
  template <class T>
  void scalar(std::string_view key, T& value);

  bool loading_ = false;
  at::Device device_ = at::kCPU;
  std::string origin_, prefix_;
  std::map<std::string, Tensor> tensors_;
  std::map<int64_t, int64_t> referred_;
  std::unique_ptr<Json> values_;  // an object
};

}  // namespace patina
