// Sessions whose learner makes the network larger: exported, and saved with it.
#include <gtest/gtest.h>

#include "patina/models/catalog.h"
#include "tests/support/answering_session.h"
#include "tests/support/errors.h"
#include "tests/support/tiny_tokenizers.h"

namespace patina {
namespace {

// Networks with more blocks than they were read with, and with wider ones.
TEST(AnsweringSession, ExportsANetworkThatGrew) {
  const auto grown = [](const std::string& learner, Settings options, const std::string& family) {
    auto session = answering(learner, std::move(options), stored_decoder(family));
    for (int64_t set = 0; set < 3; ++set) session.learn(lesson(set));
    return session;
  };
  const fs::path folder = scratch_folder("answering-grown");
  const auto pro = grown("llama_pro", {{"every", 1}}, "llama");
  const Exported done = pro.export_to(folder / "pro", {});
  EXPECT_LT(done.difference, 1e-4 * done.scores);
  const auto before = stored_decoder();
  EXPECT_EQ(load_backbone({.name = (folder / "pro").string()})->layers(), 2 * before->layers());
  EXPECT_TRUE(
      contains(error_of(ErrorKind::usage, [&] { pro.export_to(folder / "lora", {.to = "peft"}); }),
               "no low-rank changes"));

  const auto elle = grown("elle", {}, "llama");
  EXPECT_LT(elle.export_to(folder / "elle", {}).difference, 1e-4 * done.scores);
  const auto wide = load_backbone({.name = (folder / "elle").string()});
  EXPECT_EQ(wide->layers(), before->layers() + 2);
  EXPECT_EQ(wide->block().size(), before->block().size());
  EXPECT_GT(wide->block().hidden, before->block().hidden);
  EXPECT_EQ(wide->block().key_width(), before->block().key_width() + 2 * before->block().size());

  // GPT-2's config has no key for heads that do not divide the width.
  const auto deep = grown("elle", {{"add_heads", 0}}, "gpt2");
  deep.export_to(folder / "deep", {});
  EXPECT_EQ(load_backbone({.name = (folder / "deep").string()})->layers(),
            stored_decoder("gpt2")->layers() + 2);
  const std::string why =
      error_of(ErrorKind::model, [&] { grown("elle", {}, "gpt2").export_to(folder / "wide", {}); });
  EXPECT_TRUE(contains(why, "channels in a stream of")) << why;
  EXPECT_FALSE(fs::exists(folder / "wide"));
}

// With its backbone in the file a network that learns goes on as without: what it was before it
// learned and grew is in it, too.
TEST(AnsweringSession, CarriesTheNetworkThatItBeganWith) {
  const auto read = [](const fs::path& folder) {
    write_text(folder / "tokenizer.json", byte_level_json().dump());
    write_text(folder / "tokenizer_config.json", R"({"eos_token": "<|end|>"})");
    return load_backbone({.name = folder.string()});
  };
  for (const std::string name : {"llama_pro", "elle", "sft_ewc"}) {
    const fs::path model = decoder_folder("llama", 260);
    Settings options;
    if (name == "llama_pro") options = {{"every", 1}};
    if (name == "sft_ewc") options = {{"tune", "full"}};
    auto whole = answering(name, options, read(model));
    for (int64_t set = 0; set < 2; ++set) whole.learn(lesson(set));
    const fs::path path = scratch_folder("answering-carried") / (name + ".patina");
    whole.save(path, {.with_backbone = true});
    OpenOptions alone;
    alone.engine = plain_fp32();
    auto again = Session::open(path, std::move(alone));
    EXPECT_EQ(answers_of(again, 1), answers_of(whole, 1)) << name;
    whole.learn(lesson(2));
    again.learn(lesson(2));
    EXPECT_EQ(answers_of(again, 2), answers_of(whole, 2)) << name;
    EXPECT_EQ(loss_of(again, 0), loss_of(whole, 0)) << name;
  }
}

}  // namespace
}  // namespace patina
