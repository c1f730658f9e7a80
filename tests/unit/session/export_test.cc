// What was learned, in other programs' forms; and artefacts that carry a network of any family.
#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/learners/registry.h"
#include "patina/models/linear_layers.h"
#include "patina/models/model_folder.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/probe.h"
#include "patina/ops.h"
#include "patina/session/exporting.h"
#include "patina/session/sources.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/tiny_tokenizers.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

EngineOptions plain_engine_options() {
  EngineOptions engine;
  engine.kind = "plain";
  engine.precision = "fp32";
  return engine;
}

// A small model of a family in a folder of its own, with a tokenizer.
fs::path model_folder(const std::string& family) {
  const fs::path folder = scratch_folder("models") / family;
  make_folder(folder);
  const fs::path from = fixture_folder(Fixtures::small) / "language" / family;
  for (const char* file : {"config.json", "model.safetensors"})
    fs::copy_file(from / file, folder / file);
  write_text(folder / "tokenizer.json", word_piece_json().dump());
  return folder;
}

std::shared_ptr<const Source> lessons() {
  return labelled_texts(
      {{"run running", ""}, {"run run", ""}, {"cafe unaffable", ""}, {"cafe , cafe", ""}},
      {0, 0, 1, 1}, {"runs", "cafes"});
}

std::vector<double> scores_of(const Session& session) {
  std::vector<double> scores;
  for (const char* text : {"running , run", "cafe runs", "unaffable"})
    for (const auto& found : session.predict(Text{text, ""}, {.top = 2})) {
      scores.push_back(double(found.number));
      scores.push_back(found.score);
    }
  return scores;
}

class Carried : public testing::TestWithParam<std::string> {};

// The artefact alone: weights, config.json and tokenizer are inside.
TEST_P(Carried, OpensWithoutItsFiles) {
  const fs::path folder = model_folder(GetParam());
  auto session = Session::create(load_backbone({.name = folder.string()}),
                                 {.learner = "simplecil", .engine = plain_engine_options()});
  session.learn(lessons());
  const auto expected = scores_of(session);
  const fs::path artefact = scratch_folder("carried") / "a.patina",
                 again = artefact.parent_path() / "b.patina";
  session.save(artefact, {.with_backbone = true});
  fs::remove_all(folder);
  OpenOptions options;
  options.engine = plain_engine_options();
  const auto opened = Session::open(artefact, std::move(options));
  EXPECT_EQ(scores_of(opened), expected);
  opened.save(again, {.with_backbone = true});
  OpenOptions same;
  same.engine = plain_engine_options();
  EXPECT_EQ(scores_of(Session::open(again, std::move(same))), expected);
}

INSTANTIATE_TEST_SUITE_P(Families, Carried,
                         testing::Values("bert", "roberta", "distilbert", "gpt2", "llama", "qwen2",
                                         "t5", "t5_gated", "mpnet", "bart", "mistral", "qwen3",
                                         "phi3", "gemma2", "modernbert", "deberta", "deberta_own"),
                         [](const auto& info) { return info.param; });

// A file that is a whole model has its vocabulary and its pooling in its metadata.
TEST(CarriedFile, OpensWithItsVocabularyAndPooling) {
  auto session = Session::create(load_backbone({.name = "text_starter"}),
                                 {.learner = "simplecil", .engine = plain_engine_options()});
  session.learn(lessons());
  const fs::path artefact = scratch_folder("carried") / "starter.patina";
  session.save(artefact, {.with_backbone = true});
  OpenOptions options;
  options.engine = plain_engine_options();
  const auto opened = Session::open(artefact, std::move(options));
  EXPECT_EQ(scores_of(opened), scores_of(session));
  EXPECT_EQ(opened.about(), session.about());
}

// A learner of a test: a frozen network under a LoRA, and a linear head.
class LoraLearner : public Learner {
 public:
  explicit LoraLearner(const Backbone& backbone, bool bias, int64_t classes) : backbone_(backbone) {
    Random random = Seeds(1)("lora");
    lora_ = std::make_unique<adapt::Lora>(
        adapt::LoraOptions{.rank = 3, .parts = "qkv", .output = true, .mlp = true},
        backbone.block(), backbone.layers(), random);
    lora_->set_tower(backbone.tower().tower);
    NoGrad no_grad;
    for (auto& item : nn::tensors(*lora_)) nn::init_normal(item.tensor, random, 0, 0.2);
    if (classes == 0) return;
    weight_ = at::empty({classes, backbone.width()});
    nn::init_normal(weight_, random, 0, 1);
    if (bias) bias_ = at::arange(0, classes, at::kFloat);
  }
  Tensor loss(const Batch&, const Step&) override { return {}; }
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return nn::linear(backbone_.features(asked.input, {lora_.get()}), weight_, bias_);
  }
  std::vector<ParamGroup> trainable() override { return {}; }
  void state(Archive&) override {}
  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.lora = lora_.get(), .weight = weight_, .bias = bias_};
  }
  const adapt::Lora& lora() const { return *lora_; }

 private:
  const Backbone& backbone_;
  std::unique_ptr<adapt::Lora> lora_;
  Tensor weight_, bias_;
};

