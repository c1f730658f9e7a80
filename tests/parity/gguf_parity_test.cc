// Models in GGUF files: the networks and tokenizers of the folders that they were made from, and a
// real one against transformers.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "patina/base/json.h"
#include "patina/models/catalog.h"
#include "patina/models/generate.h"
#include "patina/models/gguf_model.h"
#include "tests/support/errors.h"
#include "tests/support/gguf_writing.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/weights.h"

namespace patina {
namespace {

fs::path file(const std::string& name) {
  return fixture_folder(Fixtures::small) / "gguf" / name;
}

class GgufModel : public testing::TestWithParam<std::string> {};

TEST_P(GgufModel, ComputesWhatItsFolderComputes) {
  const auto folder =
      load_backbone({.name = (fixture_folder(Fixtures::small) / "language" / GetParam()).string()});
  const std::string path = file(GetParam() + ".gguf").string();
  EXPECT_TRUE(is_model(path));
  const auto model = load_backbone({.name = path});
  EXPECT_EQ(model->about(), folder->about());
  EXPECT_EQ(model->text_input()->longest, folder->text_input()->longest);
  EXPECT_EQ(model->tokenizer(), nullptr) << "the file has none";
  const Input input{tensor_of({{3, 7, 11, 5, 2, 38, 9, 21}}).view({2, 4}), {}};
  const Tensor tokens = model->tokens(input);
  EXPECT_TRUE(at::equal(tokens, folder->tokens(input)));
  EXPECT_TRUE(at::equal(model->word_scores(tokens), folder->word_scores(tokens)));
}

INSTANTIATE_TEST_SUITE_P(Families, GgufModel, testing::Values("llama", "qwen2"),
                         [](const auto& info) { return info.param; });

/// A file made from a folder; `changes` are what the format has no settings for.
struct GgufOfFolder {
  std::string file, folder, config = "config.json", changes = "{}";
};

class GgufDecoder : public testing::TestWithParam<GgufOfFolder> {};

TEST_P(GgufDecoder, ComputesWhatItsFolderComputes) {
  const fs::path from = fixture_folder(Fixtures::small) / "language" / GetParam().folder;
  const fs::path to = scratch_folder("gguf_" + GetParam().file);
  Json config = parse_json(read_text(from / GetParam().config), "config");
  config.update(Json::parse(GetParam().changes));
  std::ofstream(to / "config.json") << config.dump();
  fs::copy_file(from / "model.safetensors", to / "model.safetensors");
  const auto folder = load_backbone({.name = to.string()});
  const auto model = load_backbone({.name = file(GetParam().file + ".gguf").string()});
  EXPECT_EQ(model->about(), folder->about());
  EXPECT_EQ(model->text_input()->longest, folder->text_input()->longest);
  Random random = Seeds(4)("ids");
  std::vector<int64_t> ids(40);
  for (int64_t& id : ids) id = 3 + int64_t(random.below(37));
  const Input input{tensor_of(ids).view({2, 20}), {}};
  const Tensor tokens = model->tokens(input);
  EXPECT_LT(relative_error(tokens, folder->tokens(input)), 1e-5);
  EXPECT_LT(relative_error(model->word_scores(tokens), folder->word_scores(tokens)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Families, GgufDecoder,
    testing::Values(
        GgufOfFolder{"qwen3", "qwen3", "config.json",
                     R"({"use_sliding_window": false, "layer_types": null})"},
        GgufOfFolder{"phi3", "phi3"},
        GgufOfFolder{"gemma2", "gemma2", "config.json", R"({"query_pre_attn_scalar": 6})"},
        GgufOfFolder{"gemma3", "gemma3", "config.json", R"({"query_pre_attn_scalar": 6})"},
        GgufOfFolder{"rotary_llama3", "rotary", "llama3.json"},
        GgufOfFolder{"rotary_yarn", "rotary", "yarn.json"}),
    [](const auto& info) { return info.param.file; });

TEST(GgufTokenizer, GivesTheIdsOfItsFolder) {
  const auto tokenizer = gguf_tokenizer(GgufFile::open(file("vocabulary.gguf")));
  const fs::path folder = fixture_folder(Fixtures::small) / "tokenizers/gpt2";
  const auto wanted = load_tokenizer(folder.string());
  EXPECT_EQ(tokenizer->special().end, wanted->special().end);
  const fs::path path = folder / "cases.json";
  const Json json = parse_json(read_text(path), path.string());
  for (const auto& row : json.at("cases")) {
    const auto text = row.at("text").get<std::string>();
    const auto ids = tokenizer->encode(text);
    EXPECT_EQ(ids, row.at("ids").get<std::vector<int64_t>>()) << text;
    EXPECT_EQ(tokenizer->decode(ids), wanted->decode(ids)) << text;
    EXPECT_EQ(tokenizer->encode_framed(text).ids, wanted->encode_framed(text).ids) << text;
  }
}

// The settings of a LLaMA, each as its key and value; no tensors but the words'.
struct Settings {
  std::vector<std::pair<std::string, uint32_t>> numbers = {
      {"llama.block_count", 1},         {"llama.embedding_length", 8},
      {"llama.feed_forward_length", 8}, {"llama.attention.head_count", 2},
      {"llama.context_length", 8},
  };
  std::string architecture = "llama", extra_tensor;

  std::string error() const {
    GgufWriting bytes;
    bytes.start(extra_tensor.empty() ? 1 : 2, numbers.size() + 2);
    bytes.setting("general.architecture", 8).text(architecture);
    bytes.setting("llama.attention.layer_norm_rms_epsilon", 6).number(1e-6f);
    for (const auto& [key, value] : numbers) bytes.setting(key, 4).number(value);
    bytes.tensor("token_embd.weight", {8, 4}, 0);
    if (!extra_tensor.empty()) bytes.tensor(extra_tensor, {8, 4}, 0, 128);
    bytes.data(256);
    return error_of([&] { gguf_checkpoint(GgufFile::parse(bytes.bytes, "f")); });
  }
};

TEST(GgufModels, RefuseWhatTheyDoNotKnow) {
  const auto says = [](const Settings& settings, std::string_view part) {
    const std::string error = settings.error();
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  Settings falcon, experts, odd, window, narrow, tensor, scaled, queries;
  EXPECT_EQ(Settings().error(), "");
  falcon.architecture = "falcon";
  says(falcon,
       "the architecture falcon is not read from GGUF files; patina reads llama, qwen2, qwen3, "
       "phi3, gemma2, gemma3");
  narrow.numbers.emplace_back("llama.attention.sliding_window", 4);
  says(narrow, "llama.attention.sliding_window = 4 is not supported");
  experts.numbers.emplace_back("llama.expert_count", 4);
  says(experts, "llama.expert_count = 4 is not supported");
  experts.numbers.back().second = 0;  // switched off
  EXPECT_EQ(experts.error(), "");
  odd.numbers[3].second = 3;
  says(odd, "8 channels, 3 heads and 3 key heads do not go together");
  window.numbers.emplace_back("llama.rope.dimension_count", 2);
  says(window, "llama.rope.dimension_count is 2, but heads have 4 channels");
  tensor.extra_tensor = "blk.0.attn_rot_embd";
  says(tensor, "the tensor blk.0.attn_rot_embd is not known");
  scaled.extra_tensor = "rope_freqs.weight";
  says(scaled, "rope_freqs.weight is not a list");
  queries.extra_tensor = "blk.0.attn_q.weight";
  says(queries, "blk.0.attn_q.weight has 4 rows, not 2 heads of 4");
}

class SmolLM2 : public testing::TestWithParam<std::string> {};

TEST_P(SmolLM2, WritesWhatTransformersWrites) {
  PATINA_NEED_WEIGHTS(path, "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2");
  const auto model = load_backbone({.name = path.string(), .form = GetParam()});
  if (GetParam() == "stored") {
    EXPECT_LT(nn::bytes(nn::tensors(*model)), int64_t(fs::file_size(path)));
  }
  const Json expected = parse_json(read_text(file("smollm2.json")), "smollm2.json");
  for (const auto& row : expected.at("cases")) {
    const auto text = row.at("text").get<std::string>();
    const auto ids = model->tokenizer()->encode_framed(text).ids;
    ASSERT_EQ(ids, row.at("ids").get<std::vector<int64_t>>()) << text;
    const Input input{tensor_of(ids).unsqueeze(0), {}};
    const Tensor scores = model->word_scores(model->tokens(input)).select(1, -1)[0];
    for (const auto& [id, score] : row.at("scores").items())
      EXPECT_NEAR(scores[std::stoll(id)].item<double>(), score.get<double>(), 1e-3) << text << id;
    GenerateOptions options;
    options.temperature = 0;
    const auto wanted = row.at("greedy").get<std::vector<int64_t>>();
    options.max_tokens = int64_t(wanted.size());
    EXPECT_EQ(generate(*model, input, {}, options)[0], wanted) << text;
    EXPECT_EQ(model->tokenizer()->decode(wanted), row.at("continued").get<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(Bases, SmolLM2, testing::Values("fp32", "stored"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina
