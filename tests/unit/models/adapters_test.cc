// Adapters that travel: PEFT's folders and llama.cpp's files, read and written, on small networks
// whose outputs PEFT gave (tools/fixtures/adapters.py).
#include <gtest/gtest.h>

#include <cstdlib>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/checkpoint/gguf_writer.h"
#include "patina/checkpoint/load.h"
#include "patina/models/catalog.h"
#include "patina/models/gguf_adapter.h"
#include "patina/models/linear_layers.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/probe.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

constexpr double kClose = 1e-5;

fs::path fixture(const std::string& relative) {
  return fixture_folder(Fixtures::small) / relative;
}

// One of PEFT's adapters, with its base model and outputs.
struct Case {
  explicit Case(std::string given)
      : name(std::move(given)),
        folder(fixture("adapters/" + name)),
        expected(SafetensorsFile::open(folder / "expected.safetensors")) {
    const std::string family = name.substr(0, name.find('_'));
    base = (family == "vit" ? fixture("vision/vit_random.safetensors")
                            : fixture("language/" + family + "/model.safetensors"))
               .string();
  }
  Tensor operator()(const std::string& key) const { return to_tensor(expected.at(key)); }
  Input input() const {
    if (expected.has("input")) return (*this)("input");
    return {(*this)("input_ids"), (*this)("attention_mask")};
  }
  Tensor wanted() const { return (*this)(expected.has("logits") ? "logits" : "tokens"); }
  // What PEFT's output is: words, classes or tokens.
  Tensor outputs(const Backbone& network, const nn::Adaptations& adaptations = {}) const {
    NoGrad no_grad;
    if (network.has_decoder())
      return network.word_scores(
          network.decoded((*this)("decoder_input_ids"), input(), adaptations));
    if (expected.has("tokens")) return network.tokens(input(), adaptations);
    if (name.ends_with("classes") || name.starts_with("vit"))
      return network.logits(network.features(input(), adaptations));
    return network.word_scores(network.tokens(input(), adaptations));
  }

  std::string name;
  fs::path folder;
  SafetensorsFile expected;
  std::string base;
};

// Padding's outputs are nobody's.
double distance(const Case& one, const Tensor& actual) {
  Tensor difference = (actual - one.wanted()).abs();
  if (difference.dim() == 3 && !one.expected.has("decoder_input_ids"))
    difference = difference * one("attention_mask").unsqueeze(-1);
  return difference.max().item<double>();
}

// What a written adapter's modules begin with.
std::string prefix_of(const PeftFolder& folder) {
  const std::string& module = folder.changes().begin()->first;
  for (const std::string prefix : {"model.", "transformer.", "bert."})
    if (module.starts_with(prefix)) return prefix;
  return "";
}

