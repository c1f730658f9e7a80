#include "patina/models/answer_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void OutputOptions::bind(Fields& f) {
  f("stop", stop, "End an answer before one of these texts.");
  f("logprobs", logprobs, "Give the log-probability of each token of an answer, in nats.");
  f("top_logprobs", top_logprobs,
    "With logprobs: also so many of the likeliest tokens in its place.", between(0, 100));
  f("echo", echo, "With logprobs: also those of the prompt's tokens.");
}

void check(const OutputOptions& options) {
  for (const auto& stop : options.stop)
    if (stop.empty()) fail(ErrorKind::usage, "stop: a text without characters ends every answer");
  if (!options.logprobs && (options.top_logprobs > 0 || options.echo))
    fail(ErrorKind::usage, "{} is of log-probabilities: set logprobs, too",
         options.echo ? "echo" : "top_logprobs");
}

namespace {

std::string text_of(int64_t id, const Tokenizer& tokenizer) {
  return tokenizer.decode(std::span(&id, 1));
}

// log Σ exp of the scores. Those that are not a number count as impossible.
double log_sum(std::span<const float> scores) {
  double highest = -HUGE_VAL, sum = 0;
  for (const float score : scores)
    if (!std::isnan(score)) highest = std::max(highest, double(score));
  for (const float score : scores)
    if (!std::isnan(score)) sum += std::exp(double(score) - highest);
  return highest + std::log(sum);
}

}  // namespace

TokenLogprob logprob_of(std::span<const float> scores, int64_t id, int64_t top,
                        const Tokenizer& tokenizer) {
  const double all = log_sum(scores);
  const auto of = [&](int64_t token) {
    const float score = scores[size_t(token)];
    return std::isnan(score) ? -HUGE_VAL : double(score) - all;
  };
  TokenLogprob token{.id = id, .text = text_of(id, tokenizer), .logprob = of(id)};
  std::vector<int64_t> order(top > 0 ? scores.size() : 0);
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto end = order.begin() + std::min(ptrdiff_t(top), ptrdiff_t(order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](int64_t a, int64_t b) {
    const double one = of(a), other = of(b);
    return one > other || (one == other && a < b);
  });
  for (auto it = order.begin(); it != end; ++it)
    token.top.push_back({.id = *it, .text = text_of(*it, tokenizer), .logprob = of(*it)});
  return token;
}

std::vector<std::vector<TokenLogprob>> prompt_logprobs(const Backbone& network, const Input& texts,
                                                       const Experts& experts, int64_t top,
                                                       const Tokenizer& tokenizer,
                                                       int64_t at_once) {
  if (network.has_decoder())
    fail(ErrorKind::model,
         "{} reads a prompt with an encoder, which does not predict its tokens: echo is for "
         "decoders",
         network.about());
  NoGrad no_grad;
  // One expert reads the texts once, for as many parts as their scores take.
  const Tensor read = experts.alone() ? network.tokens(texts, experts.each.front()) : Tensor();
  const Tensor mask = texts.mask.defined() ? texts.mask : at::ones_like(texts.data);
  std::vector<std::vector<TokenLogprob>> all;
  for (int64_t row = 0; row < texts.size(); ++row) {
    auto& own = all.emplace_back();
    const auto ids = items_of(texts.data[row].masked_select(mask[row].ne(0)));
    const auto predicted = int64_t(ids.size()) - 1;
    const int64_t part = std::max<int64_t>(1, at_once / network.text_input()->vocabulary);
    for (int64_t from = 0; from < predicted; from += part) {
      const int64_t to = std::min(from + part, predicted);
      Input one = texts.slice(row, row + 1);
      one.loss = at::zeros_like(one.data);
      one.loss.slice(1, from + 1, to + 1).fill_(1);  // padding is on the right
      const AnswerScores answers = experts.alone()
                                       ? answer_scores_of(network, one, read.slice(0, row, row + 1))
                                       : mixed_scores(network, one, experts);
      const Tensor scores = on_host(answers.scores).to(at::kFloat).contiguous();
      const auto words = size_t(scores.size(1));
      const auto values = host_values(scores);
      for (int64_t t = from; t < to; ++t)
        own.push_back(logprob_of(values.subspan(size_t(t - from) * words, words),
                                 ids[size_t(t) + 1], top, tokenizer));
    }
  }
  return all;
}

void AnswerText::after(std::span<const int64_t> ids) {
  for (const int64_t id : ids) stream_.push(id);
}

std::string AnswerText::push(const ChosenToken& token) {
  begins_.push_back(text_.size());
  if (options_.logprobs)
    logprobs_.push_back(logprob_of(token.scores, token.id, options_.top_logprobs, tokenizer_));
  return take(stream_.push(token.id));
}

std::string AnswerText::finish() {
  std::string left = stopped() ? "" : take(stream_.finish());
  left += text_.substr(given_);  // what might have become a text in `stop`
  given_ = text_.size();
  for (size_t i = 0; i < logprobs_.size(); ++i) {
    const size_t end = i + 1 < begins_.size() ? begins_[i + 1] : text_.size();
    logprobs_[i].text = text_.substr(begins_[i], end - begins_[i]);
  }
  return left;
}

std::string AnswerText::take(const std::string& piece) {
  text_ += piece;
  // The first of the texts that occur; of those that begin at the same place, the first named.
  size_t end = text_.npos;
  for (size_t i = 0; i < options_.stop.size(); ++i)
    if (const size_t at = text_.find(options_.stop[i], given_); at < end) {
      end = at;
      stop_ = int64_t(i);
    }
  size_t certain = end;
  if (stopped()) {
    end_at(end);
  } else {
    // The longest end of the text that may be the beginning of one of them is not certain.
    size_t open = 0;
    for (const auto& stop : options_.stop)
      for (size_t n = std::min(stop.size() - 1, text_.size() - given_); n > open; --n)
        if (text_.ends_with(std::string_view(stop).substr(0, n))) open = n;
    certain = text_.size() - open;
  }
  const std::string given = text_.substr(given_, certain - given_);
  given_ = certain;
  return given;
}

void AnswerText::end_at(size_t length) {
  text_.resize(length);
  // A token that begins where the answer ends is none of it, also if it adds no character there.
  while (!begins_.empty() && begins_.back() >= length) begins_.pop_back();
  logprobs_.resize(std::min(logprobs_.size(), begins_.size()));
}

}  // namespace patina
