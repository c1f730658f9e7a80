// Sessions of learners that answer with text: they end where a run ends, answer as it answered, and
// write what they learned for other programs.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/learn/adapted.h"
#include "patina/learners/registry.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/probe.h"
#include "patina/ops.h"
#include "patina/run/run.h"
#include "patina/session/session.h"
#include "patina/session/sources.h"
#include "tests/support/answering_session.h"
#include "tests/support/errors.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

Recipe recipe_for(const std::string& learner) {
  Recipe recipe;
  auto file = RecipeFile::parse(
      "", "toy",
      {"seed=7", "data.name=toy", "model.name=toy", "scenario.name=data_sets",
       "learner.name=" + learner, "training.epochs=3", "training.batch_size=4", "training.lr=0.01",
       "engine.kind=plain", "engine.precision=fp32", "evaluation.max_tokens=3",
       "evaluation.drift_tokens=30", "evaluation.probes=exact_match"});
  file.bind(recipe);
  return recipe;
}

fs::path run_of(const std::string& learner, int64_t sets) {
  const fs::path folder = scratch_folder("answers-of-run") / fmt::format("{}-{}", learner, sets);
  Recipe recipe = recipe_for(learner);
  const DataSplits data = toy_answers(sets);
  const auto network = toy_decoder();
  run(recipe, data, *network, folder, {});
  return folder;
}

class AnsweringSessions : public testing::TestWithParam<std::string> {};

// The artefact of a run answers every test prompt as the run did when it ended.
TEST_P(AnsweringSessions, SayWhatTheRunSaid) {
  const fs::path folder = run_of(GetParam(), 3);
  const auto session = opened(folder / "model.patina");
  EXPECT_TRUE(session.answers());
  EXPECT_TRUE(session.classes().empty());
  EXPECT_EQ(session.tasks(), 3);
  EXPECT_EQ(session.task_names(), (std::vector<std::string>{"set 0", "set 1", "set 2"}));
  std::map<std::string, std::string> said;
  const std::string lines = read_text(folder / "answers_after_task_3.jsonl");
  for (size_t at = 0; at < lines.size();) {
    const size_t end = lines.find('\n', at);
    const Json line = parse_json(lines.substr(at, end - at), "answers");
    said[line["sample"]] = line["answer"];
    at = end + 1;
  }
  ASSERT_EQ(said.size(), 12u);
  // As a run writes it: without spaces around it, in UTF-8.
  const auto written = [](const std::string& text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    const std::string stripped =
        first == text.npos ? std::string()
                           : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
    return parse_json(Json(stripped).dump(-1, ' ', false, Json::error_handler_t::replace), "text")
        .get<std::string>();
  };
  for (int64_t set = 0; set < 3; ++set) {
    const ToyAnswers asked(set, 4);
    const auto answers = answers_of(session, set);
    for (int64_t i = 0; i < asked.size(); ++i)
      EXPECT_EQ(written(answers[size_t(i)]), said.at(asked.origin(i)));
  }
}

// Learning on from the artefact of two tasks ends where the run of three ends, to the bit.
TEST_P(AnsweringSessions, GoOnWhereTheRunWouldHave) {
  auto session = opened(run_of(GetParam(), 2) / "model.patina");
  session.learn(lesson(2), "set 2");
  const fs::path own = scratch_folder("answers-of-run") / (GetParam() + ".patina");
  session.save(own);
  auto one = Archive::read(own), other = Archive::read(run_of(GetParam(), 3) / "model.patina");
  for (const auto& [key, tensor] : other.tensors())
    if (key.starts_with("learner.")) {
      ASSERT_TRUE(one.tensors().contains(key)) << key;
      EXPECT_TRUE(at::equal(one.tensors().at(key), tensor)) << key;
    }
}

// One session, and one that is saved and opened between any two tasks.
TEST_P(AnsweringSessions, GoOnFromAFile) {
  // A random network does not follow examples: what it tells itself are not the answers.
  const bool told = GetParam() != "sdft";
  auto whole = answering(GetParam());
  const double before = loss_of(whole, 0);
  const fs::path path = scratch_folder("answering") / (GetParam() + ".patina");
  answering(GetParam()).save(path);
  for (int64_t set = 0; set < 3; ++set) {
    whole.learn(lesson(set), fmt::format("set {}", set));
    if (set == 0 && told) {
      EXPECT_LT(loss_of(whole, 0), before);
    }
    auto part = opened(path);
    part.learn(lesson(set), fmt::format("set {}", set));
    part.save(path);
  }
  const auto parts = opened(path);
  EXPECT_EQ(parts.task_names(), whole.task_names());
  for (int64_t set = 0; set < 3; ++set) {
    EXPECT_EQ(answers_of(parts, set), answers_of(whole, set));
    EXPECT_EQ(loss_of(parts, set), loss_of(whole, set));
  }
}

