// Every method and every network on a device that is not the host gives the results of the host.
// The device rejects operands of two devices, so a tensor created in the wrong place is found.
#include <gtest/gtest.h>

#include <map>

#include "patina/base/json.h"
#include "patina/models/generate.h"
#include "patina/models/vision/vit.h"
#include "patina/pretrain/pretrain.h"
#include "patina/session/session.h"
#include "tests/support/data_files.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"
#include "tests/support/test_device.h"
#include "tests/support/toy_answers.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr double kTolerance = 1e-5;

double difference(const Tensor& a, const Tensor& b) {
  return relative_error(on_host(a.detach()), on_host(b.detach()));
}

TEST(TestDevice, RefusesOperandsOfTwoDevices) {
  const auto device = test_place().device;
  const Tensor here = at::ones({2, 2}), there = here.to(device);
  EXPECT_THROW(here + there, c10::Error);
  EXPECT_THROW(at::mm(there, here), c10::Error);
  EXPECT_THROW(at::cat({there, here}), c10::Error);
  EXPECT_THROW(there.index_select(0, at::zeros({1}, at::kLong)), c10::Error);
  EXPECT_EQ((there + at::ones({})).sum().item<float>(), 8);
  EXPECT_EQ(there.transpose(0, 1).slice(0, 0, 1).mul_(3).sum().item<float>(), 6);
  EXPECT_EQ(there.sum().item<float>(), 8);
  EXPECT_EQ(there.device(), device);
  EXPECT_THROW(host_values(there), Error);
}

struct World {
  std::string name, learner;
  const ToyWorld* toys;
};

std::vector<World> worlds() {
  static const ToyWorld texts = on_texts("bert");
  std::vector<World> all;
  for (const auto& learner : classifier_names())
    all.push_back({learner, learner, &world_of(learner)});
  all.push_back({"finetune_on_resnet", "finetune", &kResNet});
  all.push_back({"l2p_on_texts", "l2p", &texts});
  return all;
}

class OnTheDevice : public testing::TestWithParam<World> {
 protected:
  static constexpr int kTasks = 2;

  struct Course {
    Course(const World& world, const Place& place) : network(world.toys->network(world.learner)) {
      network->to(place);
      drive.emplace(world.learner, toy_recipe(world.learner, 2, 12), world.toys->data(6, 3),
                    *network);
    }
    void learn() {
      for (int task = 0; task < kTasks; ++task) drive->learn(*drive->stream.next());
    }
    Tensor scores() {
      NoGrad no_grad;
      std::vector<Tensor> rows;
      for (int task = 0; task < kTasks; ++task)
        rows.push_back(drive->learner->scores(drive->question(drive->test_batch(task), task)));
      return at::cat(rows);
    }

    std::unique_ptr<Backbone> network;
    std::optional<ToyDrive> drive;
  };
};

