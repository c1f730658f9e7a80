// PEFT's adapter folders: adapter_config.json and adapter_model.safetensors. This part handles
// names, settings and shapes, without LibTorch and without a network.
// Format: https://huggingface.co/docs/peft/developer_guides/checkpoint
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/checkpoint/safetensors.h"

namespace patina {

/// What adapter_config.json says of a LoRA. What would change the sums and is not read here (DoRA,
/// trained biases, other kinds of adapters...) is refused by name.
struct PeftConfig {
  template <class T>
  using Pattern = std::vector<std::pair<std::string, T>>;

  std::string base;  // base_model_name_or_path; "": not told
  std::string task;  // task_type, such as "CAUSAL_LM"; "": none
  int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilized = false;                    // use_rslora
  bool transposed = false;                         // fan_in_fan_out: weights are stored [in,out]
  std::vector<std::string> targets = {};           // target_modules, if it is a list
  std::optional<std::string> target_pattern = {};  // or a regular expression, or "all-linear"
  std::vector<std::string> saved = {};             // modules_to_save
  Pattern<int64_t> rank_pattern = {};              // other ranks and alphas of single modules
  Pattern<double> alpha_pattern = {};

  /// Throws Error(format) with `origin` and the key.
  static PeftConfig parse(std::string_view text, const std::string& origin);
  /// As PEFT writes it; the same settings give the same text.
  std::string text() const;

  /// Whether a list of targets has the module: its path, or the end of it after a dot.
  bool lists(std::string_view module) const;
  int64_t rank_of(std::string_view module) const;
  /// The factor on B A.
  double scale_of(std::string_view module) const;
};

class PeftFolder {
 public:
  /// The change of one linear layer: `scale` B A is added to its weight [out,in].
  struct Change {
    StoredTensor a, b;  // [r,in], [out,r]
    double scale = 1;
  };
  static constexpr const char* kConfig = "adapter_config.json";
  static constexpr const char* kWeights = "adapter_model.safetensors";
  static constexpr const char* kTorchWeights = "adapter_model.bin";

  /// Reads both files and checks that they fit together. Throws Error(file) or Error(format), which
  /// name the file and the key.
  static PeftFolder read(const fs::path& folder);
  static PeftFolder of(PeftConfig config, SafetensorsFile weights, const std::string& origin);
  /// Whether a path is a folder of an adapter.
  static bool is_one(const fs::path& folder);

  const PeftConfig& config() const { return config_; }
  const std::string& origin() const { return origin_; }
  /// By the module's path in Hugging Face's model: "model.layers.0.self_attn.q_proj".
  const std::map<std::string, Change>& changes() const { return changes_; }
  /// Tensors that replace the model's own, by their names there: those of modules_to_save.
  const std::map<std::string, StoredTensor>& saved() const { return saved_; }

 private:
  void take(const std::string& name, const StoredTensor& tensor);
  void check(const std::string& module, const Change& change) const;

  PeftConfig config_;
  SafetensorsFile weights_;
  std::string origin_;
  std::map<std::string, Change> changes_;
  std::map<std::string, StoredTensor> saved_;
};

/// Writes an adapter's folder. `changes` are matrices A and B by module; the config tells scale and
/// rank.
void write_peft(const fs::path& folder, const PeftConfig& config,
                const std::map<std::string, std::pair<StoredTensor, StoredTensor>>& changes,
                const std::map<std::string, StoredTensor>& saved = {});

}  // namespace patina
