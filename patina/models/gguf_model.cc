// Names and layouts: llama.cpp's gguf-py (constants.py, tensor_mapping.py) and its converter.
#include "patina/models/gguf_model.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/text/token_list.h"

namespace patina {

namespace {

constexpr std::array<GgufArchitecture, 6> kArchitectures{
    {{.name = "llama", .model_type = "llama", .interleaves = true},
     {.name = "qwen2", .model_type = "qwen2"},
     {.name = "qwen3", .model_type = "qwen3"},
     {.name = "phi3", .model_type = "phi3"},
     {.name = "gemma2", .model_type = "gemma2", .gemma = true, .wide_at = 46},
     {.name = "gemma3", .model_type = "gemma3_text", .gemma = true, .wide_at = 62}}};

const GgufArchitecture& architecture_of(const GgufFile& file) {
  const std::string name = file.text("general.architecture");
  const auto row = std::ranges::find(kArchitectures, name, &GgufArchitecture::name);
  if (row != kArchitectures.end()) return *row;
  std::string names;
  for (const GgufArchitecture& architecture : kArchitectures)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", architecture.name);
  fail(ErrorKind::model, "{}: the architecture {} is not read from GGUF files; patina reads {}",
       file.origin(), name, names);
}

// Settings of the architecture and the keys of config.json that say the same.
struct SizeRow {
  const char *setting, *key;
};
constexpr std::array<SizeRow, 6> kSizes{{
    {"block_count", "num_hidden_layers"},
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
}};

// Numbers that some architectures have.
struct NumberRow {
  const char *architecture, *setting, *key;
};
constexpr std::array<NumberRow, 4> kNumbers{{
    {"gemma2", "attn_logit_softcapping", "attn_logit_softcapping"},
    {"gemma2", "final_logit_softcapping", "final_logit_softcapping"},
    {"gemma3", "final_logit_softcapping", "final_logit_softcapping"},
    {"gemma3", "rope.freq_base_swa", "rope_local_base_freq"},
}};

// Settings that do not change the network, or that are read or compared with others below.
constexpr std::array<const char*, 16> kRead{
    {"attention.layer_norm_rms_epsilon", "attention.key_length", "attention.value_length",
     "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor",
     "rope.scaling.original_context_length", "rope.scaling.attn_factor", "rope.scaling.finetuned",
     "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "attention.sliding_window",
     "attention.sliding_window_pattern", "vocab_size", "tensor_data_layout"}};

class Converter {
 public:
  explicit Converter(const GgufFile& file) : file_(file), architecture_(architecture_of(file)) {
    check_settings();
    read_heads();
  }

  Checkpoint checkpoint() const {
    Checkpoint checkpoint{.origin = file_.origin()};
    checkpoint.config.emplace(config(), file_.origin());
    checkpoint.weights = weights();
    return checkpoint;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::model, "{}: {}", file_.origin(),
         fmt::format(text, std::forward<Args>(args)...));
  }

  std::string key(std::string_view setting) const {
    return fmt::format("{}.{}", architecture_.name, setting);
  }

  void read_heads() {
    heads_ = file_.whole(key("attention.head_count"));
    key_heads_ = file_.sets(key("attention.head_count_kv"))
                     ? file_.whole(key("attention.head_count_kv"))
                     : heads_;
    const int64_t width = file_.whole(key("embedding_length"));
    if (heads_ < 1 || key_heads_ < 1 || width < 1 || width % heads_ != 0)
      refuse("{} channels, {} heads and {} key heads do not go together", width, heads_,
             key_heads_);
    head_size_ = file_.sets(key("attention.key_length")) ? file_.whole(key("attention.key_length"))
                                                         : width / heads_;
    if (head_size_ < 2 || head_size_ % 2 != 0) refuse("heads of {} channels", head_size_);
    for (const char* same : {"attention.value_length", "rope.dimension_count"})
      if (file_.sets(key(same)) && file_.whole(key(same)) != head_size_ &&
          !(is("phi3") && same == std::string_view("rope.dimension_count")))
        refuse("{} is {}, but heads have {} channels, which is not supported", key(same),
               file_.whole(key(same)), head_size_);
  }

  bool is(std::string_view architecture) const { return architecture_.name == architecture; }

  // The numbers of a small tensor beside the weights.
  std::vector<double> listed(const std::string& name) const {
    const GgufTensor& tensor = file_.at(name);
    if (tensor.shape.size() != 1) refuse("{} is not a list", name);
    std::vector<float> numbers(size_t(tensor.count()));
    if (!numbers.empty()) dequantize_rows(tensor, 0, 1, numbers);
    return {numbers.begin(), numbers.end()};
  }

