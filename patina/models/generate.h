// Text generation: how each next token is chosen, for decoders and encoder-decoders.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/models/experts.h"

namespace patina {

/// How tokens are chosen. Applied in this order: repetition penalty, temperature, top_k, top_p.
struct GenerateOptions {
  int64_t max_tokens = 128;       // new tokens
  double temperature = 0;         // 0: greedy, always the most likely token
  int64_t top_k = 0;              // only the k most likely tokens; 0: all
  double top_p = 1;               // only the most likely tokens with this total probability
  double repetition_penalty = 1;  // divides (if negative: multiplies) scores of tokens that
                                  // occurred
  int64_t seed = 1993;
  bool cache = true;   // store keys and values: faster, with the same ids
  bool alike = false;  // a row draws what it would draw alone: equal prompts get equal answers

  void bind(Fields& f);
};

/// A new token of a row.
struct ChosenToken {
  int64_t row = 0, id = 0;
  std::span<const float> scores;  // of every word, before penalty and temperature; lent
};

/// Chooses an id from the scores of all words. The penalty applies to the ids in `there` (Keskar et
/// al., 2019). Greedy choice draws no random number; ties go to the lowest id. Top-p: Holtzman et
/// al., 2020.
int64_t choose(std::span<const float> scores, std::span<const int64_t> there,
               const GenerateOptions& options, Random& random);

/// Continues every prompt until an id in `stop`, max_tokens new tokens, or the network's maximal
/// length; returns each row's new ids, without the stop id. A row's random numbers are those of
/// `randoms`, one a row, or, without them, depend only on the seed and, unless `alike`, the row's
/// index. `chosen` is called for each new token; false ends its row with it. Throws Error(model) if
/// the network does not generate text, Error(data) for a prompt that is empty or leaves no room.
std::vector<std::vector<int64_t>> generate(
    const Backbone& backbone, const Input& prompts, const std::vector<int64_t>& stop,
    const GenerateOptions& options, const Experts& experts = {},
    const std::function<bool(const ChosenToken&)>& chosen = {}, std::vector<Random> randoms = {});

}  // namespace patina
