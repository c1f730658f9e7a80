// The program as a person meets it: exit codes, messages word for word, and runs that survive kill
// -9.
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill

#include <thread>

#include "patina/base/cores.h"
#include "patina/base/json.h"
#include "patina/checkpoint/safetensors.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

TEST(Cli, help_teaches_and_mistakes_exit_with_2) {
  const auto folder = scratch_folder("cli-help");
  const Result help = call(folder, {"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"run", "sweep", "tune", "report", "list", "explain", "features",
                           "inspect", "pretrain", "bench"})
    EXPECT_TRUE(has(help.out, word)) << word;
  EXPECT_EQ(call(folder, {"run", "--help"}).code, 0);
  EXPECT_EQ(call(folder, {}).code, 2);
  EXPECT_EQ(call(folder, {"rnu"}).code, 2);
  const Result absent = call(folder, {"run", "absent.toml"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_TRUE(has(absent.err, "absent.toml")) << absent.err;
}

TEST(Cli, a_recipe_with_five_mistakes_prints_all_five_with_lines) {
  const auto folder = scratch_folder("cli-mistakes");
  write_text(folder / "bad.toml",
             "seed = -1\n"
             "[data]\n"
             "nmae = \"fashion-mnist\"\n"
             "[scenario]\n"
             "classes_per_task = \"two\"\n"
             "[learner]\n"
             "name = \"ranpac\"\n"
             "projektion = 2000\n"
             "[training]\n"
             "optimizer = \"sdg\"\n");
  const Result result = call(folder, {"run", "bad.toml"});
  EXPECT_EQ(result.code, 2);
  for (const char* line :
       {"bad.toml:1: seed:", "bad.toml:3: data.nmae: unknown key, did you mean \"name\"?",
        "bad.toml:5: scenario.classes_per_task: expected a whole number",
        "bad.toml:8: learner.projektion: unknown key, did you mean \"projection\"?",
        "bad.toml:10: training.optimizer: must be one of"})
    EXPECT_TRUE(has(result.err, line)) << line << "\n" << result.err;
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

TEST(Cli, damaged_weights_and_text_files_are_named) {
  const auto folder = scratch_folder("cli-weights");
  write_text(folder / "text.safetensors",
             "version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
  Result result = call(folder, {"inspect", "text.safetensors"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(has(result.err, "text.safetensors") && has(result.err, "text")) << result.err;

  ASSERT_EQ(call(folder, {"inspect", "starter", "--summary"}).code, 0);
  const fs::path starter = fs::path(PATINA_SOURCE_DIR) / "models/starter.safetensors";
  fs::copy_file(starter, folder / "short.safetensors");
  fs::resize_file(folder / "short.safetensors", fs::file_size(starter) / 2);
  result =
      call(folder, {"features", "short.safetensors", "fashion-mnist", "-o", "out.safetensors"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(has(result.err, "short.safetensors")) << result.err;
  EXPECT_FALSE(fs::exists(folder / "out.safetensors"));
}

TEST(Cli, a_corrupt_image_is_named_or_skipped_and_counted) {
  const auto folder = scratch_folder("cli-corrupt");
  write_images(folder / "images", 4, 4, 2);
  write_text(folder / "recipe.toml", kRecipe);
  write_text(folder / "images/train/class1/2.png", "\x89PNG not really");
  Result result = call(folder, {"run", "recipe.toml"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(has(result.err, "class1/2.png")) << result.err;
  EXPECT_TRUE(has(result.err, "skip_bad_images") || has(result.err, "skip-bad-images"))
      << result.err;
  result = call(folder, {"run", "recipe.toml", "--overwrite", "--skip-bad-images"});
  EXPECT_EQ(result.code, 0) << result.err;
  const Json record = parse_json(read_text(folder / "runs/simplecil/record.json"), "record");
  EXPECT_EQ(record["data"]["skipped"], 1);
  EXPECT_EQ(record["data"]["train_samples"], 15);

  fs::remove_all(folder / "images/train/class3");
  fs::create_directories(folder / "images/train/class3");
  result = call(folder, {"run", "recipe.toml", "--overwrite"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(has(result.err, "class3")) << result.err;
}

TEST(Cli, runs_reports_and_repeats_itself) {
  const auto folder = scratch_folder("cli-run");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "recipe.toml", kRecipe);
  ASSERT_EQ(call(folder, {"run", "recipe.toml", "--out", "one"}).code, 0);
  ASSERT_EQ(call(folder, {"run", "recipe.toml", "--out", "two", "--threads", "1"}).code, 0);
  const Json one = parse_json(read_text(folder / "one/record.json"), "one");
  const Json two = parse_json(read_text(folder / "two/record.json"), "two");
  EXPECT_EQ(one["matrix"], two["matrix"]);
  EXPECT_EQ(one["matrix"].size(), 3u);
  const Result report = call(folder, {"report", "one", "two", "-o", "pages/page.html"});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_TRUE(has(report.out, "last acc")) << report.out;
  EXPECT_GT(fs::file_size(folder / "pages/page.html"), 100000u);
  // The saved recipe is a recipe.
  EXPECT_EQ(call(folder, {"run", "one/recipe.toml", "--out", "three"}).code, 0);
  EXPECT_TRUE(has(call(folder, {"run", "recipe.toml", "--out", "one"}).err, "--resume"));

  const Result complete = call(folder, {"run", "recipe.toml", "--out", "one", "--resume"});
  EXPECT_EQ(complete.code, 0) << complete.err;
  EXPECT_TRUE(has(complete.err, "one: complete, nothing to do\n")) << complete.err;
  EXPECT_EQ(parse_json(read_text(folder / "one/record.json"), "one"), one);
  fs::remove(folder / "images/train/class1/2.png");
  const Result changed = call(folder, {"run", "recipe.toml", "--out", "one", "--resume"});
  EXPECT_EQ(changed.code, 2);
  EXPECT_TRUE(has(changed.err,
                  "one: the data have changed since the run began: the training data have 23 "
                  "samples, the run began with 24; "))
      << changed.err;
  const Result outside = call(folder, {"run", "recipe.toml", "--set", "name=a/../../evil"});
  EXPECT_EQ(outside.code, 2);
  EXPECT_EQ(outside.err,
            "patina: --set name=a/../../evil: name: names a folder, so it cannot have a slash in "
            "it\n");
}

TEST(Cli, takes_the_threads_that_openmp_is_told_of) {
  const auto folder = scratch_folder("cli-threads");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "recipe.toml", kRecipe);
  const auto threads = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run", "recipe.toml", "--out", out};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 0) << result.err;
    return parse_json(read_text(folder / out / "record.json"), out)["machine"]["threads"];
  };
  ::setenv("OMP_NUM_THREADS", "3", 1);
  EXPECT_EQ(threads("told", {}), 3);
  EXPECT_EQ(threads("asked", {"--threads", "1"}), 1);
  EXPECT_EQ(threads("many", {"--threads", "4096"}), 4 * usable_cores());
  ::unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(threads("default", {}), usable_cores());
}

TEST(Cli, a_second_run_computes_no_feature_and_no_cache_changes_nothing) {
  const auto folder = scratch_folder("cli-cache");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "recipe.toml", kRecipe);
  const auto run = [&](const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run", "recipe.toml", "--out", out};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 0) << result.err;
    return parse_json(read_text(folder / out / "record.json"), out);
  };
  const Json without = run("without", {"--no-cache"});
  EXPECT_TRUE(without["engine"]["cache"].is_null());
  EXPECT_FALSE(fs::exists(folder / "cache"));
  const Json cold = run("cold"), warm = run("warm");
  EXPECT_EQ(cold["engine"]["cache"],
            (Json{{"hits", 6}, {"misses", 36}, {"encoded", 36}, {"saved_forward_passes", 1}}));
  EXPECT_EQ(warm["engine"]["cache"],
            (Json{{"hits", 42}, {"misses", 0}, {"encoded", 0}, {"saved_forward_passes", 5}}));
  const auto images = [](int decoded, int cached, int never_needed) {
    return Json{{"decoded", decoded}, {"cached", cached}, {"never_needed", never_needed}};
  };
  EXPECT_EQ(without["engine"]["images"], images(42, 0, 0));
  EXPECT_EQ(cold["engine"]["images"], images(36, 0, 6));
  EXPECT_EQ(warm["engine"]["images"], images(0, 0, 42));

  for (const auto& entry : fs::recursive_directory_iterator(folder / "cache/patina"))
    if (entry.is_regular_file()) fs::resize_file(entry.path(), entry.file_size() - 1);
  const Json again = run("again");
  EXPECT_TRUE(
      has(read_text(folder / "err"), "stored features cannot be used and are computed again: "));
  EXPECT_EQ(again["engine"]["cache"]["misses"], 36);
  for (const auto& [name, record] : {std::pair{"cold", cold}, {"warm", warm}, {"again", again}}) {
    EXPECT_EQ(record["matrix"], without["matrix"]) << name;
    EXPECT_EQ(read_text(folder / name / "predictions.safetensors"),
              read_text(folder / "without/predictions.safetensors"))
        << name;
  }
}

TEST(Cli, features_of_images_and_stored_tensors) {
  const auto folder = scratch_folder("cli-features");
  write_images(folder / "images", 2, 2, 1);
  EXPECT_EQ(
      call(folder, {"features", "starter", "images/train", "-o", "a.safetensors", "--all"}).code,
      0);
  const Result shown = call(folder, {"inspect", "a.safetensors"});
  for (const char* name : {"features ", "embedded ", "block0 ", "block5 ", "tokens ", "logits "})
    EXPECT_TRUE(has(shown.out, name)) << name << shown.out;
  const Result wrong = call(folder, {"features", "startr", "images/train", "-o", "b.safetensors"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "did you mean \"starter\"?")) << wrong.err;
}

TEST(Cli, texts_need_a_model_that_takes_them) {
  const auto folder = scratch_folder("cli-texts");
  write_text(folder / "all.csv", "query,intent\na,x\nb,x\nc,y\nd,y\n");
  const Result features = call(folder, {"features", "starter", "all.csv", "--text", "query",
                                        "--label", "intent", "-o", "a.safetensors"});
  EXPECT_EQ(features.code, 2);
  EXPECT_TRUE(has(features.err, "the data are texts, but the model takes images (ViT 6x192"))
      << features.err;
  EXPECT_TRUE(has(call(folder, {"features", "starter", "all.csv", "-o", "a.safetensors"}).err,
                  "all.csv:1: no column is called \"text\""));
  EXPECT_TRUE(
      has(call(folder, {"features", "starter", "all.csv", "b.txt", "-o", "a.safetensors"}).err,
          "one file of texts at a time"));

  write_text(folder / "recipe.toml",
             "[data]\nname = \"text\"\npath = \"all.csv\"\ntext = \"query\"\nlabel = \"intent\"\n"
             "[scenario]\nclasses_per_task = 1\n[learner]\nname = \"simplecil\"\n");
  const Result run = call(folder, {"run", "recipe.toml", "--out", "run"});
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(has(run.err, "the data are texts, but the model takes images")) << run.err;
  EXPECT_FALSE(fs::exists(folder / "run"));
  EXPECT_TRUE(has(call(folder, {"list", "datasets"}).out, "clinc150 "));
  EXPECT_TRUE(has(call(folder, {"explain", "banking77"}).out, "categories.json"));
  EXPECT_TRUE(has(call(folder, {"explain", "recipe"}).out, "[text]"));
}

// A GPT-2 whose weights are all zero, which likes every word equally: the first, "a", is chosen.
void write_language_model(const fs::path& folder) {
  fs::create_directories(folder);
  std::map<std::string, std::vector<int64_t>> shapes = {
      {"wte.weight", {3, 4}}, {"wpe.weight", {8, 4}}, {"ln_f.weight", {4}}, {"ln_f.bias", {4}}};
  for (const char* norm : {"ln_1", "ln_2"})
    for (const char* part : {".weight", ".bias"}) shapes[std::string("h.0.") + norm + part] = {4};
  for (const auto& [name, in, out] : {std::tuple{"attn.c_attn", 4, 12},
                                      {"attn.c_proj", 4, 4},
                                      {"mlp.c_fc", 4, 16},
                                      {"mlp.c_proj", 16, 4}}) {
    shapes[std::string("h.0.") + name + ".weight"] = {in, out};
    shapes[std::string("h.0.") + name + ".bias"] = {out};
  }
  const Bytes zeros(4 * 64);
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, shape] : shapes) {
    size_t bytes = 4;
    for (const int64_t size : shape) bytes *= size_t(size);
    stored[name] = {DType::f32, shape, std::span(zeros).first(bytes)};
  }
  write_safetensors(folder / "model.safetensors", stored);
  write_text(folder / "config.json",
             R"({"model_type": "gpt2", "vocab_size": 3, "n_positions": 8, "n_embd": 4,
                 "n_layer": 1, "n_head": 2})");
  write_text(folder / "vocab.json", R"({"a": 0, "b": 1, "<|endoftext|>": 2})");
  write_text(folder / "merges.txt", "#version: 0.2\n");
}

TEST(Cli, a_language_model_is_shown_and_continues_a_text) {
  const auto folder = scratch_folder("cli-generate");
  write_language_model(folder / "model");
  const Result shown = call(folder, {"inspect", "model", "--summary"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_TRUE(has(shown.out, "gpt2 1x4, 2 heads, 3 words\n")) << shown.out;
  EXPECT_TRUE(has(shown.out, "takes texts of up to 8 tokens\ntokenizer: byte-level BPE, 3 tokens"))
      << shown.out;
  for (const char* cache : {"", "--no-cache"}) {
    std::vector<std::string> words = {"generate", "model", "ba", "--max-tokens", "3"};
    if (*cache) words.push_back(cache);
    const Result text = call(folder, words);
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_EQ(text.out, "baaaa\n");
  }
  EXPECT_EQ(call(folder, {"generate", "model", "b"}).out, "baaaaaaa\n");  // the model's 8 tokens
  const Result bad = call(folder, {"generate", "model", "b", "--top-p", "1.5"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_TRUE(has(bad.err, "--top-p: 1.5 must be in (0, 1]")) << bad.err;
  const Result long_one = call(folder, {"generate", "model", "babababab"});
  EXPECT_EQ(long_one.code, 2);
  EXPECT_EQ(long_one.err, "patina: a prompt of 9 tokens leaves no room: the model takes 8\n");
  const Result image = call(folder, {"generate", "starter", "b"});
  EXPECT_EQ(image.code, 2);
  EXPECT_TRUE(has(image.err, "does not generate text")) << image.err;
  fs::remove(folder / "model/vocab.json");
  EXPECT_TRUE(has(call(folder, {"generate", "model", "b"}).err, "no tokenizer beside the weights"));
}

TEST(Cli, a_llava_answers_about_an_image) {
  const auto folder = scratch_folder("cli-llava");
  fs::create_directories(folder / "model");
  for (const char* file : {"config.json", "model.safetensors"})
    fs::copy_file(fs::path(PATINA_SOURCE_DIR) / "tests/fixtures/llava/clip_llama" / file,
                  folder / "model" / file);
  Json words = Json::object(), added = Json::array();
  for (const char* word : {"<pad>", "<s>", "</s>", "<unk>", " ", "<image>", "\n", "?"})
    words[word] = words.size();
  for (char letter = 'a'; letter <= 'z'; ++letter) words[std::string(1, letter)] = words.size();
  for (const char* word : {"<pad>", "<s>", "</s>", "<image>"})
    added.push_back({{"id", words[word]}, {"content", word}, {"special", true}});
  const Json tokenizer = {
      {"added_tokens", added},
      {"model",
       {{"type", "BPE"}, {"unk_token", "<unk>"}, {"vocab", words}, {"merges", Json::array()}}}};
  write_text(folder / "model/tokenizer.json", tokenizer.dump());
  write_text(folder / "model/tokenizer_config.json",
             R"({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})");
  for (const int level : {0, 255}) {
    Image image(20, 30);
    std::ranges::fill(image.pixels, uint8_t(level));
    const Bytes png = encode_png(image);
    write_text(folder / fmt::format("{}.png", level), std::string(png.begin(), png.end()));
  }
  const auto answer = [&](const std::string& image, const std::string& prompt) {
    return call(folder, {"generate", "model", prompt, "--image", image, "--max-tokens", "4"});
  };
  const Result shown = call(folder, {"inspect", "model", "--summary"});
  EXPECT_TRUE(has(shown.out, "a text may have an image of 12 px, normalisation clip, as 9 tokens"))
      << shown.out << shown.err;
  const Result black = answer("0.png", "what?"), white = answer("255.png", "what?");
  EXPECT_EQ(black.code, 0) << black.err;
  EXPECT_EQ(white.code, 0) << white.err;
  EXPECT_NE(black.out, white.out);
  // Where the prompt does not say <image>, it stands in front, in a line of its own.
  EXPECT_EQ(answer("0.png", "<image>\nwhat?").out, black.out);
  EXPECT_TRUE(has(answer("0.png", "<image> <image>").err, "names 2 images"));
  EXPECT_TRUE(has(answer("none.png", "what?").err, "none.png"));
  write_language_model(folder / "texts");
  const Result blind = call(folder, {"generate", "texts", "b", "--image", "0.png"});
  EXPECT_EQ(blind.code, 2);
  EXPECT_TRUE(has(blind.err, "reads texts alone")) << blind.err;
}

TEST(Cli, a_question_goes_through_the_chat_template) {
  const auto folder = scratch_folder("cli-chat");
  write_language_model(folder / "model");
  const Result none = call(folder, {"generate", "model", "b", "--chat"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "the model has no chat template")) << none.err;
  EXPECT_EQ(call(folder, {"generate", "model", "b", "--system", "a"}).err,
            "patina: --system belongs to --chat\n");
  write_text(folder / "model/chat_template.jinja",
             "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}b{% "
             "endif %}");
  const Result answer = call(folder, {"generate", "model", "a", "--chat", "--max-tokens", "2"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, "aa\n");
  // With the system text the model's 8 tokens leave room for three.
  EXPECT_EQ(call(folder, {"generate", "model", "a", "--chat", "--system", "bab"}).out, "aaa\n");
  write_text(folder / "model/chat_template.jinja", "{{ messages | xmlattr }}");
  EXPECT_TRUE(has(call(folder, {"generate", "model", "a", "--chat"}).err,
                  "line 1, column 15: filter \"xmlattr\" is not supported"));
  EXPECT_EQ(call(folder, {"generate", "model", "b", "--max-tokens", "1"}).out, "ba\n");
}

TEST(Cli, features_of_stored_token_ids) {
  const auto folder = scratch_folder("cli-ids");
  write_language_model(folder / "model");
  const std::vector<int64_t> ids = {0, 1, 2, 1, 1, 0}, mask = {1, 1, 1, 1, 1, 0};
  const auto stored = [](const std::vector<int64_t>& items) {
    return StoredTensor{
        DType::i64, {2, 3}, {reinterpret_cast<const uint8_t*>(items.data()), items.size() * 8}};
  };
  const std::vector<std::string> call_all = {"features", "model", "ids.safetensors",
                                             "--all",    "-o",    "out.safetensors"};
  write_safetensors(folder / "ids.safetensors",
                    {{"input_ids", stored(ids)}, {"attention_mask", stored(mask)}});
  const Result result = call(folder, call_all);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto out = SafetensorsFile::open(folder / "out.safetensors");
  EXPECT_EQ(out.at("features").shape, (std::vector<int64_t>{2, 4}));
  for (const char* name : {"embedded", "block0", "tokens"})
    EXPECT_EQ(out.at(name).shape, (std::vector<int64_t>{2, 3, 4})) << name;
  EXPECT_EQ(out.at("word_scores").shape, (std::vector<int64_t>{2, 3, 3}));
  const std::vector<int64_t> outside = {0, 1, 3, 1, 1, 0};
  write_safetensors(folder / "ids.safetensors", {{"input_ids", stored(outside)}});
  const Result bad = call(folder, call_all);
  EXPECT_EQ(bad.code, 2);
  EXPECT_EQ(bad.err, "patina: token id 3 is outside the model's 3\n");
  write_safetensors(folder / "ids.safetensors", {{"attention_mask", stored(mask)}});
  EXPECT_TRUE(
      has(call(folder, call_all).err, "neither `input` (pixels, [N,3,H,W]) nor `input_ids`"));
}

TEST(Cli, a_text_stream_runs_through_a_language_model) {
  const auto folder = scratch_folder("cli-texts");
  write_language_model(folder / "model");
  std::string lines = "text,label\n";
  for (int i = 0; i < 12; ++i) lines += (i % 2 ? "a b,letters\n" : "b,one\n");
  write_text(folder / "texts.csv", lines);
  const Result run = call(folder, {"run", "recipe.toml", "--out", "run"});
  EXPECT_EQ(run.code, 2);  // there is no recipe yet
  write_text(folder / "recipe.toml", R"(
[model]
name = "model"
[data]
name = "text"
path = "texts.csv"
[scenario]
classes_per_task = 1
[learner]
name = "simplecil"
)");
  const Result done = call(folder, {"run", "recipe.toml", "--out", "run"});
  EXPECT_EQ(done.code, 0) << done.err;
  const Json record = parse_json(read_text(folder / "run/record.json"), "record");
  EXPECT_EQ(record["matrix"].size(), 3u);
  EXPECT_EQ(record["class_names"].size(), 2u);
  const Result features =
      call(folder, {"features", "model", "texts.csv", "-o", "features.safetensors"});
  EXPECT_EQ(features.code, 0) << features.err;
  EXPECT_EQ(SafetensorsFile::open(folder / "features.safetensors").at("features").shape,
            (std::vector<int64_t>{12, 4}));
  const Result wrong =
      call(folder, {"run", "recipe.toml", "--out", "other", "--set", "learner.name=zsclip"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "zsclip reads class names: it needs a CLIP")) << wrong.err;
}

TEST(Cli, a_run_that_is_killed_ends_with_the_same_bits) {
  const auto folder = scratch_folder("cli-kill");
  write_images(folder / "images", 4, 16, 4);
  write_text(folder / "recipe.toml", std::string(kRecipe) +
                                         "[training]\nepochs = 3\nbatch_size = 8\nlr = 0.001\n"
                                         "[run]\ncheckpoint_minutes = 1e-6\n");
  const std::vector<std::string> base = {
      "run", "recipe.toml", "--set", "learner.name=finetune", "--threads", "1", "--out"};
  const auto with = [&](std::string out, bool resume) {
    auto words = base;
    words.push_back(std::move(out));
    if (resume) words.push_back("--resume");
    return words;
  };
  ASSERT_EQ(call(folder, with("whole", false)).code, 0);
  const Json whole = parse_json(read_text(folder / "whole/record.json"), "whole");
  const int span_ms = int(whole["seconds"]["total"].get<double>() * 1000);

  Random random = Seeds(3)("kills");
  Result last;
  int kills = 0;
  for (int attempt = 0; attempt < 40; ++attempt) {
    const pid_t child = start(folder, with("killed", true));
    if (attempt < 6) {
      std::this_thread::sleep_for(
          std::chrono::milliseconds(500 + random.below(uint64_t(span_ms) / 2 + 1)));
      kill(child, SIGKILL);
    }
    last = finish(folder, child);
    kills += last.code == -SIGKILL;
    if (last.code == 0) break;
    ASSERT_EQ(last.code, -SIGKILL) << last.err;
  }
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_GT(kills, 0);
  const Json killed = parse_json(read_text(folder / "killed/record.json"), "killed");
  EXPECT_EQ(whole["matrix"], killed["matrix"]);
  EXPECT_EQ(whole["metrics"], killed["metrics"]);
  EXPECT_TRUE(read_file(folder / "whole/predictions.safetensors") ==
              read_file(folder / "killed/predictions.safetensors"));
}

TEST(Cli, sigint_saves_and_exits_with_130) {
  const auto folder = scratch_folder("cli-sigint");
  write_images(folder / "images", 4, 40, 4);
  write_text(folder / "recipe.toml",
             std::string(kRecipe) + "[training]\nepochs = 200\nbatch_size = 8\nlr = 0.001\n");
  const pid_t child =
      start(folder, {"run", "recipe.toml", "--set", "learner.name=finetune", "--out", "run"});
  for (int wait = 0; wait < 300 && !fs::exists(folder / "run/recipe.toml"); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  kill(child, SIGINT);
  const Result result = finish(folder, child);
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(has(result.err, "continues with --resume")) << result.err;
  EXPECT_TRUE(fs::exists(folder / "run/checkpoint.safetensors"));
}

}  // namespace
}  // namespace patina