Learned learned_by(const Learner& learner, const Backbone& backbone) {
  return {.row = find_learner("finetune"),
          .learner = &learner,
          .backbone = &backbone,
          .base = "base/",
          .classes = {"a", "b", "c"},
          .class_of_column = {2, 0, 1}};
}

std::unique_ptr<Backbone> small_vit() {
  return load_backbone(
      {.name = (fixture_folder(Fixtures::small) / "vision/vit_random.safetensors").string()});
}

TEST(Export, OfALoraOnAViTInEveryForm) {
  const auto vit = small_vit();
  const LoraLearner learner(*vit, /*bias=*/true, 3);
  const Learned learned = learned_by(learner, *vit);
  const fs::path folder = scratch_folder("export");
  const auto peft = export_learned(learned, folder / "peft", {.to = "peft"});
  EXPECT_LT(peft.difference, 1e-5 * peft.scores);
  EXPECT_EQ(peft.files,
            (std::vector<std::string>{"adapter_config.json", "adapter_model.safetensors"}));
  const auto whole = export_learned(learned, folder / "whole", {});
  EXPECT_LT(whole.difference, 1e-4 * whole.scores);
  EXPECT_GT(whole.probes, 0);
  // Both as another program sees them: the family's own head gives the scores, class by class.
  const Input probes = probe_input(*vit);
  const Tensor scores = learner.scores(probes);
  for (const ModelOptions& options :
       {ModelOptions{.name = (folder / "whole").string()},
        ModelOptions{
            .name = (fixture_folder(Fixtures::small) / "vision/vit_random.safetensors").string(),
           .adapter = (folder / "peft").string()}}) {
    const auto network = load_backbone(options);
    const Tensor found = probe_outputs(*network, probes);
    for (int64_t column = 0; column < 3; ++column)
      EXPECT_LT(relative_error(found.select(1, learned.class_of_column[size_t(column)]),
                               scores.select(1, column)),
                1e-4);
  }
  EXPECT_EQ(parse_json(read_text(folder / "whole/classes.json"), "c"), (Json{"a", "b", "c"}));
  EXPECT_TRUE(contains(
      error_of(ErrorKind::usage, [&] { export_learned(learned, folder / "gguf", {.to = "gguf"}); }),
      "a classifier, which a GGUF adapter cannot hold"));
  EXPECT_FALSE(fs::exists(folder / "gguf"));
}

TEST(Export, OfALoraOnALanguageModel) {
  const fs::path base = model_folder("llama");
  const auto llama = load_backbone({.name = base.string()});
  const LoraLearner learner(*llama, false, 0);
  Learned learned = learned_by(learner, *llama);
  learned.classes.clear();
  learned.class_of_column.clear();
  const fs::path folder = scratch_folder("export");
  for (const char* to : {"peft", "gguf", "safetensors"}) {
    const auto done = export_learned(learned, folder / to, {.to = to});
    EXPECT_LT(done.difference, 1e-4 * done.scores) << to;
    EXPECT_GT(done.scores, 0) << to;
  }
  EXPECT_EQ(read_text(folder / "safetensors/tokenizer.json"), read_text(base / "tokenizer.json"));
  EXPECT_EQ(PeftFolder::read(folder / "peft").config().base, "base/");
  EXPECT_EQ(PeftFolder::read(folder / "peft").config().targets,
            (std::vector<std::string>{"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj",
                                      "up_proj", "v_proj"}));
}

TEST(Export, KeepsAClassifierBesideAModelWhoseHeadCannotHoldIt) {
  const auto llama = load_backbone({.name = model_folder("llama").string()});
  const LoraLearner learner(*llama, /*bias=*/true, 3);
  const Learned learned = learned_by(learner, *llama);
  const fs::path folder = scratch_folder("export");
  EXPECT_TRUE(contains(
      error_of(ErrorKind::model, [&] { export_learned(learned, folder / "peft", {.to = "peft"}); }),
      "PEFT has no place for the classifier"));
  const auto done = export_learned(learned, folder / "whole", {});
  EXPECT_EQ(std::ranges::count(done.files, "head.safetensors"), 1);
  const auto head = SafetensorsFile::open(folder / "whole/head.safetensors");
  EXPECT_EQ(head.at("weight").shape, (std::vector<int64_t>{3, 16}));
  EXPECT_FALSE(SafetensorsFile::open(folder / "whole/model.safetensors").has("score.weight"));
}

