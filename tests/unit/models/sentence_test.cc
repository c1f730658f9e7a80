// Sentence encoders: modules.json beside the weights, and files that are whole models.
#include <gtest/gtest.h>

#include <fstream>

#include "patina/data/feed.h"
#include "patina/models/catalog.h"
#include "patina/models/text/bert.h"
#include "tests/support/errors.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

// Makes the folder of the file, too.
void write_below(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

constexpr const char* kModules = R"([
  {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
  {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
  {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])";
constexpr const char* kMean = R"({"word_embedding_dimension": 16, "pooling_mode_cls_token": false,
  "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false})";

// The small BERT with a pooler and heads, as a sentence encoder.
struct Folder {
  fs::path path;
  explicit Folder(const std::string& name) : path(scratch_folder(name)) {
    const fs::path bert = fixture_folder(Fixtures::small) / "language/bert";
    for (const char* file : {"config.json", "model.safetensors"})
      fs::copy_file(bert / file, path / file);
    write_below(path / "modules.json", kModules);
    write_below(path / "1_Pooling/config.json", kMean);
  }
  std::unique_ptr<Backbone> open() const { return load_backbone({.name = path.string()}); }
  std::string error() const {
    return error_of([&] { open(); });
  }
};

void expect_part(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

Tensor first_mean_and_length(const Backbone& model, const Input& input) {
  const Tensor mean = mean_of(model.tokens(input), input.mask);
  return mean / mean.pow(2).sum(1, /*keepdim=*/true).sqrt();
}

TEST(SentenceEncoder, GivesTheUnitMeanOfItsTokens) {
  const Folder folder("sentences");
  const auto model = folder.open();
  const Input input = tiny_text();
  EXPECT_LT(relative_error(model->features(input), first_mean_and_length(*model, input)), 1e-6);
  // The heads of the file read the first token, which the features are not.
  EXPECT_FALSE(model->pooled(model->features(input)).defined());
  EXPECT_FALSE(model->logits(model->features(input)).defined());
}

TEST(SentenceEncoder, PoolsAsItsFilesSay) {
  const Folder folder("sentence-poolings");
  const Input input = tiny_text();
  write_below(folder.path / "modules.json", R"([{"path": "", "type": "a.Transformer"},
                                          {"path": "1_Pooling", "type": "a.Pooling"}])");
  EXPECT_LT(relative_error(folder.open()->features(input),
                           mean_of(folder.open()->tokens(input), input.mask)),
            1e-6);
  const auto pooled_by = [&](const char* config) {
    write_below(folder.path / "1_Pooling/config.json", config);
    return folder.open()->features(input);
  };
  const Tensor tokens = folder.open()->tokens(input);
  EXPECT_LT(relative_error(pooled_by(R"({"pooling_mode": "cls", "include_prompt": true})"),
                           tokens.select(1, 0)),
            1e-6);
  EXPECT_LT(relative_error(pooled_by(R"({"pooling_mode_lasttoken": true})")[1], tokens[1][4]),
            1e-6);
  write_below(folder.path / "sentence_bert_config.json", R"({"max_seq_length": 12})");
  EXPECT_EQ(folder.open()->text_input()->longest, 12);
}

TEST(SentenceEncoder, RefusesWhatItDoesNotHave) {
  const Folder folder("sentence-mistakes");
  write_below(folder.path / "1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
  expect_part(folder.error(), "1_Pooling/config.json: the pooling \"max\" is not supported");
  write_below(folder.path / "1_Pooling/config.json",
              R"({"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true})");
  expect_part(folder.error(), "the pooling \"mean with max\" is not supported");
  write_below(folder.path / "1_Pooling/config.json", "{}");
  expect_part(folder.error(), "the pooling \"\" is not supported");
  write_below(folder.path / "1_Pooling/config.json", kMean);
  write_below(folder.path / "config_sentence_transformers.json",
              R"({"default_prompt_name": "query"})");
  expect_part(folder.error(), "default_prompt_name = \"query\" is not supported");
  fs::remove(folder.path / "config_sentence_transformers.json");
  write_below(folder.path / "modules.json", R"([{"path": "", "type": "a.Transformer"},
    {"path": "1_Pooling", "type": "a.Pooling"}, {"path": "2_Dense", "type": "a.Dense"}])");
  expect_part(folder.error(), "module 2 is Dense; patina reads the sequence Transformer, Pooling");
  write_below(folder.path / "modules.json", R"([{"path": "0_T", "type": "a.Transformer"}])");
  expect_part(folder.error(), "the transformer is in the folder \"0_T\"");
  write_below(folder.path / "modules.json", R"([{"path": "", "type": "a.Transformer"},
                                          {"path": "../x", "type": "a.Pooling"}])");
  expect_part(folder.error(), "leaves the folder");
  write_below(folder.path / "modules.json", R"([{"path": ""}])");
  expect_part(folder.error(), "module 0 has no type");
  write_below(folder.path / "modules.json", R"([{"path": "", "type": "a.Transformer"}])");
  expect_part(folder.error(), "no Pooling");
  write_below(folder.path / "modules.json", "{}");
  expect_part(folder.error(), "modules.json: not a list");
}

