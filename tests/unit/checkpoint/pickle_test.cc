// Pickles: the value of every opcode, and every refusal. Opcodes are written as pickletools names
// them.
#include "patina/checkpoint/pickle.h"

#include <gtest/gtest.h>

#include "patina/base/error.h"
#include "patina/base/file.h"

namespace patina {
namespace {

using Kind = PickleValue::Kind;
using namespace std::string_literals;

Pickle read(const std::string& program) {
  static std::string kept;  // values view nothing of it
  kept = program;
  return Pickle::read({reinterpret_cast<const uint8_t*>(kept.data()), kept.size()}, "f",
                      [](std::string_view name) { return name.starts_with("known."); });
}

std::string pickle_refusal(const std::string& program) {
  try {
    read(program);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

// A value as Python would write it.
std::string shown(const PickleValue& value) {
  const auto items = [&] {
    std::string text;
    for (const PickleValue* item : value.items) text += (text.empty() ? "" : ",") + shown(*item);
    return text;
  };
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.whole ? "True" : "False";
    case Kind::whole:
      return std::to_string(value.whole);
    case Kind::big:
      return fmt::format("big{}", value.text.size());
    case Kind::real:
      return fmt::format("{}", value.real);
    case Kind::text:
      return "'" + value.text + "'";
    case Kind::bytes:
      return "b'" + value.text + "'";
    case Kind::list:
      return "[" + items() + "]";
    case Kind::tuple:
      return "(" + items() + ")";
    case Kind::set:
      return "set(" + items() + ")";
    case Kind::dict:
      return "{" + items() + "}";
    case Kind::global:
      return value.text;
    case Kind::call:
      return shown(*value.function) + shown(*value.arguments) +
             (value.items.empty() ? "" : "{" + items() + "}") +
             (value.state ? "|" + shown(*value.state) : "");
    case Kind::persistent:
      return "@" + shown(*value.arguments);
  }
  return "";
}

TEST(Pickle, EveryOpcodeHasItsValue) {
  const std::string call = "cknown\nf\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x80\x02N."s, "None"},
      {"\x80\x04\x95\x01\0\0\0\0\0\0\0N."s, "None"},
      {"\x88."s, "True"},
      {"\x89."s, "False"},
      {"K\xff."s, "255"},
      {"M\x01\x02."s, "513"},
      {"J\xff\xff\xff\xff."s, "-1"},
      {"\x8a\0."s, "0"},
      {"\x8a\x01\xfe."s, "-2"},
      {"\x8a\x02\xfe\x00."s, "254"},
      {"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."s, "9223372036854775807"},
      {"\x8b\x01\0\0\0\x05."s, "5"},
      {"\x8a\x09\1\2\3\4\5\6\7\x08\x09."s, "big9"},
      {"G\x3f\xf8\0\0\0\0\0\0."s, "1.5"},
      {"X\x03\0\0\0abc."s, "'abc'"},
      {"T\x02\0\0\0ab."s, "'ab'"},
      {"U\x02"s + "ab.", "'ab'"},
      {"\x8c\x01z."s, "'z'"},
      {"\x8d\x01\0\0\0\0\0\0\0z."s, "'z'"},
      {"C\x01z."s, "b'z'"},
      {"B\x01\0\0\0z."s, "b'z'"},
      {"\x8e\x01\0\0\0\0\0\0\0z."s, "b'z'"},
      {"]."s, "[]"},
      {"]K\x01"s + "aK\x02"s + "a."s, "[1,2]"},
      {"](K\x01K\x02"s + "e."s, "[1,2]"},
      {"(K\x01K\x02l."s, "[1,2]"},
      {")."s, "()"},
      {"(K\x01K\x02t."s, "(1,2)"},
      {"K\x01\x85."s, "(1)"},
      {"K\x01K\x02\x86."s, "(1,2)"},
      {"K\x01K\x02K\x03\x87."s, "(1,2,3)"},
      {"}."s, "{}"},
      {"}K\x01Ns."s, "{1,None}"},
      {"}(K\x01NK\x02\x88u."s, "{1,None,2,True}"},
      {"(K\x01Nd."s, "{1,None}"},
      {"\x8f(K\x01\x90."s, "set(1)"},
      {"(K\x01\x91."s, "set(1)"},
      {"K\x01K\x02"s + "0."s, "1"},
      {"K\x01(K\x02K\x03"s + "1."s, "1"},
      {"K\x01"s + "2\x86."s, "(1,1)"},
      {"K\x07q\x01K\x08h\x01\x87."s, "(7,8,7)"},
      {"K\x07r\1\1\0\0K\x08j\1\1\0\0\x87."s, "(7,8,7)"},
      {call + "."s, "known.f"},
      {"\x8c\x05known\x8c\x01g\x93."s, "known.g"},
      {call + "K\x01\x85R."s, "known.f(1)"},
      {call + ")\x81."s, "known.f()"},
      {call + ")\x81}K\x01Nsb."s, "known.f()|{1,None}"},
      {call + ")RK\x01K\x02s."s, "known.f(){1,2}"},
      {call + ")RK\x01"s + "a."s, "known.f(){1}"},
      {"K\x05Q."s, "@5"}};
  for (const auto& [program, expected] : cases) EXPECT_EQ(shown(read(program).root()), expected);
  // MEMOIZE numbers values from 0.
  EXPECT_EQ(shown(read("K\x07\x94K\x08\x94h\x01\x87."s).root()), "(7,8,8)");
  EXPECT_EQ(shown(read("K\x07\x94K\x08\x94h\x00\x87."s).root()), "(7,8,7)");
}

TEST(Pickle, ReadsOneAndTellsItsLength) {
  EXPECT_EQ(read("\x80\x02K\x01.K\x02."s).size(), 5u);
}

// A list that contains itself and a dict with two names are what they are in Python, too.
TEST(Pickle, ValuesMayBeSharedAndContainThemselves) {
  const Pickle loop = read("]q\0h\0a."s);
  EXPECT_EQ(loop.root().items.at(0), &loop.root());
  const Pickle twice = read("}q\0h\0\x86."s);
  EXPECT_EQ(twice.root().items.at(0), twice.root().items.at(1));
}

TEST(Pickle, ExecutesNothing) {
  EXPECT_EQ(pickle_refusal("cos\nsystem\nX\x04\0\0\0true\x85R."s),
            "f: not a pickle that patina reads: it names os.system, which is not among the classes "
            "and functions of weights, and patina executes none. In Python, torch.load(file, "
            "weights_only=False) loads it if you trust it; save the weights alone: "
            "torch.save(model.state_dict(), file) (byte 11)");
  EXPECT_NE(pickle_refusal("\x8c\x05posix\x8c\x06system\x93."s).find("posix.system"),
            std::string::npos);
  // A name from another place than the known one, and one that hides behind dots.
  EXPECT_NE(pickle_refusal("cos\nknown.f\n."s).find("os.known.f"), std::string::npos);
  // INST, OBJ, NEWOBJ_EX, REDUCE's relatives and what reaches outside the pickle.
  for (const std::string opcode : {"i", "o", "\x92", "\x82", "\x83", "\x84", "P", "\x97", "\x98"})
    EXPECT_NE(
        pickle_refusal("K\x01" + opcode + "known\nf\n.").find("which torch.save does not write"),
        std::string::npos)
        << opcode;
}

TEST(Pickle, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "ends within a value; is the file complete?"},
      {"K", "ends within a value"},
      {"X\xff\xff\xff\xffz.", "ends within a value"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xffz.", "ends within a value"},
      {"cknown", "ends within a line"},
      {"\x80\x01N.", "protocol 1; 2 to 5 are read"},
      {"\x80\x06N.", "protocol 6"},
      {"I1\n.", "opcode 0x49"},
      {"\xff.", "opcode 0xff"},
      {".", "leaves 0 values, not one"},
      {"NN.", "leaves 2 values"},
      {"N(.", "leaves 1 values"},
      {"0.", "a value is not there"},
      {"N(0.", "a value is not there"},
      {"N(\x85.", "a value is not there"},
      {"q\x01N.", "a value is not there"},
      {"K\x01t.", "a mark is not there"},
      {"h\x05.", "the value 5 of the memo is not there"},
      {"(K\x01"
       "d.",
       "a key has no value"},
      {"}(K\x01u.", "a key has no value"},
      {"]K\x01K\x02s.", "put into a value of another kind"},
      {"}K\x01"
       "a.",
       "put into a value of another kind"},
      {"K\x01K\x01"
       "a.",
       "put into a value of another kind"},
      {"K\x01)R.", "a call is not of a function with a tuple"},
      {"cknown\nf\nNR.", "a call is not of a function with a tuple"},
      {"N)\x81.", "a call is not of a class with a tuple"},
      {"N}b.", "a state is given to what is no object"},
      {"K\x01K\x02\x93.", "the name of a class is no text"},
      {"\x8a\x11" + std::string(17, '\1') + ".", "an integer of 17 bytes, more than 16"}};
  for (const auto& [program, expected] : cases)
    EXPECT_NE(pickle_refusal(program).find(expected), std::string::npos)
        << pickle_refusal(program) << "\nexpected: " << expected;
}

TEST(Pickle, MakesNoMoreValuesThanTheLimit) {
  std::string many(Pickle::kMostValues + 1, 'N');
  EXPECT_NE(pickle_refusal(many).find("more than 4000000 values"), std::string::npos);
}

}  // namespace
}  // namespace patina
