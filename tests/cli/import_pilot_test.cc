// Configurations of LAMDA-PILOT's kinds as recipes: each value where it belongs, and nothing
// dropped in silence.
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/run/recipe.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

class ImportPilot : public testing::Test {
 protected:
  ImportPilot() : folder_(scratch_folder("cli-import-pilot")) {}

  // The recipe that a configuration with the usual keys and `more` becomes.
  Recipe imported(const Json& more) {
    Json config = {{"prefix", "reproduce"}, {"dataset", "cifar224"}, {"memory_size", 0},
                   {"memory_per_class", 0}, {"fixed_memory", false}, {"shuffle", true},
                   {"init_cls", 10},        {"increment", 10},       {"device", {"0"}},
                   {"seed", {1993}}};
    config.update(more);
    write_text(folder_ / "mine.json", config.dump());
    fs::remove(folder_ / "mine.toml");
    result_ = call(folder_, {"import-pilot", "mine.json"});
    EXPECT_EQ(result_.code, 0) << result_.err;
    return read_recipe(folder_ / "mine.toml", {});
  }
  std::string options(Recipe& recipe) { return to_toml(*recipe.learner.options); }
  bool said(const std::string& part) const { return has(result_.out, part); }

  fs::path folder_;
  Result result_;
};

TEST_F(ImportPilot, closed_form_on_an_adapted_network) {
  Recipe recipe = imported({{"model_name", "ranpac"},
                            {"backbone_type", "pretrained_vit_b16_224_in21k_adapter"},
                            {"use_RP", true},
                            {"M", 5000},
                            {"tuned_epoch", 7},
                            {"init_lr", 0.02},
                            {"batch_size", 48},
                            {"weight_decay", 0.0005},
                            {"min_lr", 0},
                            {"ffn_num", 32},
                            {"optimizer", "sgd"}});
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_EQ(recipe.model.name, "vit_base_patch16_224_in21k");
  EXPECT_EQ(recipe.data.name, "cifar100");
  EXPECT_EQ(recipe.scenario.initial_classes, 0);
  EXPECT_EQ(recipe.scenario.classes_per_task, 10);
  EXPECT_EQ(recipe.scenario.class_order_seed, 1993);
  EXPECT_EQ(recipe.learner.name, "ranpac");
  EXPECT_TRUE(has(options(recipe), "projection = 5000\n"));
  EXPECT_TRUE(has(options(recipe), "bottleneck = 32\n"));
  EXPECT_TRUE(has(options(recipe), "compat = \"pilot\"\n"));
  EXPECT_EQ(recipe.training.epochs, 7);
  EXPECT_EQ(recipe.training.batch_size, 48);
  EXPECT_EQ(recipe.training.optimizer.lr, 0.02);
  EXPECT_EQ(recipe.training.optimizer.schedule, "cosine");
  EXPECT_EQ(recipe.test_transform.resize, 256);
  EXPECT_TRUE(said("  training.lr = 0.02, from init_lr\n")) << result_.out;
  EXPECT_TRUE(said("NOT mapped:\n  use_RP = true\n")) << result_.out;
  EXPECT_TRUE(said("mine.toml: 1 keys are not mapped")) << result_.out;
  EXPECT_TRUE(said("  prefix: it names PILOT's log\n"));
  EXPECT_TRUE(said("  memory_size: ranpac keeps no samples\n"));
}

TEST_F(ImportPilot, adaptations_of_the_first_task) {
  const Json shared = {{"tuned_epoch", 20}, {"init_lr", 0.01}, {"prompt_token_num", 9}};
  const auto adapted = [&](const char* method, Json more) {
    more.update(shared);
    more["model_name"] = method;
    more["backbone_type"] = "pretrained_vit_b16_224";
    Recipe recipe = imported(more);
    EXPECT_EQ(recipe.learner.name, "aper");
    EXPECT_EQ(recipe.model.name, "vit_base_patch16_224");
    return options(recipe);
  };
  EXPECT_TRUE(has(adapted("aper_adapter", {{"ffn_num", 16}}), "adaptation = \"adapter\"\n"));
  EXPECT_TRUE(has(adapted("aper_finetune", {}), "adaptation = \"finetune\"\n"));
  EXPECT_TRUE(said("prompt_token_num = 9\n")) << "fine-tuning has no prompts: " << result_.out;
  EXPECT_TRUE(has(adapted("aper_ssf", {}), "adaptation = \"ssf\"\n"));
  const std::string shallow = adapted("aper_vpt", {{"vpt_type", "shallow"}});
  EXPECT_TRUE(has(shallow, "adaptation = \"vpt_shallow\"\n") &&
              has(shallow, "prompt_tokens = 9\n"));
  EXPECT_TRUE(has(adapted("aper_vpt", {{"vpt_type", "deep"}}), "adaptation = \"vpt_deep\"\n"));
}

