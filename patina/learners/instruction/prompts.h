// The prompts of a batch: what a method may read of texts to decide how they are answered.
#pragma once

#include <compare>

#include "patina/adapt/lora.h"
#include "patina/models/backbone.h"

namespace patina {

/// The tokens of a text. Its answer are the last of its tokens that carry loss and those in front
/// of them that do; its prompt is what stands before. So what decides how a token is predicted is
/// read before it, and a text that is asked has the prompt with which it was learned.
struct PromptAndAnswer {
  std::vector<int64_t> prompt, answer;

  auto operator<=>(const PromptAndAnswer&) const = default;
};

/// The texts of a batch, row by row. Where nothing carries loss, all tokens are prompt.
std::vector<PromptAndAnswer> texts_of(const Input& input);

/// The texts of a batch, each in a row of its own, with what carries loss.
Input unpacked(const Input& input);

/// The prompt of each text in a batch of N texts.
struct Prompts {
  Input input;  // [N,P], each in a row of its own, padded on the right
  Tensor text;  // [B,T] the text that each token of the batch is of; undefined: row i is text i

  /// What each text has, for each of its tokens: [N,n] -> [B,1,n], or [B,T,n] of packed rows.
  Tensor for_tokens(const Tensor& of_texts) const;
};

Prompts prompts_of(const Input& input);

/// The network's embeddings of words: [N,P] -> [N,P,D].
Tensor word_embeddings(const Backbone& backbone, const Input& input);

/// A mixture of LoRAs with weights of each text [N,n].
nn::Adaptations mixed(std::vector<const adapt::Lora*> loras, const Prompts& prompts,
                      const Tensor& weights);

/// The largest of each number over a text's tokens: [N,P,D] -> [N,D], without padding.
Tensor largest_of(const Tensor& tokens, const Tensor& mask);

}  // namespace patina
