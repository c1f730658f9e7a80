// A real sentence encoder against sentence-transformers (tools/fixtures/sentences.py).
#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/data/feed.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"
#include "tests/support/weights.h"

namespace patina {
namespace {

TEST(MiniLM, GivesTheFeaturesOfSentenceTransformers) {
  PATINA_NEED_WEIGHTS(path, "all-MiniLM-L6-v2", "minilm");
  const auto model = load_backbone({.name = path.string()});
  EXPECT_EQ(model->about(), "bert 6x384, 12 heads, 30522 words");
  EXPECT_EQ(model->text_input()->longest, 256);
  const fs::path folder = fixture_folder(Fixtures::small) / "sentences";
  const Json texts = parse_json(read_text(folder / "minilm.json"), "minilm.json");
  const Tensor expected = Reference(folder / "minilm.safetensors")("features");
  ASSERT_EQ(int64_t(texts.size()), expected.size(0));
  std::vector<Encoding> encoded;
  for (const Json& text : texts)
    encoded.push_back(model->tokenizer()->encode_framed(text.get<std::string>(), {},
                                                        model->text_input()->longest));
  const NoGrad no_grad;
  const Tensor together = model->features(padded(encoded, *model->tokenizer()));
  EXPECT_PARITY(together, expected);
  for (size_t i = 0; i < encoded.size(); ++i)
    EXPECT_PARITY(model->features(padded({&encoded[i], 1}, *model->tokenizer()))[0],
                  expected[int64_t(i)]);
}

}  // namespace
}  // namespace patina