// The words' scores of the artefact and of the exported LoRA on the same network.
TEST_P(AnsweringSessions, ExportALoraWithTheirScores) {
  Settings options;
  if (GetParam() == "mr_lora")
    options = {{"question", "{letters}?"}};  // the model takes few tokens
  auto session = answering(GetParam(), options, stored_decoder());
  for (int64_t set = 0; set < 3; ++set) session.learn(lesson(set));
  const fs::path folder = scratch_folder("answering-lora") / GetParam();
  Exported done;
  if (const std::string why = error_of([&] { done = session.export_to(folder, {.to = "peft"}); });
      !why.empty()) {
    EXPECT_TRUE(contains(why, "keeps more than weights") || contains(why, "it is no adapter"))
        << why;
    EXPECT_FALSE(fs::exists(folder));
    GTEST_SKIP() << why;
  }
  EXPECT_LT(done.difference, 1e-4 * done.scores);
  // Read back beside the pre-trained network, it answers as the session does.
  const auto network = stored_decoder();
  const auto lora = lora_of(PeftFolder::read(folder), *network);
  const Input probes = probe_input(*network);
  const Tensor bare = probe_outputs(*network, probes);
  const Tensor adapted = probe_outputs(*network, probes, {lora.get()});
  EXPECT_GT(difference_of(bare, adapted).relative(), 1e-3) << "something was learned";
  const fs::path whole = scratch_folder("answering-whole") / GetParam();
  EXPECT_LT(session.export_to(whole, {}).difference, 1e-4 * done.scores);
}

INSTANTIATE_TEST_SUITE_P(OfEveryGenerator, AnsweringSessions, testing::ValuesIn(generator_names()),
                         [](const auto& info) { return info.param; });

// The sum of LoRAs of different scales: W x + Σ s_i B_i A_i x.
TEST(AnsweringSession, SumsLorasOfDifferentScales) {
  const auto network = toy_decoder();
  const TowerShape tower = network->tower();
  std::vector<std::unique_ptr<adapt::Lora>> parts;
  for (const double alpha : {2.0, 6.0}) {
    Random random = Seeds(uint64_t(alpha))("lora");
    parts.push_back(
        make_lora({.rank = 2, .alpha = alpha, .parts = "qv", .mlp = true}, tower, random));
    NoGrad no_grad;
    for (auto& item : nn::tensors(*parts.back())) nn::init_normal(item.tensor, random, 0, 0.2);
  }
  const auto sum = sum_of({parts[0].get(), parts[1].get()}, tower);
  EXPECT_EQ(sum->updates().front().a.size(0), 4);
  const Input probes = probe_input(*network);
  const Tensor both = probe_outputs(*network, probes, {parts[0].get(), parts[1].get()});
  EXPECT_LT(difference_of(both, probe_outputs(*network, probes, {sum.get()})).relative(), 1e-5);
  EXPECT_GT(difference_of(both, probe_outputs(*network, probes, {parts[0].get()})).relative(),
            1e-3);
}

TEST(AnsweringSession, TrainsTheWholeNetwork) {
  auto session = answering("sft", {{"tune", "full"}}, stored_decoder());
  const double before = loss_of(session, 0);
  session.learn(lesson(0));
  EXPECT_LT(loss_of(session, 0), before);
  const fs::path folder = scratch_folder("answering-full");
  session.save(folder / "full.patina");
  EXPECT_EQ(answers_of(opened(folder / "full.patina", stored_decoder()), 0),
            answers_of(session, 0));
  EXPECT_TRUE(contains(
      error_of(ErrorKind::usage, [&] { session.export_to(folder / "lora", {.to = "peft"}); }),
      "export the whole network"));
  session.export_to(folder / "whole", {});
  const auto whole = load_backbone({.name = (folder / "whole").string()});
  const auto bare = stored_decoder();
  const Input probes = probe_input(*bare);
  EXPECT_GT(difference_of(probe_outputs(*bare, probes), probe_outputs(*whole, probes)).relative(),
            1e-3);
}