  // Scaled rotary positions as `rope_scaling` describes them; null: there is no scaling.
  Json rope_scaling() const {
    const auto number = [&](const char* setting) {
      return file_.number(key(std::string("rope.scaling.") + setting));
    };
    const auto sets = [&](const char* setting) {
      return file_.sets(key(std::string("rope.scaling.") + setting));
    };
    const std::string type = sets("type") ? file_.text(key("rope.scaling.type")) : "none";
    const bool divided = file_.has("rope_freqs.weight");
    const bool both = file_.has("rope_factors_long.weight");
    Json scaling;
    if (both || divided) {
      // LLaMA 3.1's frequencies are stored as what divides the base's: LongRoPE with one list.
      if (both && type != "none" && type != "longrope")
        refuse("rotary positions are scaled by {} and by rope_factors_long.weight", type);
      if (divided && (both || type != "none"))
        refuse("rotary positions are scaled by rope_freqs.weight and in another way");
      scaling["rope_type"] = "longrope";
      scaling["long_factor"] = listed(both ? "rope_factors_long.weight" : "rope_freqs.weight");
      scaling["short_factor"] = listed(both ? "rope_factors_short.weight" : "rope_freqs.weight");
      if (divided) scaling["attention_factor"] = 1;
      if (both && sets("attn_factor")) scaling["attention_factor"] = number("attn_factor");
      return scaling;
    }
    if (sets("attn_factor") && number("attn_factor") != 1)
      refuse("{} = {} is not supported", key("rope.scaling.attn_factor"), number("attn_factor"));
    if (type == "none") return scaling;
    if (type != "linear" && type != "yarn")
      refuse(
          "rotary positions scaled by {} are not supported; patina reads linear, yarn, "
          "rope_freqs.weight and rope_factors_long.weight",
          type);
    scaling["rope_type"] = type;
    scaling["factor"] = number("factor");
    if (type == "yarn")
      for (const auto& [setting, name] :
           {std::pair{"yarn_beta_fast", "beta_fast"}, std::pair{"yarn_beta_slow", "beta_slow"}})
        if (sets(setting)) scaling[name] = number(setting);
    return scaling;
  }

  Json config() const {
    Json config;
    config["model_type"] = architecture_.model_type;
    for (const auto& [setting, name] : kSizes)
      if (file_.sets(key(setting))) config[name] = file_.whole(key(setting));
    config["head_dim"] = head_size_;
    config["rms_norm_eps"] = file_.number(key("attention.layer_norm_rms_epsilon"));
    if (file_.sets(key("rope.freq_base")))
      config["rope_theta"] = file_.number(key("rope.freq_base"));
    config["vocab_size"] = file_.at("token_embd.weight").shape.front();
    config[architecture_.gemma ? "hidden_activation" : "hidden_act"] =
        architecture_.gemma ? "gelu_pytorch_tanh" : "silu";
    config["tie_word_embeddings"] = !file_.has("output.weight");
    if (is("llama")) config["attention_bias"] = file_.has("blk.0.attn_q.bias");
    for (const auto& [architecture, setting, name] : kNumbers)
      if (is(architecture) && file_.sets(key(setting))) config[name] = file_.number(key(setting));
    if (const Json scaling = rope_scaling(); !scaling.is_null()) config["rope_scaling"] = scaling;
    const std::string original = key("rope.scaling.original_context_length");
    if (file_.sets(original)) config["original_max_position_embeddings"] = file_.whole(original);
    if (is("phi3") && file_.sets(key("rope.dimension_count")))
      config["partial_rotary_factor"] =
          double(file_.whole(key("rope.dimension_count"))) / double(head_size_);
    add_windows(config);
    if (architecture_.gemma)
      config["query_pre_attn_scalar"] = file_.whole(key("block_count")) == architecture_.wide_at
                                            ? file_.whole(key("embedding_length")) / heads_
                                            : head_size_;
    return config;
  }

