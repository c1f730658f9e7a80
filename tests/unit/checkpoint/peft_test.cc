// PEFT's adapter folders: settings, names, and every refusal.
#include "patina/checkpoint/peft.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/base/json.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

std::string config_with(const std::string& more) {
  return R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q", "x.v"])" +
         (more.empty() ? "" : ", " + more) + "}";
}

PeftConfig parsed(const std::string& more) {
  return PeftConfig::parse(config_with(more), "c.json");
}

std::string peft_refusal(const std::string& more) {
  return error_of(ErrorKind::format, [&] { parsed(more); });
}

TEST(PeftConfig, GivesScalesByModule) {
  const auto config = parsed(R"("rank_pattern": {"v": 2}, "alpha_pattern": {"^x.v": 3, "a.q": 5})");
  EXPECT_EQ(config.scale_of("b.q"), 2);
  EXPECT_EQ(config.scale_of("z.a.q"), 5.0 / 4);
  EXPECT_EQ(config.scale_of("za.q"), 2) << "a name begins after a dot";
  EXPECT_EQ(config.scale_of("x.v"), 3.0 / 2);
  EXPECT_EQ(config.scale_of("y.x.v"), 8.0 / 2) << "^ ties the name to the start";
  EXPECT_EQ(parsed(R"("use_rslora": true)").scale_of("q"), 8 / std::sqrt(4.0));
}

TEST(PeftConfig, ListsModulesByTheEndOfTheirPath) {
  const auto config = parsed("");
  EXPECT_TRUE(config.lists("q"));
  EXPECT_TRUE(config.lists("a.q"));
  EXPECT_TRUE(config.lists("a.x.v"));
  EXPECT_FALSE(config.lists("aq"));
  EXPECT_FALSE(config.lists("a.v"));
}

TEST(PeftConfig, RefusesWhatWouldChangeTheSumsByName) {
  EXPECT_EQ(peft_refusal(R"("use_dora": true)"),
            "c.json: use_dora is true: DoRA rescales the columns of the sum");
  EXPECT_EQ(peft_refusal(R"("bias": "all")"),
            "c.json: bias is \"all\": trained biases are not read, only \"none\" is");
  EXPECT_EQ(peft_refusal(R"("lora_bias": true)"),
            "c.json: lora_bias is true: biases of the changes are not read");
  EXPECT_EQ(peft_refusal(R"("layer_replication": [[0, 4], [2, 5]])"),
            "c.json: layer_replication is [[0,4],[2,5]]: it repeats blocks of the model");
  EXPECT_TRUE(
      contains(peft_refusal(R"("init_lora_weights": "pissa")"), "changes the base model as well"));
  EXPECT_EQ(peft_refusal(R"("use_something_new": 3)"),
            "c.json: use_something_new is 3, which is not known: it may change what the adapter "
            "computes");
  EXPECT_EQ(peft_refusal(R"("use_something_new": false, "another": null, "third": {}, "r2": 0)"),
            "");
  EXPECT_EQ(peft_refusal(R"("rank_pattern": {".*q": 2})"),
            "c.json: rank_pattern[\".*q\"] is a regular expression, which is not read: name the "
            "modules one by one");
  EXPECT_EQ(
      error_of(ErrorKind::format, [] { PeftConfig::parse(R"({"peft_type": "LOHA"})", "c.json"); }),
      "c.json: peft_type is \"LOHA\"; only LORA is read: merge it into its model with peft, "
      "and load that");
}

TEST(PeftConfig, RefusesValuesOfOtherTypes) {
  for (const char* wrong :
       {R"("use_rslora": 1)", R"("task_type": 3)", R"("modules_to_save": "score")",
        R"("modules_to_save": [1])", R"("alpha_pattern": [])", R"("rank_pattern": {"q": 0})",
        R"("rank_pattern": {"q": 1.5})", R"("rank_pattern": {"q": 1e9})", R"("bias": true)"})
    EXPECT_TRUE(contains(peft_refusal(wrong), "c.json: ")) << wrong;
  EXPECT_EQ(error_of([] { PeftConfig::parse("[]", "c.json"); }), "c.json: not a JSON object");
  EXPECT_TRUE(contains(
      error_of([] { PeftConfig::parse(R"({"peft_type":"LORA","r":-1})", "c.json"); }), "r is -1"));
}

TEST(PeftConfig, IsWrittenAsItIsRead) {
  const PeftConfig config{.base = "llama/",
                          .task = "CAUSAL_LM",
                          .rank = 3,
                          .alpha = 4.5,
                          .targets = {"k_proj", "q_proj"},
                          .saved = {"score"},
                          .rank_pattern = {{"a.q_proj", 2}},
                          .alpha_pattern = {{"a.q_proj", 6}}};
  const auto again = PeftConfig::parse(config.text(), "c.json");
  EXPECT_EQ(again.text(), config.text());
  EXPECT_EQ(again.scale_of("a.q_proj"), 3);
  EXPECT_EQ(again.scale_of("b.q_proj"), 1.5);
  EXPECT_EQ(again.base, "llama/");
  EXPECT_EQ(again.saved, config.saved);
  EXPECT_TRUE(contains(config.text(), "\"lora_alpha\": 4.5"));
  EXPECT_TRUE(contains(config.text(), "\"a.q_proj\": 6\n"));
}