TEST(SentenceEncoder, IsBuiltOnAnEncoderOfTexts) {
  const Folder folder("sentence-t5");
  const fs::path t5 = fixture_folder(Fixtures::small) / "language/t5";
  for (const char* file : {"config.json", "model.safetensors"})
    fs::copy_file(t5 / file, folder.path / file, fs::copy_options::overwrite_existing);
  expect_part(folder.error(), "makes a sentence encoder of a t5, which patina does not pool");
}

TEST(WholeModel, KeepsConfigVocabularyAndPooling) {
  LanguageShape shape = tiny_language("bert");
  shape.pooling = Pooling::mean;
  shape.unit_length = true;
  const auto model = stirred(LanguageModel(shape));
  const fs::path file = scratch_folder("whole-model") / "encoder.safetensors";
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int64_t i = 5; i < kTinyWords; ++i) vocabulary += fmt::format("w{}\n", i);
  save_bert(*model, vocabulary, file, /*bf16=*/false);
  EXPECT_TRUE(is_model(file.string()));
  const auto opened = load_backbone({.name = file.string()});
  EXPECT_EQ(opened->about(), model->about());
  EXPECT_EQ(opened->text_input()->longest, model->text_input()->longest);
  const Input input = tiny_text();
  EXPECT_TRUE(at::equal(opened->features(input), model->features(input)));
  ASSERT_NE(opened->tokenizer(), nullptr);
  EXPECT_EQ(opened->tokenizer()->encode_framed("W7 [MASK] w9").ids,
            (std::vector<int64_t>{2, 7, 4, 9, 3}));
  save_bert(*model, vocabulary, file, /*bf16=*/true);
  EXPECT_LT(relative_error(load_backbone({.name = file.string()})->features(input),
                           model->features(input)),
            0.02);
}

TEST(TextStarter, IsSmallAndTellsSentencesApart) {
  EXPECT_LE(fs::file_size(fs::path(PATINA_SOURCE_DIR) / "models/text_starter.safetensors"),
            12'000'000U);
  EXPECT_TRUE(is_model("text_starter"));
  const auto model = load_backbone({.name = "text_starter"});
  EXPECT_LE(nn::count(nn::tensors(*model)), 6'000'000);
  EXPECT_EQ(model->text_input()->longest, 128);
  std::vector<Encoding> texts;
  for (const char* text : {"wake me up at seven", "set an alarm for seven o'clock",
                           "how do I bake bread without yeast"})
    texts.push_back(model->tokenizer()->encode_framed(text));
  const Tensor features = model->features(padded(texts, *model->tokenizer()));
  const Tensor cosines = features.matmul(features.t());
  EXPECT_NEAR(cosines[0][0].item<double>(), 1, 1e-5);
  EXPECT_GT(cosines[0][1].item<double>(), cosines[0][2].item<double>() + 0.2);
  expect_part(error_of([] { load_backbone({.name = "text_starter", .path = "x"}); }),
              "the weights of text_starter are inside the program: leave it empty");
}

}  // namespace
}  // namespace patina