  // Which blocks have a window follows from the architecture.
  void add_windows(Json& config) const {
    const std::string size = key("attention.sliding_window");
    const std::string pattern = key("attention.sliding_window_pattern");
    const int64_t window = file_.sets(size) ? file_.whole(size) : 0;
    if (window > 0 && !architecture_.gemma && !is("phi3"))
      refuse("{} = {} is not supported", size, window);
    // A Gemma 2 without the setting has its usual window.
    if (is("phi3") || is("gemma3") || (is("gemma2") && file_.sets(size)))
      config["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
    if (!file_.sets(pattern)) return;
    if (!is("gemma3")) refuse("the setting {} is not supported", pattern);
    config["sliding_window_pattern"] = file_.whole(pattern);
  }

  // A setting that is not known may change the network, unless it is switched off.
  void check_settings() const {
    const std::string prefix = key("");
    for (const auto& [name, value] : file_.settings()) {
      if (!name.starts_with(prefix)) continue;
      const std::string setting = name.substr(prefix.size());
      const bool of_own = std::ranges::any_of(kNumbers, [&](const NumberRow& row) {
        return is(row.architecture) && setting == row.setting;
      });
      const bool known = of_own || std::ranges::count(kRead, setting) > 0 ||
                         std::ranges::count(kSizes, setting, &SizeRow::setting) > 0;
      if (!known && value.text() != "0" && value.text() != "false")
        refuse("the setting {} = {} is not supported", name, value.text());
    }
  }

  std::string name_of(const std::string& name) const {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWhole{
        {{"token_embd", "model.embed_tokens"},
         {"output_norm", "model.norm"},
         {"output", "lm_head"}}};
    using Pair = std::pair<std::string_view, std::string_view>;
    static constexpr std::array<Pair, 3> kOfGemma{
        {{"ffn_norm", "pre_feedforward_layernorm"},
         {"post_attention_norm", "post_attention_layernorm"},
         {"post_ffw_norm", "post_feedforward_layernorm"}}};
    static constexpr std::array<Pair, 1> kOfPhi3{{{"ffn_up", "mlp.gate_up_proj"}}};
    static constexpr std::array<Pair, 12> kOfBlock{{{"attn_norm", "input_layernorm"},
                                                    {"attn_qkv", "self_attn.qkv_proj"},
                                                    {"attn_q_norm", "self_attn.q_norm"},
                                                    {"attn_k_norm", "self_attn.k_norm"},
                                                    {"attn_q", "self_attn.q_proj"},
                                                    {"attn_k", "self_attn.k_proj"},
                                                    {"attn_v", "self_attn.v_proj"},
                                                    {"attn_output", "self_attn.o_proj"},
                                                    {"ffn_norm", "post_attention_layernorm"},
                                                    {"ffn_gate", "mlp.gate_proj"},
                                                    {"ffn_up", "mlp.up_proj"},
                                                    {"ffn_down", "mlp.down_proj"}}};
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) return "";
    const std::string_view kind = std::string_view(name).substr(dot),
                           stem = std::string_view(name).substr(0, dot);
    if (kind != ".weight" && kind != ".bias") return "";
    for (const auto& [from, to] : kWhole)
      if (stem == from) return fmt::format("{}{}", to, kind);
    if (!stem.starts_with("blk.")) return "";
    const size_t end = stem.find('.', 4);
    if (end == std::string_view::npos) return "";
    const auto among = [&](std::span<const Pair> pairs) -> std::string {
      for (const auto& [from, to] : pairs)
        if (stem.substr(end + 1) == from)
          return fmt::format("model.layers.{}.{}{}", stem.substr(4, end - 4), to, kind);
      return "";
    };
    std::string own;
    if (architecture_.gemma) own = among(kOfGemma);
    if (is("phi3")) own = among(kOfPhi3);
    return own.empty() ? among(kOfBlock) : own;
  }

  // Tensors that `rope_scaling` reads.
  static bool is_setting(const std::string& name) {
    return name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
           name == "rope_factors_short.weight";
  }

  SafetensorsFile weights() const {
    // Matrices stay as they are, views of the file or copies with their rows in another order.
    struct Memory {
      GgufFile file;
      std::vector<std::vector<float>> vectors;
      std::vector<std::vector<uint8_t>> matrices;
    };
    auto memory = std::make_shared<Memory>(Memory{.file = file_, .vectors = {}, .matrices = {}});
    std::map<std::string, StoredTensor> tensors;
    for (const auto& [name, tensor] : file_.tensors()) {
      if (is_setting(name)) continue;
      const std::string to = name_of(name);
      if (to.empty()) refuse("the tensor {} is not known", name);
      const int64_t heads = name.find(".attn_q.") != std::string::npos   ? heads_
                            : name.find(".attn_k.") != std::string::npos ? key_heads_
                                                                         : 0;
      const bool by_halves = heads > 0 && architecture_.interleaves;
      if (by_halves) check_heads(name, tensor, heads);
      if (tensor.shape.size() > 1) {
        std::span<const uint8_t> rows = tensor.data;
        if (by_halves) rows = memory->matrices.emplace_back(rows_by_halves(tensor));
        tensors[to] = {dtype_of(tensor.type), tensor.shape, rows, tensor.type};
        continue;
      }
      std::vector<float> stored(size_t(tensor.count()));
      if (!stored.empty()) dequantize_rows(tensor, 0, 1, stored);
      auto& numbers = memory->vectors.emplace_back(stored);
      if (by_halves)
        for (int64_t row = 0; row < tensor.count(); ++row)
          numbers[size_t(row_by_halves(row))] = stored[size_t(row)];
      if (architecture_.gemma && name.ends_with("norm.weight"))
        for (float& number : numbers) number -= 1;
      tensors[to] = {DType::f32,
                     tensor.shape,
                     {reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * 4}};
    }
    return SafetensorsFile::of(std::move(tensors), std::move(memory));
  }

