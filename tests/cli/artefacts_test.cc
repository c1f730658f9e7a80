// Artefacts on the command line: made, told about, used where and how precisely one says.
#include "patina/base/file_lock.h"
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

TEST(Artefacts, the_folder_of_a_run_stands_for_its_artefact_in_every_command) {
  const auto folder = scratch_folder("cli-artefact-folder");
  write_images(folder / "images", 3, 3, 1);
  fs::create_directories(folder / "run");
  ASSERT_EQ(call(folder, {"learn", "run/model.patina", "class0", "images/train/class0"}).code, 0);

  const Result learned = call(folder, {"learn", "run", "class1", "images/train/class1"});
  EXPECT_EQ(learned.code, 0) << learned.err;
  EXPECT_TRUE(has(learned.out, "run/model.patina: learned class1 from 3 images")) << learned.out;
  EXPECT_TRUE(has(learned.out, "2 classes are known")) << learned.out;
  const Result predicted = call(folder, {"predict", "run", "images/test/class1"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_TRUE(has(predicted.out, "class1")) << predicted.out;
  EXPECT_EQ(call(folder, {"eval", "run", "images/test", "--json"}).out,
            call(folder, {"eval", "run/model.patina", "images/test", "--json"}).out);
  {
    const FileLock lock(folder / "run/model.patina", "a test holds it");
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"learn", "run", "class2", "images/train/class2"},
          std::vector<std::string>{"forget", "run", "class1"},
          std::vector<std::string>{"serve", "run", "--port", "0"}}) {
      const Result refused = call(folder, words);
      EXPECT_EQ(refused.code, 2) << words.front();
      EXPECT_TRUE(has(refused.err, "run/model.patina: a test holds it")) << refused.err;
    }
  }
  const Result forgotten = call(folder, {"forget", "run", "class0"});
  EXPECT_EQ(forgotten.code, 0) << forgotten.err;
  EXPECT_TRUE(has(forgotten.out, "1 class")) << forgotten.out;
}

TEST(Artefacts, a_folder_without_an_artefact_is_refused_before_anything_is_learned) {
  const auto folder = scratch_folder("cli-no-artefact");
  write_images(folder / "images", 1, 3, 1);
  fs::create_directories(folder / "empty");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"learn", "empty", "class0", "images/train/class0"},
        std::vector<std::string>{"predict", "empty", "images/test/class0"},
        std::vector<std::string>{"eval", "empty", "images/test"},
        std::vector<std::string>{"forget", "empty", "class0"},
        std::vector<std::string>{"export", "empty", "--to", "safetensors", "-o", "out-of-it"},
        std::vector<std::string>{"serve", "empty", "--port", "0"}}) {
    const Result refused = call(folder, words);
    EXPECT_EQ(refused.code, 2) << words.front();
    EXPECT_TRUE(has(refused.err,
                    "empty: a folder without model.patina: a run leaves one when it "
                    "is finished; name its folder, or a file, such as pets.patina"))
        << words.front() << ": " << refused.err;
  }
  EXPECT_TRUE(fs::is_empty(folder / "empty"));
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