// A prompt's answer is the same alone, among others, greedily and drawn; pieces add up to it.
TEST(AnsweringSession, AnswersAPromptTheSameAmongOthers) {
  auto session = answering("sft");
  session.learn(lesson(0));
  for (const double temperature : {0.0, 1.5}) {
    AnswerOptions options{.decoding = {.max_tokens = 6, .temperature = temperature, .seed = 5},
                          .batch = 3};
    std::vector<std::string> pieces(5);
    options.said = [&](int64_t prompt, const std::string& piece) {
      pieces[size_t(prompt)] += piece;
    };
    const ToyAnswers asked(0, 5);
    const auto all = session.answer(asked, options);
    options.said = {};
    for (int64_t i = 0; i < 5; ++i) {
      const Answer& one = all[size_t(i)];
      EXPECT_EQ(pieces[size_t(i)], one.text);
      EXPECT_EQ(session.answer(asked.exchange(i), options).text, one.text) << temperature;
      EXPECT_LE(one.tokens, 6);
      EXPECT_EQ(one.ended, one.tokens < 6);
    }
    EXPECT_EQ(all[0].text, session.answer(asked, options)[0].text);
  }
}

// A prompt that leaves little room does not shorten the answers beside it.
TEST(AnsweringSession, AnswersAPromptTheSameBesideALongOne) {
  const auto session = Session::create(
      toy_decoder("gpt2"), {.learner = "sft", .engine = plain_fp32()});  // takes 64 tokens
  const AnswerOptions options{.decoding = {.max_tokens = 30, .temperature = 2, .seed = 3}};
  const auto prompt = [](const std::string& text) {
    return Exchange{.turns = {{"user", text}}, .input = "", .answers = {}};
  };
  const std::string longer(50, 'a');
  const auto both = session.answer(*prompts({prompt("b"), prompt(longer)}), options);
  EXPECT_EQ(both[0].text, session.answer("b", options).text);
  EXPECT_EQ(both[1].text, session.answer(longer, options).text);
  EXPECT_GT(both[0].tokens, both[1].tokens);
  EXPECT_LE(both[1].prompt_tokens + both[1].tokens, 64);
}

// What follows the prompt as it stands, without the template.
TEST(AnsweringSession, ContinuesATextAsItIs) {
  auto session = answering("sft");
  session.learn(std::make_shared<ToyPassages>(0, 8), "passages");
  const std::string own = session.answer("say 1", few()).text;
  AnswerOptions continued = few();
  continued.form = PromptForm::continued;
  EXPECT_EQ(session.answer("say 1", continued).text, own);
  EXPECT_EQ(session.answer("say 1", continued).prompt_tokens, 6) << "begin and five bytes";
  const auto bits = session.eval_answers(ToyPassages(0, 4));
  ASSERT_EQ(bits.probes.size(), 1u);
  EXPECT_EQ(bits.probes[0].metric, "bits_per_byte");
  EXPECT_EQ(bits.probes[0].better, Direction::lower);
  // Instructions follow the plain text, and prompts are written as they are.
  session.learn(lesson(0), "instructions");
  EXPECT_EQ(session.answer("say 1", few()).prompt_tokens, 7) << "with the template's line end";
}

TEST(AnsweringSession, ScoresAsTheProbesOfARun) {
  const fs::path folder = run_of("sft", 2);
  const Json record = parse_json(read_text(folder / "record.json"), "record");
  const auto session = opened(folder / "model.patina");
  for (int64_t set = 0; set < 2; ++set) {
    const auto scores = session.eval_answers(ToyAnswers(set, 4), {.max_tokens = 3});
    ASSERT_EQ(scores.probes.size(), 3u);
    EXPECT_EQ(scores.samples, 4);
    EXPECT_EQ(scores.probes[0].metric, "exact_match");
    EXPECT_EQ(*scores.probes[0].score, record["matrix"][2][size_t(set)].get<double>());
    EXPECT_EQ(scores.probes[1].metric, "rouge_l");
  }
}