  static DType dtype_of(kernels::BlockType type) {
    switch (type) {
      case kernels::BlockType::f32:
        return DType::f32;
      case kernels::BlockType::f16:
        return DType::f16;
      case kernels::BlockType::bf16:
        return DType::bf16;
      default:
        return DType::blocks;
    }
  }

  // LLaMA's own rotary positions rotate neighbouring channels of a head, Hugging Face's rotate
  // channel i with channel i + size / 2: row 2 i + j of the file is row j size / 2 + i.
  int64_t row_by_halves(int64_t row) const {
    const int64_t within = row % head_size_;
    return row - within + within % 2 * (head_size_ / 2) + within / 2;
  }

  void check_heads(const std::string& name, const GgufTensor& tensor, int64_t heads) const {
    const int64_t rows = tensor.shape.front();
    if (rows != heads * head_size_ || tensor.shape.size() > 2)
      refuse("{} has {} rows, not {} heads of {}", name, rows, heads, head_size_);
  }

  std::vector<uint8_t> rows_by_halves(const GgufTensor& tensor) const {
    const int64_t rows = tensor.shape.front();
    const size_t bytes = tensor.data.size() / size_t(rows);
    std::vector<uint8_t> moved(tensor.data.size());
    for (int64_t row = 0; row < rows; ++row)
      std::ranges::copy(tensor.data.subspan(size_t(row) * bytes, bytes),
                        moved.begin() + ptrdiff_t(size_t(row_by_halves(row)) * bytes));
    return moved;
  }

  const GgufFile& file_;
  const GgufArchitecture& architecture_;
  int64_t heads_ = 0, key_heads_ = 0, head_size_ = 0;
};

}  // namespace

std::optional<GgufArchitecture> gguf_architecture(const std::string& model_type) {
  const auto row = std::ranges::find_if(kArchitectures, [&](const GgufArchitecture& known) {
    return model_type == known.model_type;
  });
  return row == kArchitectures.end() ? std::nullopt : std::optional(*row);
}

Checkpoint gguf_checkpoint(const GgufFile& file) {
  return Converter(file).checkpoint();
}

std::unique_ptr<Tokenizer> gguf_tokenizer(const GgufFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  TokenList list{.model = file.text(prefix + "model"), .tokens = file.texts(prefix + "tokens")};
  list.split = file.sets(prefix + "pre") ? file.text(prefix + "pre") : "default";
  list.types.assign(list.tokens.size(), PieceType::normal);
  if (file.sets(prefix + "token_type")) {
    list.types.clear();
    for (const double type : file.numbers(prefix + "token_type")) {
      if (!(type >= double(PieceType::normal) && type <= double(PieceType::byte)))
        fail(ErrorKind::format, "{}: {}token_type has {}, not 1 to 6", file.origin(), prefix, type);
      list.types.push_back(PieceType(int(type)));
    }
  }
  if (file.sets(prefix + "scores"))
    for (const double score : file.numbers(prefix + "scores")) list.scores.push_back(float(score));
  if (file.sets(prefix + "merges")) list.merges = file.texts(prefix + "merges");
  const auto id = [&](const char* name, int64_t& to) {
    if (file.sets(prefix + name)) to = file.whole(prefix + name);
  };
  id("unknown_token_id", list.unknown);
  id("bos_token_id", list.begin);
  id("eos_token_id", list.end);
  id("padding_token_id", list.pad);
  const auto flag = [&](const char* name) -> std::optional<bool> {
    if (!file.sets(prefix + name)) return std::nullopt;
    return file.flag(prefix + name);
  };
  list.adds_begin = flag("add_bos_token");
  list.adds_end = flag("add_eos_token");
  list.space_before = flag("add_space_prefix").value_or(true);
  auto tokenizer = tokenizer_of(list, file.origin());
  if (const char* key = "tokenizer.chat_template"; file.sets(key))
    tokenizer->set_chat_template(file.text(key), file.origin() + ": " + key);
  return tokenizer;
}

bool is_gguf(const fs::path& path) {
  if (!is_file(path)) return false;
  std::array<char, 4> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  return GgufFile::is_one({reinterpret_cast<const uint8_t*>(start.data()), start.size()});
}

}  // namespace patina
