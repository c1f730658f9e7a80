// safetensors: the common format of weights, read through a memory map without copies and written
// atomically. This part handles bytes and shapes, without LibTorch.
// Format: 8 bytes little-endian header length, a JSON header, the data.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"
#include "patina/kernels/blocks.h"

namespace patina {

/// `blocks` are those of a GGUF file (kernels/blocks.h); safetensors have none.
enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, blocks };

std::string_view name(DType dtype);  // as the format writes it: "F32"
size_t size_of(DType dtype);         // bytes of one element

/// A tensor inside a file: a view that lives as long as the file object. Other writers do not align
/// tensors to their element size, so `data` may begin at any address. A bool's byte may be any
/// value.
struct StoredTensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const uint8_t> data;
  kernels::BlockType block = kernels::BlockType::f32;  // of dtype `blocks`: which
};

/// Headers longer than this are refused (the reference implementation's limit).
inline constexpr uint64_t kLongestHeader = 100'000'000;

/// One .safetensors file, or the shards that a model.safetensors.index.json lists, or a folder that
/// holds either; or the same of PyTorch's files (checkpoint/torch_file.h), whose tensors are then
/// these.
class SafetensorsFile {
 public:
  /// Maps and checks everything before any tensor is handed out. Throws Error(format) naming the
  /// file and what is wrong: shorter than 8 bytes, header length beyond the file or the limit,
  /// header not UTF-8 or not a JSON object, a duplicate key, an unknown dtype, a negative or
  /// overflowing shape, offsets out of range, overlapping, leaving holes, or not of the size that
  /// shape and dtype need, trailing bytes; for an index: a missing shard, a tensor that its shard
  /// does not hold, a shard path that leaves the folder. A text file and other formats of weights
  /// (GGUF, HDF5, NumPy's) are recognised and said so. In a folder, the index is looked for first,
  /// then model.safetensors, then the only .safetensors file there is; then the same of PyTorch's,
  /// pytorch_model.bin.index.json and pytorch_model.bin.
  static SafetensorsFile open(const fs::path& path);
  /// The same, but shards that are not there only leave their tensors `absent`. Of a PyTorch file
  /// that holds several models, the one called `part`.
  static SafetensorsFile open_what_is_there(const fs::path& path, const std::string& part = "");

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// The header's `__metadata__`, empty when there is none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<fs::path>& files() const { return files_; }
  /// Tensors that an index lists in a shard that is not there: their names and the shard's.
  const std::map<std::string, std::string>& absent() const { return absent_; }
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  /// True when a name begins with `prefix`.
  bool has_under(const std::string& prefix) const {
    const auto at = tensors_.lower_bound(prefix);
    return at != tensors_.end() && at->first.starts_with(prefix);
  }
  /// True when every name begins with `prefix` and goes on after it; absent tensors count.
  bool all_under(const std::string& prefix) const;
  /// The same tensors under names without `prefix`, with which every name begins.
  SafetensorsFile without_prefix(const std::string& prefix) const;
  /// Throws Error(format) with "did you mean" when there is no such tensor.
  const StoredTensor& at(const std::string& name) const;

  /// Reads one already mapped buffer; `origin` names it in messages (fuzzing, tests, embedded
  /// weights).
  static SafetensorsFile parse(std::span<const uint8_t> bytes, const std::string& origin);

  /// The same file with some tensors replaced or added; `memory` owns their data.
  SafetensorsFile with(const std::map<std::string, StoredTensor>& tensors,
                       std::shared_ptr<const void> memory) const;

  /// Tensors from elsewhere, such as a file of another format; `memory` owns their data.
  static SafetensorsFile of(std::map<std::string, StoredTensor> tensors,
                            std::shared_ptr<const void> memory);

 private:
  static SafetensorsFile open(const fs::path& path, bool complete, const std::string& part);
  static SafetensorsFile open_file(const fs::path& path, const std::string& part);
  static SafetensorsFile open_shards(const fs::path& index, bool complete, const std::string& part);
  std::vector<std::shared_ptr<const void>> memory_;  // what the tensors view
  std::vector<fs::path> files_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_, absent_;
};

/// Writes tensors atomically; the same input gives the same bytes. The header lists them by name;
/// the data begins at a multiple of 8 and holds wide elements first, so that every tensor is
/// aligned.
void write_safetensors(const fs::path& path, const std::map<std::string, StoredTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace patina