// The same names, types, shapes and bytes; JSON's keys stand in another order in PEFT's headers.
void expect_same_tensors(const fs::path& ours, const fs::path& theirs) {
  const auto one = SafetensorsFile::open(ours / PeftFolder::kWeights),
             other = SafetensorsFile::open(theirs / PeftFolder::kWeights);
  EXPECT_EQ(one.metadata(), other.metadata());
  ASSERT_EQ(one.tensors().size(), other.tensors().size());
  for (const auto& [name, tensor] : other.tensors()) {
    ASSERT_TRUE(one.has(name)) << name;
    EXPECT_EQ(one.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(one.at(name).shape, tensor.shape) << name;
    EXPECT_TRUE(std::ranges::equal(one.at(name).data, tensor.data)) << name;
  }
}

class PeftAdapters : public testing::TestWithParam<std::string> {};

TEST_P(PeftAdapters, InTheWeightsGiveTheOutputsOfPeft) {
  const Case one(GetParam());
  const auto network = load_backbone({.name = one.base, .adapter = one.folder.string()});
  EXPECT_LT(distance(one, one.outputs(*network)), kClose);
  const auto plain = load_backbone({.name = one.base});
  if (!one.name.ends_with("classes") && one.name != "vit") {
    EXPECT_GT(distance(one, one.outputs(*plain)), 0.01) << "the adapter does something";
  }
}

INSTANTIATE_TEST_SUITE_P(All, PeftAdapters,
                         testing::Values("llama_all", "llama_patterns", "llama_classes",
                                         "bert_regex", "bert_classes", "gpt2", "t5", "t5_blocks",
                                         "vit", "vit_blocks"),
                         [](const auto& info) { return info.param; });

class BesideTheWeights : public testing::TestWithParam<std::string> {};

TEST_P(BesideTheWeights, TheyGiveTheOutputsOfPeft) {
  const Case one(GetParam());
  const auto network = load_backbone({.name = one.base});
  const auto lora = lora_of(PeftFolder::read(one.folder), *network);
  EXPECT_LT(distance(one, one.outputs(*network, {lora.get()})), kClose);
}

TEST_P(BesideTheWeights, MergedTheyGiveTheSame) {
  const Case one(GetParam());
  const auto network = load_backbone({.name = one.base});
  merge_lora(*network, *lora_of(PeftFolder::read(one.folder), *network));
  EXPECT_LT(distance(one, one.outputs(*network)), kClose);
}

// The names and numbers of the file that PEFT wrote; the config says the same of every module.
TEST_P(BesideTheWeights, TheyAreWrittenAsPeftWritesThem) {
  const Case one(GetParam());
  const auto network = load_backbone({.name = one.base});
  const auto theirs = PeftFolder::read(one.folder);
  const auto lora = lora_of(theirs, *network);
  const char* keep = std::getenv("PATINA_KEEP_ADAPTERS");  // for tools/fixtures/adapters.py --check
  const fs::path folder = (keep ? fs::path(keep) : scratch_folder("written")) / one.name;
  write_peft(folder, *lora, *network, "");
  if (keep && one.name.starts_with("llama"))
    write_gguf_adapter(folder / kGgufAdapter, *lora, *network);
  expect_same_tensors(folder, one.folder);
  const auto ours = PeftFolder::read(folder);
  EXPECT_EQ(ours.config().task, theirs.config().task);
  EXPECT_EQ(ours.config().transposed, theirs.config().transposed);
  ASSERT_EQ(ours.changes().size(), theirs.changes().size());
  for (const auto& [module, change] : theirs.changes()) {
    EXPECT_NEAR(ours.changes().at(module).scale, change.scale, 1e-12) << module;
    EXPECT_TRUE(ours.config().lists(module)) << module;
  }
  // A list of names must not mean more modules than those that change.
  for (const auto& module : weighted_modules(*network, prefix_of(ours)))
    EXPECT_EQ(ours.config().lists(module), ours.changes().count(module) > 0) << module;
}

INSTANTIATE_TEST_SUITE_P(Blocks, BesideTheWeights,
                         testing::Values("llama_all", "llama_patterns", "bert_regex", "gpt2",
                                         "t5_blocks", "vit_blocks"),
                         [](const auto& info) { return info.param; });

TEST(PeftAdapter, OfLayersThatNoAdaptationReachesIsOnlyMerged) {
  for (const auto& [name, module] :
       {std::pair{"bert_classes", "bert.pooler.dense"},
        std::pair{"t5", "decoder.block.0.layer.1.EncDecAttention.o"}}) {
    const Case one(name);
    const auto network = load_backbone({.name = one.base});
    EXPECT_TRUE(contains(
        error_of(ErrorKind::model, [&] { lora_of(PeftFolder::read(one.folder), *network); }),
        std::string(module) + " is no linear layer that an adaptation"));
  }
}

TEST(PeftAdapter, WithAClassifierIsWrittenAsPeftDoes) {
  for (const char* name : {"llama_classes", "vit"}) {
    const Case one(name);
    const auto network = load_backbone({.name = one.base});
    const auto theirs = PeftFolder::read(one.folder);
    const std::string head = network->stored()->head;
    LinearClassifier classifier{.weight = to_tensor(theirs.saved().at(head + ".weight"))};
    if (theirs.saved().count(head + ".bias"))
      classifier.bias = to_tensor(theirs.saved().at(head + ".bias"));
    const fs::path folder = scratch_folder("head") / name;
    write_peft(folder, *lora_of(theirs, *network), *network, "base", classifier);
    expect_same_tensors(folder, one.folder);
    EXPECT_EQ(PeftFolder::read(folder).config().base, "base");
    EXPECT_EQ(PeftFolder::read(folder).config().saved, std::vector<std::string>{head});
    const auto again = load_backbone({.name = one.base, .adapter = folder.string()});
    EXPECT_LT(distance(one, one.outputs(*again)), kClose);
  }
}

TEST(PeftAdapter, KeepsABiasedClassifierFromAFamilyWithout) {
  const Case one("llama_all");
  const auto network = load_backbone({.name = one.base});
  const auto lora = lora_of(PeftFolder::read(one.folder), *network);
  const LinearClassifier biased{.weight = at::ones({2, 16}), .bias = at::ones({2})};
  EXPECT_TRUE(
      contains(error_of(ErrorKind::model,
                        [&] { write_peft(scratch_folder("biased"), *lora, *network, "", biased); }),
               "the classifier has a bias, and its family's has none"));
}

// A LoRA with random numbers on all layers.
std::unique_ptr<adapt::Lora> random_lora(adapt::LoraOptions options, const Backbone& network) {
  Random random = Seeds(3)("lora");
  auto lora = std::make_unique<adapt::Lora>(options, network.block(), network.layers(), random);
  lora->set_tower(network.tower().tower);
  NoGrad no_grad;
  uint64_t seed = 0;
  for (auto& item : nn::tensors(*lora))
    item.tensor.copy_(random_tensor(item.tensor.sizes().vec(), ++seed, 0.2));
  return lora;
}

// A joint change of a split layer, and changes of parts of a joint layer.
TEST(PeftAdapter, PartsAreDividedAndJoinedAsTheFamilyStoresThem) {
  struct Row {
    const char* base;
    adapt::LoraOptions options;
    std::map<std::string, std::pair<int64_t, int64_t>> sizes;  // of B, by the end of the module
  };
  const std::vector<Row> rows = {
      {"llama",
       {.rank = 3, .alpha = 5, .parts = "qkv", .output = true, .mlp = true, .joint = true},
       {{"q_proj", {16, 3}}, {"k_proj", {8, 3}}, {"gate_proj", {24, 3}}, {"o_proj", {16, 3}}}},
      {"gpt2",
       {.rank = 3, .alpha = 5, .parts = "qv", .output = true, .mlp = true},
       {{"c_attn", {48, 6}}, {"c_fc", {24, 3}}}},
      {"bert", {.rank = 3, .alpha = 5, .parts = "k", .learned_scale = true}, {{"key", {16, 3}}}}};
  for (const auto& [base, options, sizes] : rows) {
    const auto network = load_backbone(
        {.name = fixture(std::string("language/") + base).string() + "/model.safetensors"});
    const auto lora = random_lora(options, *network);
    const fs::path folder = scratch_folder("parts");
    write_peft(folder, *lora, *network, "");
    const auto written = PeftFolder::read(folder);
    for (const auto& [module, change] : written.changes())
      for (const auto& [end, size] : sizes)
        if (module.ends_with(end)) {
          EXPECT_EQ(change.b.shape, (std::vector{size.first, size.second})) << module;
        }
    const Input probes = probe_input(*network);
    const auto again = lora_of(written, *network);
    const Tensor expected = probe_outputs(*network, probes, {lora.get()});
    EXPECT_LT(difference_of(expected, probe_outputs(*network, probes, {again.get()})).relative(),
              1e-5)
        << base;
    EXPECT_GT(difference_of(expected, probe_outputs(*network, probes)).relative(), 1e-3) << base;
  }
}

// The weights of a GGUF file under their names in the folder that it was made from.
TEST(PeftAdapter, GoesWithABaseInAGgufFile) {
  const Case one("llama_all");
  const auto network =
      load_backbone({.name = fixture("gguf/llama.gguf").string(), .adapter = one.folder.string()});
  EXPECT_LT(distance(one, one.outputs(*network)), kClose);
}

TEST(PeftAdapter, OfAnotherModelIsRefused) {
  const Case one("llama_all"), gpt("gpt2");
  const auto refused = [](const Case& base, const Case& adapter) {
    return error_of(ErrorKind::model, [&] {
      load_backbone({.name = base.base, .adapter = adapter.folder.string()});
    });
  };
  EXPECT_TRUE(contains(refused(gpt, one), "it changes model.layers.0.mlp.down_proj, and "));
  // The same names, another width.
  const fs::path folder = scratch_folder("wide");
  const auto file = SafetensorsFile::open(one.folder / PeftFolder::kWeights);
  std::map<std::string, StoredTensor> tensors = file.tensors();
  std::vector<float> numbers(4 * 99);
  tensors["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"] = {
      DType::f32, {4, 99}, {reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * 4}};
  write_safetensors(folder / PeftFolder::kWeights, tensors);
  fs::copy_file(one.folder / PeftFolder::kConfig, folder / PeftFolder::kConfig);
  EXPECT_TRUE(
      contains(error_of(ErrorKind::model,
                        [&] { load_backbone({.name = one.base, .adapter = folder.string()}); }),
               "the change of model.layers.0.mlp.down_proj is [16, 99]"));
  EXPECT_TRUE(contains(error_of([&] { load_backbone({.name = "mlp", .adapter = "somewhere"}); }),
                       "starts untrained"));
}

// llama.cpp's numbers of q and k stand in another order.
TEST(GgufAdapter, GivesTheOutputsOfTheLora) {
  for (const char* base : {"llama", "qwen2", "gpt2"}) {
    const auto network = load_backbone(
        {.name = fixture(std::string("language/") + base).string() + "/model.safetensors"});
    const auto lora = random_lora({.rank = 3,
                                   .alpha = 5,
                                   .parts = "qkv",
                                   .output = true,
                                   .mlp = true,
                                   .rank_stabilized = true},
                                  *network);
    const fs::path path = scratch_folder("gguf") / kGgufAdapter;
    write_gguf_adapter(path, *lora, *network);
    const auto file = GgufFile::open(path);
    EXPECT_EQ(file.text("general.type"), "adapter");
    EXPECT_EQ(file.text("adapter.type"), "lora");
    EXPECT_EQ(file.text("general.architecture"), base);
    const Input probes = probe_input(*network);
    const auto again = gguf_lora(file, *network);
    const Tensor expected = probe_outputs(*network, probes, {lora.get()});
    EXPECT_LT(difference_of(expected, probe_outputs(*network, probes, {again.get()})).relative(),
              1e-5)
        << base;
    EXPECT_GT(difference_of(expected, probe_outputs(*network, probes)).relative(), 1e-3) << base;
  }
}

TEST(GgufAdapter, StoresQueriesInTheOrderOfLlamaCpp) {
  const auto network =
      load_backbone({.name = fixture("language/llama/model.safetensors").string()});
  Tensor b = at::arange(0, 16, at::kFloat).unsqueeze(1).contiguous();
  const adapt::Lora lora({{0, adapt::Part::q, at::ones({1, 16}), b, 2.0}}, network->block(), 2);
  const fs::path path = scratch_folder("order") / kGgufAdapter;
  write_gguf_adapter(path, lora, *network);
  const auto file = GgufFile::open(path);
  EXPECT_EQ(file.number("adapter.lora.alpha"), 2);
  const auto& stored = file.at("blk.0.attn_q.weight.lora_b");
  EXPECT_EQ(stored.shape, (std::vector<int64_t>{16, 1}));
  std::vector<float> numbers(16);
  dequantize_rows(stored, 0, 16, numbers);
  // Heads of four: the halves of a head alternate.
  EXPECT_EQ(numbers, (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
  EXPECT_EQ(file.at("blk.0.attn_q.weight.lora_a").shape, (std::vector<int64_t>{1, 16}));
}

TEST(GgufAdapter, IsRefusedForFamiliesThatLlamaCppsFilesDoNotHave) {
  const Case one("bert_regex");
  const auto network = load_backbone({.name = one.base});
  const auto lora = lora_of(PeftFolder::read(one.folder), *network);
  EXPECT_TRUE(contains(
      error_of(ErrorKind::model, [&] { write_gguf_adapter("never.gguf", *lora, *network); }),
      "llama.cpp's files of this family are not known"));
}

}  // namespace
}  // namespace patina