TEST_F(ImportPilot, prompts) {
  Recipe l2p = imported({{"model_name", "l2p"},
                         {"size", 20},
                         {"length", 6},
                         {"top_k", 3},
                         {"pull_constraint_coeff", 0.5},
                         {"scheduler", "constant"},
                         {"optimizer", "adam"},
                         {"init_lr", 0.001875},
                         {"head_type", "prompt"}});
  for (const char* part : {"pool = 20\n", "length = 6\n", "chosen = 3\n", "pull = 0.5\n"})
    EXPECT_TRUE(has(options(l2p), part)) << part << options(l2p);
  EXPECT_EQ(l2p.training.optimizer.schedule, "constant");
  EXPECT_EQ(l2p.training.optimizer.optimizer, "adam");
  EXPECT_EQ(l2p.training.optimizer.lr, 0.001875);
  EXPECT_TRUE(said("  head_type = \"prompt\"\n"));

  Recipe dual = imported({{"model_name", "dualprompt"},
                          {"g_prompt_length", 4},
                          {"length", 7},
                          {"g_prompt_layer_idx", {0}},
                          {"e_prompt_layer_idx", {1, 2}}});
  for (const char* part : {"general_length = 4\n", "expert_length = 7\n", "general_layers = [0]\n",
                           "expert_layers = [1, 2]\n"})
    EXPECT_TRUE(has(options(dual), part)) << part << options(dual);

  Recipe coda = imported(
      {{"model_name", "coda_prompt"}, {"prompt_param", {100, 8.0, 0.1}}, {"scheduler", "cosine"}});
  EXPECT_TRUE(has(options(coda), "length = 8\n") && has(options(coda), "orthogonality = 0.1\n"));
  EXPECT_EQ(coda.training.optimizer.schedule, "quarter_cosine");
  EXPECT_EQ(coda.train_transform.scale, (std::vector<double>{0.08, 1.0}));
  EXPECT_EQ(coda.test_transform.resize, 0);
  EXPECT_TRUE(said("prompt_param's 100 prompts in all"));
}