TEST_P(OnTheDevice, LearnsWhatTheHostLearns) {
  Course host(GetParam(), {}), there(GetParam(), test_place());
  host.learn();
  there.learn();
  const Tensor scores = there.scores();
  EXPECT_EQ(scores.device(), test_place().device);
  EXPECT_LT(difference(scores, host.scores()), kTolerance);

  // The state is saved from the device and loaded onto it.
  Archive archive;
  archive("learner", *there.drive->learner);
  Archive state = std::move(archive).reopened();
  Course again(GetParam(), test_place());
  const Archive::MadeOn made(state, test_place().device);
  state("learner", *again.drive->learner);
  again.drive->learner->before_scores(again.drive->trainer);
  EXPECT_LT(difference(again.scores(), scores), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Learners, OnTheDevice, testing::ValuesIn(worlds()),
                         [](const auto& info) { return info.param.name; });

class FamilyOnTheDevice : public testing::TestWithParam<std::string> {};

TEST_P(FamilyOnTheDevice, ComputesWhatTheHostComputes) {
  const TinyFamily family = tiny_family(GetParam());
  Backbone& network = *family.network;
  const Tensor features = network.features(family.input), tokens = network.tokens(family.input);
  GenerateOptions options;
  options.max_tokens = 4;
  options.temperature = 0;
  const bool writes = family.input.is_text() && network.begin(family.input).has_value();
  const auto words =
      writes ? generate(network, family.input, {}, options) : std::vector<std::vector<int64_t>>();
  network.to(test_place());
  EXPECT_EQ(network.place().text(), test_place().text());
  const Input there = family.input.on(test_place().device);
  EXPECT_LT(difference(network.features(there), features), kTolerance);
  EXPECT_LT(difference(network.tokens(there), tokens), kTolerance);
  if (writes) {
    EXPECT_EQ(generate(network, family.input, {}, options), words);
  }
  // In bf16, as on a GPU.
  network.set_engine(nn::library_engine());
  const Tensor rounded = on_host(network.features(there)).to(at::kDouble);
  EXPECT_GT(
      at::cosine_similarity(rounded, on_host(features).to(at::kDouble), 1).min().item<double>(),
      0.99);
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyOnTheDevice, testing::ValuesIn(tiny_families()),
                         [](const auto& info) { return info.param; });

// A run with feature store, checkpoints and record.
TEST(RunOnTheDevice, EndsAsOnTheHost) {
  const fs::path folder = scratch_folder("run-on-the-device");
  std::map<std::string, Json> records;
  for (const std::string device : {"cpu", "privateuseone"}) {
    Recipe recipe = toy_recipe("ranpac", 2);
    recipe.engine.device = device;
    recipe.engine.kind = "plain";
    recipe.engine.cache_folder = (folder / "cache").string();
    const auto network = kImages.network("ranpac");
    records[device] = run(recipe, kImages.data(6, 3), *network, folder / device, {.cache = true});
  }
  EXPECT_EQ(records["cpu"]["machine"]["device"], "cpu");
  EXPECT_EQ(records["privateuseone"]["machine"]["device"], "privateuseone:0");
  EXPECT_EQ(records["privateuseone"]["matrix"], records["cpu"]["matrix"]);
  EXPECT_GT(records["privateuseone"]["engine"]["cache"]["hits"].get<int64_t>(), 0);
}

// A session learns on the device; its artefact is opened on both devices.
TEST(SessionOnTheDevice, PredictsAsOnTheHost) {
  const fs::path folder = scratch_folder("session-on-the-device");
  make_folder(folder);
  const auto train = std::make_shared<ToySource>(4, 6, 1);
  const ToySource test(4, 2, 2);
  const auto open = [&](const std::string& device) {
    OpenOptions options;
    options.engine.device = device;
    options.engine.precision = "fp32";
    return Session::open(folder / "toy.patina", std::move(options)).predict(test);
  };
  EngineOptions engine;
  engine.device = test_place().text();
  Session session = Session::create(
      kImages.network("finetune"),
      {.learner = "finetune", .training = {{"epochs", 1}, {"batch_size", 8}}, .engine = engine});
  session.learn(train);
  session.save(folder / "toy.patina", {.with_backbone = true});
  const auto scored = session.predict(test);
  for (const std::string device : {"cpu", "privateuseone:0"}) {
    const auto opened = open(device);
    for (size_t i = 0; i < scored.size(); ++i) {
      EXPECT_EQ(opened[i].front().name, scored[i].front().name);
      EXPECT_NEAR(opened[i].front().score, scored[i].front().score, 1e-4);
    }
  }
}

// As a LoRA, or as a whole network; or else the session says why not.
void expect_export(const Session& session, const fs::path& to) {
  const auto error_with = [&](const ExportOptions& options) {
    try {
      EXPECT_GT(session.export_to(to.string() + "-" + options.to, options).scores, 0);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string error = error_with({.to = "peft"});
  if (error.find("--to safetensors") != error.npos)
    EXPECT_EQ(error_with({.to = "safetensors"}), "");
  else
    EXPECT_TRUE(error.empty() || error.find("use the artefact itself") != error.npos) << error;
}

class AnswersOnTheDevice : public testing::TestWithParam<std::string> {};

// A session learns to answer on the device; its artefact is opened on both devices, and what it
// learned is exported from there.
TEST_P(AnswersOnTheDevice, LearnsAndAnswersAsOnTheHost) {
  const fs::path folder = scratch_folder("answers-on-the-device") / GetParam();
  make_folder(folder);
  const ToyAnswers asked(0, 4);
  const auto loss = [&](const Session& session) {
    return *session.eval_answers(asked, {.probes = {"answer_loss"}}).probes[0].score;
  };
  const auto texts = [&](const Session& session) {
    std::vector<std::string> all;
    for (const auto& one : session.answer(asked, {.decoding = {.max_tokens = 4}}))
      all.push_back(one.text);
    return all;
  };
  Settings options;
  if (GetParam() == "mr_lora")
    options = {{"question", "{letters}?"}};  // the model takes few tokens
  if (GetParam() == "elle")
    options = {{"add_heads", 2}};  // heads that divide the width are exported
  std::map<std::string, double> losses;
  std::vector<std::vector<std::string>> said;
  for (const std::string device : {"cpu", "privateuseone:0"}) {
    EngineOptions engine;
    engine.device = device;
    engine.kind = "plain";
    engine.precision = "fp32";
    auto session = Session::create(stored_decoder(),
                                   {.learner = GetParam(),
                                    .options = options,
                                    .training = {{"epochs", 2}, {"batch_size", 4}, {"lr", 0.01}},
                                    .seed = 7,
                                    .engine = engine});
    for (int64_t set = 0; set < 2; ++set) session.learn(std::make_shared<ToyAnswers>(set, 8));
    losses[device] = loss(session);
    said.push_back(texts(session));
    expect_export(session, folder / device.substr(0, 3));
    session.save(folder / "there.patina");
  }
  EXPECT_NEAR(losses["privateuseone:0"], losses["cpu"], 1e-4);
  EXPECT_EQ(said[1], said[0]);
  for (const std::string device : {"cpu", "privateuseone:0"}) {
    OpenOptions open;
    open.backbone = stored_decoder();
    open.engine.device = device;
    open.engine.kind = "plain";
    open.engine.precision = "fp32";
    EXPECT_NEAR(loss(Session::open(folder / "there.patina", std::move(open))), losses["cpu"], 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Generators, AnswersOnTheDevice, testing::ValuesIn(generator_names()),
                         [](const auto& info) { return info.param; });

// Pre-training with a teacher and dropped tokens, stopped after an epoch and continued.
TEST(PretrainingOnTheDevice, TrainsTheWeightsOfTheHost) {
  const fs::path folder = scratch_folder("pretraining-on-the-device");
  for (const std::string name : {"dark", "bright"})
    for (int i = 0; i < 12; ++i)
      write(folder / "images" / name / fmt::format("{:02}.png", i),
            encode_png(marked(uint8_t((name == "bright" ? 200 : 20) + i))));
  const fs::path teacher = folder / "teacher.safetensors";
  {
    ViT vit({.image_size = 16, .patch_size = 4, .width = 24, .depth = 1, .heads = 2, .hidden = 48});
    Random random = Seeds(3)("weights");
    vit.initialize(random);
    save_vit(vit, teacher, /*bf16=*/false, {});
  }
  std::map<std::string, std::map<std::string, Tensor>> weights;
  for (const std::string device : {"cpu", "privateuseone"}) {
    PretrainOptions options;
    options.data = {.name = "folder", .path = (folder / "images").string()};
    options.model = {.image_size = 16, .patch_size = 4, .width = 16, .depth = 2, .heads = 2};
    options.teacher.model.name = teacher.string();
    options.training.batch_size = 8;
    options.training.keep_tokens = 0.5;
    options.training.full_epochs = 1;
    options.training.device = device;
    for (const int64_t epochs : {1, 2}) {
      options.training.epochs = epochs;
      pretrain(options, folder / device, /*resume=*/epochs > 1);
    }
    auto state = Archive::read(folder / device / "state.safetensors");
    for (const std::string name : {"blocks.1.attn.qkv.weight", "projection.weight"})
      state(name, weights[device][name]);
  }
  for (const auto& [name, tensor] : weights["cpu"])
    EXPECT_LT(difference(weights["privateuseone"].at(name), tensor), kTolerance) << name;
}

}  // namespace
}  // namespace patina