TEST(AnsweringSession, IsAskedWhileItLearns) {
  for (const char* tune : {"lora", "full"}) {
    auto session = answering("sft", {{"tune", tune}}), other = answering("sft", {{"tune", tune}});
    std::vector<std::vector<std::string>> allowed = {answers_of(session, 0)};
    for (int64_t set = 0; set < 2; ++set) {
      other.learn(lesson(set));
      allowed.push_back(answers_of(other, 0));
    }
    std::atomic<bool> done = false;
    std::atomic<int> strange = 0, asked = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
      readers.emplace_back([&] {
        while (!done) {
          const auto found = answers_of(session, 0);
          strange += std::ranges::find(allowed, found) == allowed.end();
          ++asked;
        }
      });
    for (int64_t set = 0; set < 2; ++set) session.learn(lesson(set));
    while (asked < 4) std::this_thread::yield();
    done = true;
    for (auto& reader : readers) reader.join();
    EXPECT_EQ(strange, 0) << tune;
    EXPECT_EQ(answers_of(session, 0), allowed.back()) << tune;
  }
}

TEST(AnsweringSession, TwoInOneProcessDoNotDisturbEachOther) {
  auto alone = answering("slao");
  for (int64_t set = 0; set < 2; ++set) alone.learn(lesson(set));
  const auto expected = answers_of(alone, 0);
  std::vector<std::vector<std::string>> found(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      auto session = answering("slao");
      for (int64_t set = 0; set < 2; ++set) session.learn(lesson(set));
      found[i] = answers_of(session, 0);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& texts : found) EXPECT_EQ(texts, expected);
}

// A small decoder whose file is in bf16, its weights held in a form.
std::unique_ptr<Backbone> decoder_on(const std::string& form) {
  const fs::path from = decoder_folder("llama", ByteTokenizer::kSize);
  const auto file = SafetensorsFile::open(from / "model.safetensors");
  std::map<std::string, Tensor> weights;
  std::map<std::string, StoredTensor> stored;  // views of them
  for (const auto& item : file.tensors()) {
    Tensor& weight = weights[item.first] = to_tensor(file.at(item.first)).to(at::kBFloat16);
    stored[item.first] = to_stored(weight);
  }
  const fs::path folder = scratch_folder("decoder-of-bf16");
  fs::copy_file(from / "config.json", folder / "config.json");
  write_safetensors(folder / "model.safetensors", stored);
  auto network = load_backbone({.name = folder.string(), .form = form});
  network->set_tokenizer(std::make_shared<ByteTokenizer>());
  return network;
}

// Forms of the same numbers learn and answer with the same bits, in one session and from a file.
TEST(AnsweringSession, LearnsOnFromAFileOnEveryForm) {
  const fs::path path = scratch_folder("answering-forms") / "held.patina";
  for (const char* precision : {"fp32", "bf16"}) {
    EngineOptions engine;
    engine.kind = "packed";
    engine.precision = precision;
    std::vector<std::map<std::string, Tensor>> learned;
    for (const char* form : {"fp32", "bf16", "stored"}) {
      auto whole = Session::create(
          decoder_on(form),
          {.learner = "o_lora", .training = kTraining, .seed = 7, .engine = engine});
      whole.learn(lesson(0), "set 0");
      whole.save(path);
      OpenOptions options;
      options.backbone = decoder_on(form);
      options.engine = engine;
      auto part = Session::open(path, std::move(options));
      EXPECT_EQ(answers_of(part, 0), answers_of(whole, 0)) << form;
      whole.learn(lesson(1), "set 1");
      part.learn(lesson(1), "set 1");
      for (int64_t set = 0; set < 2; ++set) {
        EXPECT_EQ(answers_of(part, set), answers_of(whole, set)) << form;
        EXPECT_EQ(loss_of(part, set), loss_of(whole, set)) << form;
      }
      part.save(path);
      auto& tensors = learned.emplace_back();
      const auto archive = Archive::read(path);
      for (const auto& [key, tensor] : archive.tensors())
        if (key.starts_with("learner.")) tensors[key] = tensor;
      ASSERT_FALSE(tensors.empty());
      ASSERT_EQ(tensors.size(), learned.front().size());
      for (const auto& [key, tensor] : tensors)
        EXPECT_TRUE(at::equal(tensor, learned.front().at(key))) << form << precision << key;
    }
    // Its hash is that of what is held.
    OpenOptions options;
    options.backbone = decoder_on("fp32");
    EXPECT_TRUE(
        contains(error_of(ErrorKind::state, [&] { Session::open(path, std::move(options)); }),
                 "another network"));
  }
}

#define EXPECT_REFUSED(statement, words)                              \
  do {                                                                \
    const std::string said = error_of([&] { (void)(statement); });    \
    EXPECT_TRUE(contains(said, words)) << #statement << "\n" << said; \
  } while (false)