TEST(Export, WithoutABiasTheHeadIsTheModelsOwn) {
  const auto llama = load_backbone({.name = model_folder("llama").string()});
  const LoraLearner learner(*llama, /*bias=*/false, 3);
  const fs::path folder = scratch_folder("export");
  export_learned(learned_by(learner, *llama), folder / "whole", {});
  const Json config = parse_json(read_text(folder / "whole/config.json"), "config.json");
  EXPECT_EQ(config["id2label"]["1"], "b");
  const auto again = load_backbone({.name = (folder / "whole").string()});
  const Input probes = probe_input(*again);
  const Tensor scores = learner.scores(probes), found = again->logits(again->features(probes));
  EXPECT_LT(relative_error(found.select(1, 2), scores.select(1, 0)), 1e-4);
}

TEST(Export, AboveTheLimitWritesNothing) {
  const auto vit = small_vit();
  const LoraLearner learner(*vit, true, 3);
  const fs::path folder = scratch_folder("export") / "half";
  const auto message = error_of(ErrorKind::model, [&] {
    export_learned(learned_by(learner, *vit), folder, {.dtype = "bf16", .limit = 1e-7});
  });
  EXPECT_TRUE(contains(message, "more than the limit of 1e-07: nothing was written")) << message;
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_FALSE(fs::exists(folder.string() + ".part"));
  EXPECT_GT(export_learned(learned_by(learner, *vit), folder, {.dtype = "bf16"}).difference, 0);
  EXPECT_TRUE(contains(
      error_of(ErrorKind::usage, [&] { export_learned(learned_by(learner, *vit), folder, {}); }),
      "exists: name a new folder"));
}

Session taught(const std::string& learner, Settings options = {}) {
  auto session = Session::create(small_vit(), {.learner = learner,
                                               .options = std::move(options),
                                               .training = {{"epochs", 1}, {"batch_size", 8}},
                                               .seed = 7,
                                               .engine = plain_engine_options()});
  session.learn(std::make_shared<const ToySource>(3, 8, 1));
  return session;
}

// Fine-tuned networks and those under LoRA; the export itself compares the scores.
TEST(Export, OfTrainedNetworks) {
  const fs::path folder = scratch_folder("export");
  for (const char* learner : {"finetune", "ewc", "slca", "slcapp"}) {
    const auto done = taught(learner).export_to(folder / learner);
    EXPECT_GT(done.scores, 0) << learner;
    EXPECT_EQ(
        load_backbone({.name = (folder / learner).string()})->logits(at::zeros({1, 16})).size(1),
        3);
  }
}

class Grown : public testing::TestWithParam<std::string> {};