// A folder's tensors, all of zeros.
class Tensors {
 public:
  Tensors& put(const std::string& name, std::vector<int64_t> shape, DType type = DType::f32) {
    size_t bytes = size_of(type);
    for (const int64_t extent : shape) bytes *= size_t(extent);
    memory_.push_back(std::make_shared<std::vector<uint8_t>>(bytes));
    tensors_["base_model.model." + name] = {type, std::move(shape), *memory_.back()};
    return *this;
  }
  PeftFolder read(const std::string& more = "") const {
    return PeftFolder::of(parsed(more), SafetensorsFile::of(tensors_, nullptr), "f");
  }
  std::string peft_refusal(const std::string& more = "") const {
    return error_of(ErrorKind::format, [&] { read(more); });
  }

 private:
  std::vector<std::shared_ptr<std::vector<uint8_t>>> memory_;
  std::map<std::string, StoredTensor> tensors_;
};

Tensors one_change() {
  Tensors tensors;
  tensors.put("a.q.lora_A.weight", {4, 6}).put("a.q.lora_B.weight", {5, 4}, DType::bf16);
  return tensors;
}

TEST(PeftFolder, HasChangesAndWholeTensorsByModule) {
  const auto folder =
      one_change().put("head.weight", {2, 3}).read(R"("modules_to_save": ["head"])");
  ASSERT_EQ(folder.changes().size(), 1u);
  const auto& change = folder.changes().at("a.q");
  EXPECT_EQ(change.a.shape, (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(change.b.dtype, DType::bf16);
  EXPECT_EQ(change.scale, 2);
  EXPECT_EQ(folder.saved().count("head.weight"), 1u);
}

TEST(PeftFolder, RefusesWhatDoesNotFitTogether) {
  EXPECT_EQ(Tensors().put("a.q.lora_A.weight", {4, 6}).peft_refusal(),
            "f: a.q: there is no lora_B");
  EXPECT_EQ(
      Tensors().put("a.q.lora_A.weight", {4, 6}).put("a.q.lora_B.weight", {5, 3}).peft_refusal(),
      "f: a.q: lora_A is [4,6] and lora_B is [5,3], not [r,in] and [out,r]");
  EXPECT_EQ(one_change().peft_refusal(R"("rank_pattern": {"q": 3})"),
            "f: a.q: its rank is 4, and adapter_config.json says 3");
  EXPECT_EQ(
      one_change().put("b.k.lora_A.weight", {4, 6}).put("b.k.lora_B.weight", {5, 4}).peft_refusal(),
      "f: b.k: target_modules of adapter_config.json do not have it");
  EXPECT_EQ(Tensors()
                .put("c.q.lora_A.weight", {4, 3, 1, 1})
                .put("c.q.lora_B.weight", {5, 4, 1, 1})
                .peft_refusal(),
            "f: c.q: it changes a convolution, which is not read");
  EXPECT_TRUE(contains(one_change().put("a.q.lora_magnitude_vector", {5}).peft_refusal(), "DoRA"));
  EXPECT_TRUE(
      contains(one_change().put("a.e.lora_embedding_A", {4, 9}).peft_refusal(), "embedding"));
  EXPECT_TRUE(contains(one_change().put("a.q.lora_B.bias", {5}).peft_refusal(), "lora_bias"));
  EXPECT_TRUE(
      contains(one_change().put("n.weight", {5}, DType::i64).peft_refusal(), "its type is I64"));
  EXPECT_EQ(Tensors().peft_refusal(), "f: there is nothing in it");
}

TEST(PeftFolder, SaysWhichFileIsMissing) {
  const fs::path folder = scratch_folder("peft");
  EXPECT_TRUE(contains(error_of(ErrorKind::file, [&] { PeftFolder::read(folder); }),
                       "there is no adapter_config.json in it"));
  write_text(folder / PeftFolder::kConfig, config_with(""));
  EXPECT_TRUE(contains(error_of(ErrorKind::file, [&] { PeftFolder::read(folder); }),
                       "there is neither adapter_model.safetensors nor adapter_model.bin"));
  write_text(folder / "adapter_model.bin", "x");
  EXPECT_TRUE(contains(error_of(ErrorKind::format, [&] { PeftFolder::read(folder); }),
                       "adapter_model.bin: not a safetensors file"));
}

}  // namespace
}  // namespace patina