TEST_F(ImportPilot, replay_and_two_sets_of_training) {
  Recipe icarl = imported({{"model_name", "icarl"},
                           {"memory_size", 4000},
                           {"init_epoch", 20},
                           {"epochs", 30},
                           {"init_lr", 0.001},
                           {"lrate", 0.001},
                           {"init_weight_decay", 0.0005},
                           {"weight_decay", 0.0002},
                           {"milestones", {10, 20}},
                           {"lrate_decay", 0.1},
                           {"T", 3},
                           {"init_milestones", {5}},
                           {"dataset", "imagenetr"},
                           {"init_cls", 40},
                           {"increment", 20},
                           {"shuffle", false},
                           {"seed", {1, 2}}});
  EXPECT_TRUE(has(options(icarl), "memory = 4000\n") && has(options(icarl), "temperature = 3"));
  EXPECT_TRUE(has(options(icarl), "loss = \"pilot\"\n"));
  EXPECT_EQ(icarl.training.epochs, 30);
  EXPECT_EQ(icarl.training.optimizer.weight_decay, 0.0002);
  EXPECT_EQ(icarl.training.optimizer.schedule, "step");
  EXPECT_EQ(icarl.training.optimizer.milestones, (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(icarl.data.name, "folder");
  EXPECT_EQ(icarl.scenario.initial_classes, 40);
  EXPECT_EQ(icarl.scenario.class_order_seed, -1);
  EXPECT_EQ(icarl.seed, 1);
  for (const char* part :
       {"init_epoch = 20: it is of the first task", "training.lr, from init_lr, too",
        "init_weight_decay = 0.0005: it is of the first task",
        "seed = 1: the first of [1,2]; `patina sweep --seeds`",
        "without fixed_memory the samples are shared by the classes"})
    EXPECT_TRUE(said(part)) << part << "\n" << result_.out;

  Recipe fixed = imported({{"model_name", "der"},
                           {"memory_size", 2000},
                           {"memory_per_class", 20},
                           {"fixed_memory", true}});
  EXPECT_TRUE(has(options(fixed), "memory_per_class = 20\n"));

  Recipe tuned = imported(
      {{"model_name", "finetune"}, {"init_weight_decay", 0.0005}, {"weight_decay", 0.0002}});
  EXPECT_TRUE(has(options(tuned), "later_weight_decay = 0.0002\n"));
  EXPECT_EQ(tuned.training.optimizer.weight_decay, 0.0005);
}

TEST_F(ImportPilot, mixtures) {
  Recipe lae = imported({{"model_name", "lae"},
                         {"pet_cls", "Prefix"},
                         {"pet_length", 12},
                         {"down_sample_dim", 5},
                         {"ema_decay", 0.999},
                         {"num_freeze_epochs", 2}});
  for (const char* part :
       {"adaptation = \"prefix\"\n", "size = 12\n", "keep = 0.999\n", "frozen_epochs = 2\n"})
    EXPECT_TRUE(has(options(lae), part)) << part << options(lae);
  EXPECT_TRUE(said("  down_sample_dim = 5\n"));

  Recipe mos = imported({{"model_name", "mos"},
                         {"reg", 0.2},
                         {"adapter_momentum", 0.3},
                         {"ensemble", false},
                         {"crct_epochs", 10},
                         {"ca_lr", 0.001},
                         {"ffn_num", 8}});
  for (const char* part : {"separation = 0.2\n", "pull = 0.3\n", "ensemble = false\n",
                           "epochs = 10\n", "lr = 0.001\n", "bottleneck = 8\n"})
    EXPECT_TRUE(has(options(mos), part)) << part << options(mos);

  Recipe cofima = imported({{"model_name", "cofima"},
                            {"wt_lambda", 0.6},
                            {"ca_epochs", 3},
                            {"fisher_weighting", true},
                            {"milestones", {18}},
                            {"lrate_decay", 0.2}});
  EXPECT_TRUE(has(options(cofima), "part = 0.6\n") && has(options(cofima), "epochs = 3\n"));
  EXPECT_EQ(cofima.training.optimizer.gamma, 0.2);
}

TEST_F(ImportPilot, refuses_what_is_no_configuration) {
  const auto refused = [&](const std::string& text) {
    write_text(folder_ / "bad.json", text);
    const Result result = call(folder_, {"import-pilot", "bad.json"});
    EXPECT_EQ(result.code, 2) << result.out;
    EXPECT_FALSE(fs::exists(folder_ / "bad.toml"));
    return result.err;
  };
  EXPECT_TRUE(has(refused("[1]"), "it is no configuration of LAMDA-PILOT's"));
  EXPECT_TRUE(has(refused("{"), "bad.json"));
  EXPECT_TRUE(has(refused(R"({"model_name": "ranpack", "dataset": "cifar224"})"),
                  "did you mean \"ranpac\""));
  EXPECT_TRUE(has(refused(R"({"model_name": "ranpac", "dataset": "cifar224", "increment": "x"})"),
                  "increment is \"x\", and a whole number is expected"));
  // A value that patina does not take is told as in any recipe.
  EXPECT_TRUE(has(refused(R"({"model_name": "ranpac", "dataset": "cifar224", "init_lr": -1})"),
                  "training.lr"));
  imported({{"model_name", "simplecil"}, {"tuned_epoch", 0}});
  EXPECT_TRUE(said("tuned_epoch: nothing is trained"));
  const Result again = call(folder_, {"import-pilot", "mine.json"});
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(has(again.err, "mine.toml exists and is not changed"));
}

}  // namespace
}  // namespace patina
