// A CLIP small enough to be trained in a test, on toy images and sentences with their class names.
#pragma once

#include "patina/data/dataset.h"
#include "patina/learn/learner.h"
#include "patina/models/two_tower/clip.h"
#include "patina/nn/losses.h"
#include "tests/support/families.h"
#include "tests/support/toy_source.h"
#include "tests/support/toy_text.h"

namespace patina {

/// Words become ids by their hash. The end token has the highest id, as in CLIP's vocabulary.
class ClipWords : public WordTokenizer {
 public:
  static constexpr int64_t kBegin = kSize, kEnd = kSize + 1;
  ClipWords() : WordTokenizer(false, kSize + 2) { frame_ = {.before = {kBegin}, .after = {kEnd}}; }
};

/// Trained until it classifies the images of `source` by class names; the same each time.
inline std::unique_ptr<Clip> toy_clip(const Source& source) {
  ClipShape shape = tiny_clip();
  shape.text.vocabulary = ClipWords().size();
  auto clip = stirred(Clip(shape))->clone();
  clip->set_tokenizer(std::make_shared<ClipWords>());
  std::vector<Encoding> sentences;
  for (const auto& name : source.classes())
    sentences.push_back(clip->tokenizer()->encode_framed("a photo of a " + name + "."));
  const Input texts = padded(sentences, *clip->tokenizer());
  const ImageFeed feed({.size = 16, .normalize = "clip"});
  ThreadPool pool(1);
  const Dataset data = whole(source);
  const Batch images = *Loader(data, feed, pool, data.size()).next();
  const at::AutoGradMode gradients(true);
  nn::freeze(*clip, false);
  Optimizer optimizer({.optimizer = "adamw", .weight_decay = 0}, {trainable_group(*clip)});
  auto& network = dynamic_cast<Clip&>(*clip);
  for (int step = 0; step < 60; ++step) {
    optimizer.zero_grad();
    nn::cross_entropy(network.similarity(clip->features(images.input), clip->features(texts)) * 10,
                      images.target)
        .backward();
    optimizer.step(0.01);
  }
  nn::freeze(*clip);
  return std::unique_ptr<Clip>(dynamic_cast<Clip*>(clip.release()));
}

}  // namespace patina
