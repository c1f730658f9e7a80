#include "patina/session/answering.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/session/feed.h"

namespace patina {

namespace {

// The ranges that a recipe's options have.
void check(const AnswerOptions& options) {
  const auto in_range = [](auto part) {
    auto file = RecipeFile::parse(to_toml(part), "the options of an answer");
    file.bind(part);
    file.finish();
  };
  in_range(options.decoding);
  in_range(options.output);
  check(options.output);
  if (options.batch < 1) fail(ErrorKind::usage, "batch is {}; it must be 1 or more", options.batch);
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

// The prompts in the form in which they are rendered: with an answer, which is not read, or as
// texts to be continued.
class Asked : public Source {
 public:
  Asked(const Source& prompts, bool continued) : prompts_(prompts), continued_(continued) {
    for (int64_t i = 0; i < size(); ++i)
      if (is_blank(prompts_.text(i).first))
        fail(ErrorKind::data, "{}: the prompt is empty", origin(i));
  }

  int64_t size() const override { return prompts_.size(); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  bool has_images() const override { return prompts_.has_images(); }
  Image image(int64_t i) const override { return prompts_.image(i); }
  Text text(int64_t i) const override { return prompts_.text(i); }
  AnswerKind answer_kind() const override {
    return continued_ ? AnswerKind::nothing : AnswerKind::text;
  }
  Exchange exchange(int64_t i) const override {
    Exchange exchange;
    if (prompts_.answer_kind() == AnswerKind::text) {
      exchange = prompts_.exchange(i);
    } else {
      const Text text = prompts_.text(i);
      exchange = {.turns = {{"user", text.first}}, .input = text.second};
    }
    exchange.answers = {""};
    return exchange;
  }
  std::string origin(int64_t i) const override { return prompts_.origin(i); }
  const std::vector<std::string>& classes() const override { return prompts_.classes(); }

 private:
  const Source& prompts_;
  bool continued_;
};

// The prompts' tokens; what does not fit is cut as in training, or refused.
std::vector<AnswerTokens> tokens_of(const Asked& asked, const AnswerFeed& feed, bool cut,
                                    int64_t longest) {
  std::vector<AnswerTokens> all;
  for (int64_t i = 0; i < asked.size(); ++i) {
    all.push_back(feed.tokens(asked, i));
    const AnswerTokens& tokens = all.back();
    if (tokens.cut > 0 && !cut)
      fail(ErrorKind::data,
           "{}: the prompt has {} tokens, and the model takes {} with the answer's: shorten it, or "
           "let its front be cut (--cut, AnswerOptions::cut)",
           asked.origin(i), int64_t(tokens.ids.size()) + tokens.cut, longest);
  }
  return all;
}

// The images of some prompts, by their numbers.
using ImagesOf = std::function<Tensor(const std::vector<int64_t>&)>;

std::vector<Answer> written(const std::vector<AnswerTokens>& tokens, const ImagesOf& images,
                            bool continued, const std::vector<int64_t>& stops, const Answering& by,
                            const AnswerOptions& options) {
  const Backbone& network = *by.backbone;
  const Tokenizer& tokenizer = *network.tokenizer();
  const int64_t longest = network.text_input()->longest;
  GenerateOptions decoding = options.decoding;
  decoding.alike = true;
  // The new tokens that a prompt has room for.
  const auto room = [&](size_t i) {
    const int64_t most = decoding.max_tokens;
    return longest > 0 ? std::min(most, longest - int64_t(tokens[i].ids.size())) : most;
  };

  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(
      order, [&](size_t a, size_t b) { return tokens[a].ids.size() > tokens[b].ids.size(); });
  std::vector<Answer> answers(tokens.size());
  std::optional<Progress> progress;  // not between the pieces of an answer
  if (!options.said) progress.emplace("answers", int64_t(tokens.size()), "prompts");
  for (size_t first = 0; first < order.size();) {
    // A batch ends where its longest row has no more room, so a row without room for all tokens
    // stands alone.
    const bool full = room(order[first]) == decoding.max_tokens;
    const size_t count = full ? std::min(size_t(options.batch), order.size() - first) : 1;
    const std::span<const size_t> members(order.data() + first, count);
    first += count;
    stop_if_asked();

    std::vector<AnswerTokens> rows;
    std::vector<AnswerText> texts;
    std::vector<int64_t> samples;
    for (const size_t i : members) {
      samples.push_back(int64_t(i));
      rows.push_back(tokens[i]);
      texts.emplace_back(tokenizer, options.output);
      if (continued && !network.has_decoder()) texts.back().after(tokens[i].ids);
    }
    const auto say = [&](size_t row, const std::string& piece) {
      answers[members[row]].text += piece;
      if (options.said && !piece.empty()) options.said(int64_t(members[row]), piece);
    };
    Input asked_now = answer_rows(rows, tokenizer, /*packed=*/false);
    asked_now.images = images(samples);
    const Input input = asked_now.on(network.place().device);
    NoGrad no_grad;
    const Experts experts = by.learner->experts(input);
    const auto ids =
        generate(network, input, stops, decoding, experts, [&](const ChosenToken& token) {
          stop_if_asked();
          AnswerText& text = texts[size_t(token.row)];
          say(size_t(token.row), text.push(token));
          return !text.stopped();
        });
    std::vector<std::vector<TokenLogprob>> of_prompts(count);
    if (options.output.echo)
      of_prompts = prompt_logprobs(network, input, experts, options.output.top_logprobs, tokenizer);
    for (size_t row = 0; row < count; ++row) {
      say(row, texts[row].finish());
      Answer& answer = answers[members[row]];
      answer.prompt_tokens = int64_t(rows[row].ids.size());
      answer.cut = rows[row].cut;
      answer.tokens = texts[row].tokens();
      answer.stopped_by = texts[row].stopped_by();
      answer.ended = texts[row].stopped() || int64_t(ids[row].size()) < room(members[row]);
      answer.logprobs = texts[row].logprobs();
      answer.prompt_logprobs = std::move(of_prompts[row]);
    }
    if (progress) progress->advance(int64_t(count));
  }
  return answers;
}

}  // namespace

void check_ids(const std::vector<int64_t>& ids, const Backbone& network,
               const std::string& origin) {
  if (ids.empty()) fail(ErrorKind::data, "{}: the prompt is empty", origin);
  const int64_t words = network.text_input()->vocabulary;
  for (const int64_t id : ids)
    if (id < 0 || id >= words)
      fail(ErrorKind::data, "{}: {} is no token of the model, which has {}", origin, id, words);
}

std::vector<Answer> answers_to(const Source& prompts, const Answering& by,
                               const AnswerOptions& options) {
  check(options);
  TextOptions text = by.text;
  if (options.form == PromptForm::chat) text.prompt = "chat";
  if (!options.cut) text.max_length = 0;
  const bool continued = options.form == PromptForm::continued ||
                         (options.form == PromptForm::learned && by.continues);
  const auto feed = make_answer_feed(*by.backbone, text, AnswerRows::prompts,
                                     options.cut ? options.decoding.max_tokens : 1);
  const Asked asked(prompts, continued);
  const auto tokens = tokens_of(asked, *feed, options.cut, by.backbone->text_input()->longest);
  const auto images = [&](const std::vector<int64_t>& samples) {
    return feed->images(asked, samples);
  };
  return written(tokens, images, continued, feed->stops(), by, options);
}

std::vector<Answer> answers_to(const std::vector<std::vector<int64_t>>& prompts,
                               const Answering& by, const AnswerOptions& options) {
  check(options);
  const int64_t longest = by.backbone->text_input()->longest;
  std::vector<AnswerTokens> tokens;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string origin = fmt::format("prompt {}", i);
    check_ids(prompts[i], *by.backbone, origin);
    if (longest > 0 && int64_t(prompts[i].size()) >= longest)
      fail(ErrorKind::data, "{}: it has {} tokens, and the model takes {} with the answer's",
           origin, prompts[i].size(), longest);
    tokens.push_back({.ids = prompts[i], .loss = {}});
  }
  const auto feed = make_answer_feed(*by.backbone, by.text, AnswerRows::prompts, 1);
  const auto no_images = [](const std::vector<int64_t>&) { return Tensor(); };
  return written(tokens, no_images, /*continued=*/true, feed->stops(), by, options);
}

}  // namespace patina
