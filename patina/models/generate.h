// Generation: choosing each next token, for decoders and encoder-decoders alike.
#pragma once

#include <functional>
#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/models/backbone.h"

namespace patina {

/// How tokens are chosen. In this order: repetition penalty, temperature, top_k, top_p.
struct GenerateOptions {
  int64_t max_tokens = 128;       // new ones
  double temperature = 0;         // 0: greedy, the likeliest token
  int64_t top_k = 0;              // only the k likeliest; 0: all
  double top_p = 1;               // only the likeliest that together have this probability
  double repetition_penalty = 1;  // divides (negative: multiplies) scores of tokens already there
  int64_t seed = 1993;
  bool cache = true;  // keep keys and values: the same ids, sooner

  void bind(Fields& f);
};

/// Picks one id from the scores of all words. `there` are ids the penalty applies to (Keskar et
/// al., 2019). Draws nothing when greedy; ties go to the lowest id. Top-p: Holtzman et al., 2020.
int64_t choose(std::span<const float> scores, std::span<const int64_t> there,
               const GenerateOptions& options, Random& random);

/// Continues every prompt until one of `stop` comes or max_tokens are there, or the network's
/// longest text is; returns each row's new ids, without the stop. A row's draws depend on the seed
/// and its number only. `chosen(row, id)` hears of each as it comes. Throws Error(model) for a
/// network that does not generate, Error(data) for an empty prompt or one that leaves no room.
std::vector<std::vector<int64_t>> generate(
    const Backbone& backbone, const Input& prompts, const std::vector<int64_t>& stop,
    const GenerateOptions& options, const nn::Adaptations& adaptations = {},
    const std::function<void(int64_t row, int64_t id)>& chosen = {});

}  // namespace patina
