// Artefacts on the command line: made, told about, used where and how precisely one says.
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {

TEST(Artefacts, inspect_tells_what_an_artefact_learned) {
  const auto folder = scratch_folder("cli-inspect");
  write_images(folder / "images", 2, 3, 1);
  for (const std::string name : {"class0", "class1"})
    ASSERT_EQ(call(folder, {"learn", "toys.patina", name, "images/train/" + name}).code, 0);
  const Result shown = call(folder, {"inspect", "toys.patina", "--summary"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  for (const auto* part :
       {"simplecil learned 2 classes in 2 tasks, from 6 images\non ViT", "task 1: class0\n",
        "task 2: class1\n", "name = \"simplecil\"\n", "name = \"starter\"\n"})
    EXPECT_TRUE(has(shown.out, part)) << part << "\n" << shown.out;
  EXPECT_FALSE(has(shown.out, "metadata")) << shown.out;
  fs::create_directories(folder / "run");
  fs::copy_file(folder / "toys.patina", folder / "run/model.patina");
  EXPECT_EQ(call(folder, {"inspect", "run", "--summary"}).out, shown.out);
}

TEST(Artefacts, artefacts_are_used_where_and_how_precisely_one_says) {
  const auto folder = scratch_folder("cli-engine");
  write_images(folder / "images", 2, 3, 1);
  const fs::path file = folder / "toys.patina";
  const std::vector<std::string> learn = {"learn", "toys.patina", "class0", "images/train/class0"};
  const std::vector<std::string> predict = {"predict", "toys.patina", "images/test/class0",
                                            "--json"};
  const auto with = [&](std::vector<std::string> words, const std::string& option,
                        const std::string& value) {
    words.insert(words.end(), {option, value});
    return call(folder, words);
  };
  EXPECT_TRUE(has(with(learn, "--device", "cuda:9").err, "there is no device \"cuda:9\""));
  EXPECT_FALSE(fs::exists(file));
  ASSERT_EQ(with(learn, "--precision", "fp32").code, 0);
  ASSERT_EQ(call(folder, {"learn", "toys.patina", "class1", "images/train/class1", "--device",
                          "cpu", "--precision", "fp32"})
                .code,
            0);
  const Result exact = with(predict, "--precision", "fp32");
  const Result fast = with(predict, "--precision", "bf16");
  EXPECT_EQ(exact.code, 0) << exact.err;
  EXPECT_EQ(fast.code, 0) << fast.err;
  EXPECT_NE(exact.out, fast.out);  // the scores' last digits
  for (const std::string command : {"predict", "eval", "serve"}) {
    const Result refused = call(folder, {command, "toys.patina", "images/test", "--device", "tpu"});
    EXPECT_EQ(refused.code, 2) << command;
  }
  EXPECT_TRUE(has(with(predict, "--device", "tpu").err, "there is no device \"tpu\""));
  EXPECT_TRUE(has(with(predict, "--precision", "fp8").err, "fp8"));
}

}  // namespace patina
