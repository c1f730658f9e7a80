// Files of torch.save's: tensors equal to safetensors' of the same model, which dictionary is read,
// and every refusal.
#include "patina/checkpoint/torch_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "patina/base/error.h"
#include "tests/support/shared.h"
#include "tests/support/zip_writing.h"

namespace patina {
namespace {

using namespace std::string_literals;

fs::path fixture(const std::string& name) {
  return fixture_folder(Fixtures::small) / name;
}

std::string torch_file_refusal(const fs::path& path, const std::string& part = "") {
  try {
    SafetensorsFile::open_what_is_there(path, part);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

void expect_equal(const SafetensorsFile& actual, const SafetensorsFile& expected) {
  ASSERT_EQ(actual.tensors().size(), expected.tensors().size());
  for (const auto& [name, wanted] : expected.tensors()) {
    const StoredTensor& tensor = actual.at(name);
    EXPECT_EQ(tensor.dtype, wanted.dtype) << name;
    EXPECT_EQ(tensor.shape, wanted.shape) << name;
    EXPECT_TRUE(std::ranges::equal(tensor.data, wanted.data)) << name;
  }
}

TEST(TorchFile, EveryTypeAndStrideAsSafetensorsHasThem) {
  const auto expected = SafetensorsFile::open(fixture("torch/types.safetensors"));
  ASSERT_EQ(expected.tensors().size(), 21u);
  for (const char* name : {"torch/types.pth", "torch/types.old.pth"}) {
    SCOPED_TRACE(name);
    expect_equal(SafetensorsFile::open(fixture(name)), expected);
  }
}

// A header of 640 bytes: its length, 80 02 00..., begins as a pickle does.
TEST(TorchFile, IsNoSafetensorsWhoseLengthLooksLikeAPickle) {
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.resize(640, ' ');
  const std::string text = "\x80\x02\0\0\0\0\0\0"s + header + "\x07";
  const std::span bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  EXPECT_FALSE(is_torch_file(bytes));
  const auto path = scratch_folder("torch_file") / "short.safetensors";
  write_text(path, text);
  EXPECT_EQ(SafetensorsFile::open(path).at("a").data[0], 7);
}

TEST(TorchFile, NamesOfOneStorageViewTheSameBytes) {
  const auto file = SafetensorsFile::open(fixture("torch/types.pth"));
  EXPECT_EQ(file.at("grid").data.data(), file.at("grid_again").data.data());
  EXPECT_EQ(file.at("middle").data.data(), file.at("grid").data.data() + size_t{6} * 4);
}

// Optimizer, epoch and other entries of a training checkpoint are beside the weights.
TEST(TorchFile, TheWeightsOfATrainingCheckpoint) {
  const auto expected = SafetensorsFile::open(fixture("vision/vit_random.safetensors"));
  for (const char* name : {"torch/vit.pth", "torch/vit.old.pth"}) {
    SCOPED_TRACE(name);
    expect_equal(SafetensorsFile::open(fixture(name)), expected);
    expect_equal(SafetensorsFile::open_what_is_there(fixture(name), "model"), expected);
  }
}

TEST(TorchFile, ShardsOfAnIndex) {
  const auto folder = fixture("torch/sharded");
  const auto file = SafetensorsFile::open(folder);
  expect_equal(file, SafetensorsFile::open(fixture("vision/vit_random.safetensors")));
  EXPECT_EQ(file.files().size(), 2u);
}

TEST(TorchFile, TheTensorsOfAScriptedModule) {
  expect_equal(SafetensorsFile::open(fixture("torch/clip.scripted.pt")),
               SafetensorsFile::open(fixture("clip/clip/openai_f16.safetensors")));
}

TEST(TorchFile, AsksWhichOfSeveralModels) {
  const auto path = fixture("torch/teacher.pth");
  const std::string origin = path.string() + ": not a PyTorch file that patina reads: ";
  EXPECT_EQ(torch_file_refusal(path),
            origin + "it holds several models; say which in model.part: student, teacher");
  EXPECT_EQ(torch_file_refusal(path, "model"),
            origin + "its part \"model\" is no dictionary of tensors; those are: student, teacher");
  const auto teacher = SafetensorsFile::open_what_is_there(path, "teacher");
  EXPECT_TRUE(teacher.has("backbone.cls_token"));
  EXPECT_EQ(teacher.tensors().size(), 2u);
  EXPECT_TRUE(SafetensorsFile::open_what_is_there(path, "student").has("module.norm.weight"));
  EXPECT_NE(
      torch_file_refusal(fixture("vision/vit_random.safetensors"), "teacher").find("has no parts"),
      std::string::npos);
}

TEST(TorchFile, ClassesOfOthersAreRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"namespace", "it names argparse.Namespace, which is not among"},
      {"module", "it names torch.nn.modules.linear.Linear, which is not among"},
      {"float8", "weight is of the type torch.float8_e4m3fn, whose numbers patina does not have"},
      {"complex", "a torch.ComplexFloatStorage, whose numbers patina does not have"}};
  for (const auto& [name, expected] : cases) {
    const std::string text = torch_file_refusal(fixture("torch/" + name + ".pth"));
    EXPECT_NE(text.find(expected), std::string::npos) << text;
  }
}

// Pickles by hand. Memo 1: the function that builds a tensor.
std::string whole(uint8_t number) {
  return "K"s + char(number);
}
std::string text(const std::string& s) {
  return "\x8c"s + char(s.size()) + s;
}
std::string storage(const std::string& key, uint8_t elements,
                    const std::string& type = "FloatStorage") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") +
         whole(elements) + "tQ";
}
std::string numbers(const std::vector<std::string>& values) {
  std::string out = "(";
  for (const auto& value : values) out += value;
  return out + "t";
}
struct View {
  std::string storage = patina::storage("0", 6);
  std::string offset = whole(0);
  std::vector<std::string> shape = {whole(2), whole(3)}, strides = {whole(3), whole(1)};
  std::string function = "ctorch._utils\n_rebuild_tensor_v2\n";
};
std::string built(const View& view = {}) {
  return view.function + "(" + view.storage + view.offset + numbers(view.shape) +
         numbers(view.strides) + "\x89)tR";
}
const std::string kLarge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s;  // 2^63 - 1

Bytes archive(const std::string& pickle, const std::string& data = "abcdabcdabcdabcdabcdabcd") {
  return ZipWriting()
      .entry("x/data.pkl", "\x80\x02" + pickle + ".")
      .entry("x/data/0", data)
      .bytes();
}
std::string answer(const Bytes& bytes) {
  try {
    parse_torch_file(bytes, "f");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}
std::string of_view(const View& view) {
  return answer(archive("}" + text("w") + built(view) + "s"));
}

TEST(TorchFile, WaysToWriteADictionary) {
  const std::string pair = text("w") + built();
  const std::string size = "ctorch\nSize\n" + numbers({whole(2), whole(3)}) + "\x85R";
  const std::string sized = "ctorch._utils\n_rebuild_tensor\n(" + storage("0", 6) + whole(0) +
                            size + numbers({whole(3), whole(1)}) + "tR";
  const std::vector<std::string> ways = {
      "}" + pair + "s", "ccollections\nOrderedDict\n)R" + pair + "s",
      // Python 2's.
      "ccollections\nOrderedDict\n(](" + pair + "l" + "atR",
      "ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R" + pair + "s",
      "}" + text("w") + sized + "s",
      "}" + text("w") + "ctorch._utils\n_rebuild_parameter\n(" + built() + "\x88)tRs",
      "}" + text("w") + "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n" +
          "_rebuild_tensor_v2\nctorch.nn.parameter\nParameter\n(" + storage("0", 6) + whole(0) +
          numbers({whole(2), whole(3)}) + numbers({whole(3), whole(1)}) + "\x89)t}tRs"};
  for (const auto& way : ways) {
    const Bytes bytes = archive(way);
    const auto file = parse_torch_file(bytes, "f");
    ASSERT_EQ(file.tensors().size(), 1u);
    EXPECT_EQ(file.at("w").shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(file.at("w").data.size(), 24u);
  }
}

TEST(TorchFile, TensorsStayInTheirStorages) {
  EXPECT_EQ(of_view({}), "accepted");
  EXPECT_EQ(of_view({.offset = whole(4), .shape = {whole(2)}, .strides = {whole(1)}}), "accepted");
  // A dimension of one may have any stride, and an empty tensor any shape.
  EXPECT_EQ(
      of_view({.shape = {whole(1), whole(3), whole(2)}, .strides = {kLarge, whole(1), whole(3)}}),
      "accepted");
  EXPECT_EQ(of_view({.shape = {whole(0), kLarge}, .strides = {kLarge, whole(1)}}), "accepted");
  const std::string beyond = "w lies beyond its storage of 6 numbers";
  for (const View& view :
       std::vector<View>{{.offset = whole(1)},
                         {.offset = "J\xff\xff\xff\xff"},
                         {.offset = kLarge},
                         {.shape = {whole(2), whole(4)}},
                         {.shape = {kLarge, kLarge}},
                         {.shape = {kLarge, whole(1)}, .strides = {whole(0), whole(1)}},
                         {.strides = {kLarge, whole(1)}},
                         {.strides = {kLarge, kLarge}},
                         // More numbers than the storage has, all of them there.
                         {.shape = {whole(7)}, .strides = {whole(0)}}})
    EXPECT_NE(of_view(view).find(beyond), std::string::npos) << of_view(view);
}

TEST(TorchFile, SaysWhatIsWrong) {
  const std::string pair = text("w") + built();
  const std::string deep = [&] {
    std::string out;
    for (int i = 0; i < 40; ++i) out += "}" + text("d");
    out += "}" + pair + "s";
    for (int i = 0; i < 40; ++i) out += "s";
    return out;
  }();
  // 30 dictionaries, each twice in the next: 2^30 names.
  const std::string doubling = [&] {
    std::string out = "}" + pair + "sq\x02";
    for (int i = 0; i < 29; ++i)
      out += "0}" + pair + "s" + text("a") + "h\x02s" + text("b") + "h\x02sq\x02";
    return out;
  }();
  const std::string empties = [&] {
    std::string out = "}q\x02";
    for (int i = 0; i < 29; ++i) out += "0}" + text("a") + "h\x02s" + text("b") + "h\x02sq\x02";
    return out + pair + "s";
  }();
  const auto zip = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    ZipWriting writing;
    for (const auto& [name, data] : entries) writing.entry(name, data);
    return answer(writing.bytes());
  };
  const std::string none = "\x80\x02N.";
  const std::string system = "\x80\x02}\x8c\rlittle_endian\x88s.";
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const std::string object = "\x80\x02}" + pair + "s.";
  const auto old = [](const std::string& program) {
    return answer(Bytes(program.begin(), program.end()));
  };
  const std::string head = magic + "\x80\x02M\xe9\x03." + system + object;
  const std::string data = "\x06\0\0\0\0\0\0\0"s + std::string(24, 'x');
  EXPECT_EQ(old(head + "\x80\x02](\x8c\x01"s + "0e." + data), "accepted");

  std::vector<std::string> many(17, whole(1));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {zip({{"x/data", ""}}), "a zip archive without data.pkl"},
      {zip({{"x/data.pkl", none}, {"y/data.pkl", none}}), "two folders with a data.pkl"},
      {zip({{"x/data.pkl", none}, {"x/byteorder", "big"}}), "not little-endian"},
      {answer(archive("N")), "no dictionary of tensors"},
      {answer(archive(built())), "one tensor without a name"},
      {answer(archive("}" + text("epoch") + whole(3) + "s")), "no dictionary of tensors"},
      {answer(archive("}" + whole(0) + built() + "s")), "no dictionary of tensors"},
      {answer(archive("}" + pair + "s" + pair + "s")), "w is there twice"},
      {answer(archive("}" + text("w\n") + built() + "s")), "the name \"w?\" is not ASCII"},
      {answer(archive(deep)), "dictionaries in more than 32"},
      {answer(archive(doubling)), "more than 200000 tensors"},
      {answer(archive(empties)), "contain each other too often"},
      {answer(archive("}" + pair + "s", "short")), "has 1 numbers, not 6"},
      {of_view({.storage = storage("1", 6)}), "the storage 1 of w is not there"},
      {of_view({.storage = storage("0", 6, "QInt8Storage")}), "a torch.QInt8Storage"},
      {of_view({.storage = "N"}), "something else than a storage"},
      {of_view({.storage = "NQ"}), "something else than a storage"},
      {of_view({.storage = numbers({text("module")}) + "Q"}), "something else than a storage"},
      {of_view({.shape = {text("a")}, .strides = {whole(1)}}), "no list of numbers >= 0"},
      {of_view({.strides = {"J\xff\xff\xff\xff", whole(1)}}), "no list of numbers >= 0"},
      {of_view({.shape = many}), "17 dimensions, more than 16"},
      {of_view({.strides = {whole(1)}}), "not one stride a dimension"},
      {of_view({.function = "ctorch._utils\n_rebuild_parameter\n"}), "does not know"},
      {of_view({.offset = "N"}), "does not know"},
      {old("\x80\x02N."), "torch.save did not write it"},
      {old(magic + "\x80\x02K\x01."), "its protocol is not 1001"},
      {old(magic + "\x80\x02M\xe9\x03.\x80\x02}\x8c\rlittle_endian\x89s."), "not little-endian"},
      {old(head + "\x80\x02N."), "no list of its storages"},
      {old(head + "\x80\x02](\x8c\x01" + "7e." + data), "nothing tells the type of the storage 7"},
      {old(head + "\x80\x02](\x8c\x01" + "0e."), "ends before its storages"},
      {old(head + "\x80\x02](\x8c\x01" + "0e." + data.substr(0, 31)), "lies beyond its end"},
      {old(head + "\x80\x02](\x8c\x01" + "0e." + "\xff\xff\xff\xff\xff\xff\xff\xff"),
       "lies beyond its end"},
      {old(head + "\x80\x02](\x8c\x01" + "0\x8c\x01" + "0e." + data + data), "is there twice"},
      {old(head + "\x80\x02](e."), "the storage 0 of w is not there"}};
  for (const auto& [actual, expected] : cases)
    EXPECT_NE(actual.find(expected), std::string::npos) << actual << "\nexpected: " << expected;
}

// Many transposed views of one storage would take more memory than the file.
TEST(TorchFile, CopiesAreNoLargerThanTheFile) {
  const std::string data(4000, 'x');
  const auto pickle = [&](int views) {
    std::string out = "}";
    for (int i = 0; i < views; ++i)
      out += text("w" + std::to_string(i)) +
             built({.storage = storage("0", 200),
                    .offset = whole(uint8_t(i)),
                    .shape = {whole(10), whole(9)},
                    .strides = {whole(1), whole(10)}}) +
             "s";
    return out;
  };
  EXPECT_EQ(answer(archive(pickle(3), data)), "accepted");
  EXPECT_NE(answer(archive(pickle(90), data)).find("more numbers than the file"),
            std::string::npos);
}

TEST(TorchFile, IsTold) {
  const auto is = [](const std::string& start) {
    return is_torch_file({reinterpret_cast<const uint8_t*>(start.data()), start.size()});
  };
  EXPECT_TRUE(is("PK\x03\x04 and more"));
  EXPECT_FALSE(is("PK\x03\x04 and then, from byte 30 on: cls.npy, data, PK"));
  EXPECT_TRUE(is("\x80\x02."));
  EXPECT_FALSE(is("\x80\x09."));
  EXPECT_FALSE(is("GGUF"));
  EXPECT_FALSE(is(""));
}

}  // namespace
}  // namespace patina
