// Shards and folders: which file is opened, and the error if it cannot be.
#include <gtest/gtest.h>

#include "patina/base/error.h"
#include "patina/checkpoint/safetensors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

const Bytes kOne{1}, kTwo{2};

void write_shard(const fs::path& path, const std::string& name, const Bytes& data) {
  write_safetensors(path, {{name, {DType::u8, {1}, data}}}, {{"shard", path.stem().string()}});
}

void write_index(const fs::path& folder, std::string_view weight_map) {
  write_text(folder / "model.safetensors.index.json",
             fmt::format(R"({{"metadata":{{"total_size":2}},"weight_map":{}}})", weight_map));
}

std::string safetensors_folder_refusal(const fs::path& path) {
  try {
    SafetensorsFile::open(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SafetensorsFolder, ReadsTheShardsOfAnIndex) {
  const auto folder = scratch_folder("shards");
  write_shard(folder / "one.safetensors", "a", kOne);
  write_shard(folder / "two.safetensors", "b", kTwo);
  write_index(folder, R"({"a":"one.safetensors","b":"two.safetensors"})");
  for (const auto& path : {folder, folder / "model.safetensors.index.json"}) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.at("a").data[0], 1);
    EXPECT_EQ(file.at("b").data[0], 2);
    EXPECT_EQ(file.metadata().at("shard"), "one");
    EXPECT_EQ(file.files(),
              (std::vector<fs::path>{folder / "one.safetensors", folder / "two.safetensors"}));
  }
}

TEST(SafetensorsFolder, MissingShardsAreNamedTogether) {
  const auto folder = scratch_folder("missing_shards");
  write_index(folder, R"({"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"})");
  EXPECT_EQ(safetensors_folder_refusal(folder),
            (folder / "model.safetensors.index.json").string() +
                ": missing shards: one.safetensors, two.safetensors; download them too");
}

TEST(SafetensorsFolder, TensorsThatTheirShardLacksAreNamedTogether) {
  const auto folder = scratch_folder("absent_tensors");
  write_shard(folder / "one.safetensors", "a", kOne);
  write_index(folder, R"({"a":"one.safetensors","b":"one.safetensors","c":"one.safetensors"})");
  EXPECT_EQ(safetensors_folder_refusal(folder),
            (folder / "model.safetensors.index.json").string() +
                ": listed but not there: \"b\" in one.safetensors, \"c\" in one.safetensors");
}

TEST(SafetensorsFolder, ShardsStayBesideTheIndex) {
  const auto folder = scratch_folder("traversal");
  write_shard(folder / "outside.safetensors", "a", kOne);
  make_folder(folder / "in");
  for (const std::string shard :
       {"\"../outside.safetensors\"", "\"x/../../outside.safetensors\"", "\"/outside.safetensors\"",
        "\"\"", "\"a\\u0000b\"", "\"sub/\"", "3"}) {
    write_index(folder / "in", "{\"a\":" + shard + "}");
    EXPECT_NE(
        safetensors_folder_refusal(folder / "in").find("which is not a file beside the index"),
        std::string::npos)
        << shard << ": " << safetensors_folder_refusal(folder / "in");
  }
}

TEST(SafetensorsFolder, BrokenIndexes) {
  const auto folder = scratch_folder("broken_index");
  const auto index = folder / "model.safetensors.index.json";
  for (const char* text : {"[]", "{}", "{\"weight_map\":1}", "3"}) {
    write_text(index, text);
    EXPECT_EQ(safetensors_folder_refusal(folder),
              index.string() + ": no weight_map, so not an index of shards");
  }
  write_text(index, "{\"weight_map\":{}}");
  EXPECT_EQ(safetensors_folder_refusal(folder), index.string() + ": weight_map is empty");
  write_text(index, "{\"weight_map\":");
  EXPECT_NE(safetensors_folder_refusal(folder).find("not valid JSON"), std::string::npos);
}

TEST(SafetensorsFolder, FindsTheWeights) {
  const auto folder = scratch_folder("find");
  const std::string none = folder.string() + ": no .safetensors file and none of PyTorch's; ";
  EXPECT_EQ(safetensors_folder_refusal(folder), none + "the folder holds nothing");
  write_text(folder / "config.json", "{}");
  write_text(folder / "optimizer.pt", "x");
  EXPECT_EQ(safetensors_folder_refusal(folder),
            none + "the folder holds config.json, optimizer.pt");
  write_text(folder / "b.pth", "x");
  EXPECT_TRUE(safetensors_folder_refusal(folder).starts_with((folder / "b.pth").string()))
      << safetensors_folder_refusal(folder);
  write_text(folder / "a.bin", "x");
  EXPECT_EQ(safetensors_folder_refusal(folder),
            folder.string() +
                ": several PyTorch files and no pytorch_model.bin.index.json; name one of them: "
                "a.bin, b.pth");
  write_text(folder / "pytorch_model.bin", "x");
  EXPECT_TRUE(
      safetensors_folder_refusal(folder).starts_with((folder / "pytorch_model.bin").string()))
      << safetensors_folder_refusal(folder);
  write_shard(folder / "only.safetensors", "a", kOne);
  EXPECT_EQ(SafetensorsFile::open(folder).files().front(), folder / "only.safetensors");
  write_shard(folder / "other.safetensors", "a", kOne);
  EXPECT_EQ(safetensors_folder_refusal(folder),
            folder.string() +
                ": several .safetensors files and no model.safetensors.index.json; name "
                "one of them: only.safetensors, other.safetensors");
  write_shard(folder / "model.safetensors", "a", kTwo);
  EXPECT_EQ(SafetensorsFile::open(folder).at("a").data[0], 2);
  write_index(folder, R"({"a":"only.safetensors"})");
  EXPECT_EQ(SafetensorsFile::open(folder).at("a").data[0], 1);
}

TEST(SafetensorsFolder, LongListsAreCut) {
  const auto folder = scratch_folder("long_list");
  for (int i = 0; i < 14; ++i) write_text(folder / fmt::format("{:02}.txt", i), "x");
  const std::string text = safetensors_folder_refusal(folder);
  EXPECT_TRUE(text.ends_with("08.txt, 09.txt and 4 more")) << text;
}

TEST(SafetensorsFolder, AnAbsentFile) {
  EXPECT_NE(safetensors_folder_refusal("/nonexistent/x.safetensors")
                .find("/nonexistent/x.safetensors: cannot open"),
            std::string::npos);
}

}  // namespace
}  // namespace patina