TEST(AnsweringMisuse, OfTheWrongKind) {
  auto answers = answering("sft");
  answers.learn(lesson(0));
  EXPECT_REFUSED(answers.predict(Text{"a", ""}), "answers with text and knows no classes");
  EXPECT_REFUSED(answers.eval(ToyAnswers(0, 4)), "answers with text and knows no classes");
  EXPECT_REFUSED(answers.forget("answers"), "cannot be taken out");
  const auto labelled = labelled_texts({{"a", ""}, {"b", ""}}, {0, 1}, {"x", "y"});
  EXPECT_REFUSED(answers.learn(labelled), "are classes");
  EXPECT_REFUSED(answers.eval_answers(*labelled), "are classes");
  EXPECT_REFUSED(answers.learn(nullptr), "null");
  EXPECT_REFUSED(answers.learn(std::make_shared<ToyAnswers>(0, 0)), "no samples");
  EXPECT_EQ(answers.tasks(), 1);

  auto classes = Session::create(toy_decoder(), {.learner = "simplecil"});
  EXPECT_FALSE(classes.answers());
  EXPECT_REFUSED(classes.answer("a"), "simplecil chooses among classes and writes no texts");
  EXPECT_REFUSED(classes.eval_answers(ToyAnswers(0, 4)), "chooses among classes");
  EXPECT_REFUSED(classes.learn(lesson(0)), "such as sft");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.learner = "sft"}), "sft");
}

TEST(AnsweringMisuse, OfPromptsAndOptions) {
  const auto session = answering("sft");
  EXPECT_REFUSED(session.answer(""), "the prompt is empty");
  EXPECT_REFUSED(session.answer(" \n"), "the prompt is empty");
  EXPECT_REFUSED(session.answer(Exchange{}), "ends with a turn of the user");
  EXPECT_REFUSED(session.answer("a", {.decoding = {.max_tokens = 0}}), "max_tokens");
  EXPECT_REFUSED(session.answer("a", {.decoding = {.temperature = -1}}), "temperature");
  EXPECT_REFUSED(session.answer("a", {.decoding = {.top_p = 0}}), "top_p");
  EXPECT_REFUSED(session.answer("a", {.batch = 0}), "batch is 0");
  EXPECT_REFUSED(session.answer("a", {.output = {.stop = {""}}}), "stop");
  EXPECT_REFUSED(session.answer("a", {.output = {.top_logprobs = 3}}), "set logprobs, too");
  EXPECT_REFUSED(session.answer("a", {.output = {.logprobs = true, .top_logprobs = -1}}),
                 "top_logprobs");
  EXPECT_REFUSED(session.answer("a", {.form = PromptForm::chat}), "no chat template");
  EXPECT_REFUSED(session.eval_answers(ToyAnswers(0, 0)), "no samples");
  EXPECT_REFUSED(session.eval_answers(ToyAnswers(0, 4), {.probes = {"exact"}}), "no probe");
  EXPECT_REFUSED(session.eval_answers(ToyPassages(0, 4), {.probes = {"rouge_l"}}),
                 "plain text has none");
  EXPECT_REFUSED(session.export_to(scratch_folder("nothing") / "x", {.to = "peft"}),
                 "nothing has been learned yet");
  // A network with a table of positions takes so many tokens.
  const auto limited = Session::create(toy_decoder("gpt2"), {.learner = "sft"});
  const std::string longer(600, 'a');
  EXPECT_REFUSED(limited.answer(longer), "prompt 0: the prompt has 602 tokens");
  const Answer cut = limited.answer(longer, {.decoding = {.max_tokens = 3}, .cut = true});
  EXPECT_EQ(cut.prompt_tokens + cut.cut, 602);
  EXPECT_GT(cut.cut, 0);
}

TEST(AnsweringMisuse, OfReplayFromAFile) {
  auto session = answering("sft_replay");
  session.learn(lesson(0));
  EXPECT_REFUSED(session.learn(std::make_shared<ToyPassages>(0, 8)), "does not mix");
  const fs::path path = scratch_folder("answering") / "replay.patina";
  session.save(path, {.samples = false});
  EXPECT_REFUSED(session.save(path.parent_path() / "no such folder" / "x.patina"),
                 "no such folder");
  auto again = opened(path);
  EXPECT_EQ(answers_of(again, 0), answers_of(session, 0));
  EXPECT_REFUSED(again.learn(lesson(1)), "replays samples");
}

}  // namespace
}  // namespace patina
