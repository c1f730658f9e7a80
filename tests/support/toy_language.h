// A BERT and a GPT small enough to be trained in a test, on the toy texts.
#pragma once

#include "patina/models/text/language_model.h"
#include "tests/support/families.h"
#include "tests/support/toy_text.h"
#include "tests/support/toy_vit.h"

namespace patina {

/// Of a family ("bert", "gpt2"): trained until it separates the classes of `source`, then frozen;
/// the same each time.
inline std::unique_ptr<Backbone> toy_language(const std::string& family, const Source& source) {
  LanguageShape shape = tiny_language(family);
  shape.text.vocabulary = WordTokenizer::kSize;
  auto network = stirred(LanguageModel(shape))->clone();
  network->set_tokenizer(std::make_shared<WordTokenizer>());
  teach(*network, source, TextFeed(*network->tokenizer(), {}));
  return network;
}

}  // namespace patina