// A network with inserted blocks and wider ones is written with the shape that it has: in a folder,
// which any program reads, and in a file that also knows which blocks were inserted.
TEST_P(Grown, IsWrittenWithItsOwnShape) {
  const fs::path folder = model_folder(GetParam());
  const auto network = load_backbone({.name = folder.string()});
  const int64_t layers = network->layers(), width = network->block().width;
  ASSERT_TRUE(network->insert_blocks({0, layers - 1}));
  const bool wide = GetParam() != "gpt2" && GetParam() != "phi3";
  Random random = Seeds(1)("growth");
  if (wide) {
    const nn::BlockShape block = network->block();
    ASSERT_TRUE(
        network->widen_blocks(block.hidden + 8, 2 * block.key_width() / block.size(), 0.1, random));
  }
  NoGrad no_grad;
  for (auto& item : nn::tensors(*network))  // the inserted blocks add something, too
    item.tensor.detach().add_(0.01);
  const Input probes = probe_input(*network);
  const Tensor expected = probe_outputs(*network, probes);
  const fs::path written = scratch_folder("grown") / GetParam();
  write_model_folder(*network, written, at::kFloat);
  const auto again = load_backbone({.name = written.string()});
  EXPECT_EQ(again->layers(), layers + 2);
  EXPECT_EQ(again->block().width, width);
  EXPECT_EQ(again->block().hidden, network->block().hidden);
  EXPECT_EQ(again->block().heads, network->block().heads);
  EXPECT_EQ(again->block().qkv_width(), network->block().qkv_width());
  EXPECT_TRUE(again->inserted_blocks().empty());
  EXPECT_LT(difference_of(expected, probe_outputs(*again, probes)).relative(), 1e-6);

  const fs::path file = written / "whole.safetensors";
  save_with_files(*network, file, at::kFloat);
  const auto whole = open_model(read_file(file), "whole");
  EXPECT_EQ(whole->inserted_blocks(), (std::vector<int64_t>{1, layers + 1}));
  EXPECT_LT(difference_of(expected, probe_outputs(*whole, probes)).relative(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Families, Grown,
                         testing::Values("gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3",
                                         "gemma2", "gemma3"),
                         [](const auto& info) { return info.param; });

TEST(Export, OfAShapeThatAConfigCannotTellIsRefused) {
  for (const std::string family : {"gpt2", "phi3", "llama", "gemma2", "gemma3"}) {
    const auto network = load_backbone({.name = model_folder(family).string()});
    Random random = Seeds(1)("growth");
    const nn::BlockShape block = network->block();
    const int64_t keys = block.key_width() / block.size(), queries = block.heads / keys;
    int64_t more = keys + 1;
    while (block.width % (more * queries) == 0) ++more;
    ASSERT_TRUE(network->widen_blocks(block.hidden, more, 0, random));
    const fs::path folder = scratch_folder("grown-wide") / family;
    const std::string why =
        error_of(ErrorKind::model, [&] { write_model_folder(*network, folder, at::kFloat); });
    EXPECT_TRUE(contains(why, fmt::format("has grown to {} heads", more * queries)))
        << family << ": " << why;
  }
}

TEST(Export, SaysByNameWhatHasNoSuchForm) {
  const fs::path folder = scratch_folder("export") / "none";
  const auto refused = [&](const char* learner, const char* to) {
    return error_of(ErrorKind::usage, [&] { taught(learner).export_to(folder, {.to = to}); });
  };
  EXPECT_TRUE(contains(refused("l2p", "safetensors"),
                       "l2p keeps more than weights, low-rank changes and a linear head"));
  EXPECT_TRUE(contains(refused("lae", "safetensors"), "lae keeps more than"));
  EXPECT_TRUE(contains(refused("slcapp", "peft"), "slcapp also trains weights of the network"));
  EXPECT_TRUE(contains(refused("finetune", "peft"), "finetune has no low-rank changes"));
  EXPECT_TRUE(contains(refused("simplecil", "safetensors"), "simplecil scores by cosines"));
  const auto untaught = Session::create(small_vit(), {.learner = "simplecil"});
  EXPECT_TRUE(
      contains(error_of(ErrorKind::usage, [&] { untaught.export_to(folder, {.to = "onnx"}); }),
               "nothing has been learned yet"));
  EXPECT_FALSE(fs::exists(folder));
}

TEST(Export, OfANetworkOfAProgramIsRefused) {
  const auto vit = small_vit();
  vit->set_stored(nullptr);
  const LoraLearner learner(*vit, true, 3);
  EXPECT_TRUE(contains(error_of(ErrorKind::model,
                                [&] {
                                  export_learned(learned_by(learner, *vit),
                                                 scratch_folder("export") / "x", {});
                                }),
                       "was not read from a checkpoint"));
}

class Merge : public testing::TestWithParam<std::string> {};

// The folder alone gives what base and adapter give together.
TEST_P(Merge, WritesOneModel) {
  const std::string name = GetParam(), family = name.substr(0, name.find('_'));
  const fs::path fixtures = fixture_folder(Fixtures::small);
  ModelOptions model{.name = family == "vit" ? (fixtures / "vision/vit_random.safetensors").string()
                                             : model_folder(family).string(),
                     .adapter = (fixtures / "adapters" / name).string()};
  const fs::path folder = scratch_folder("merge");
  const auto done = merge_adapter(model, folder / "fp32", {});
  EXPECT_LT(done.difference, 1e-5 * std::max(1.0, done.scores));
  EXPECT_GT(done.scores, 0);
  const auto together = load_backbone(model),
             alone = load_backbone({.name = (folder / "fp32").string()});
  const Input probes = probe_input(*together);
  EXPECT_TRUE(at::equal(probe_outputs(*alone, probes), probe_outputs(*together, probes)));
  const auto half = merge_adapter(model, folder / "bf16", {.dtype = "bf16"});
  EXPECT_GT(half.difference, 0);
  EXPECT_LT(fs::file_size(folder / "bf16/model.safetensors"),
            fs::file_size(folder / "fp32/model.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Adapters, Merge,
                         testing::Values("llama_all", "llama_patterns", "llama_classes",
                                         "bert_regex", "bert_classes", "gpt2", "t5", "vit"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina
