#include "patina/data/answer_feed.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

namespace {

// A prompt keeps this part of a row, however long its answer is.
constexpr int64_t kLeastPrompt = 4;

void add(AnswerTokens& tokens, const std::vector<int64_t>& ids, bool loss) {
  tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
  tokens.loss.insert(tokens.loss.end(), ids.size(), loss);
}

// Leaves out the tokens [from, from + count).
void cut(AnswerTokens& tokens, int64_t from, int64_t count) {
  if (count <= 0) return;
  for (auto* list : {&tokens.ids, &tokens.loss})
    list->erase(list->begin() + from, list->begin() + from + count);
  tokens.cut += count;
}

class AnswerBatch : public Making {
 public:
  AnswerBatch(const AnswerFeed& feed, const Tokenizer& tokenizer, const Source& source,
              int64_t rows, bool packed)
      : feed_(feed),
        tokenizer_(tokenizer),
        source_(source),
        packed_(packed),
        rows_(size_t(rows)),
        images_(size_t(rows)) {}

  void prepare(int64_t row, int64_t sample, Random) override {
    rows_[size_t(row)] = feed_.tokens(source_, sample);
    images_[size_t(row)] = feed_.images(source_, std::span(&sample, 1));
  }
  Input join() override {
    Input input = answer_rows(rows_, tokenizer_, packed_);
    if (!images_.empty() && images_.front().defined()) input.images = at::cat(images_);
    return input;
  }

 private:
  const AnswerFeed& feed_;
  const Tokenizer& tokenizer_;
  const Source& source_;
  bool packed_;
  std::vector<AnswerTokens> rows_;
  std::vector<Tensor> images_;  // [1,3,H,W] each, or all undefined
};

class QuestionBatch : public Making {
 public:
  QuestionBatch(std::unique_ptr<Making> images, std::unique_ptr<Making> texts)
      : images_(std::move(images)), texts_(std::move(texts)) {}

  void prepare(int64_t row, int64_t sample, Random random) override {
    images_->prepare(row, sample, random);
    texts_->prepare(row, sample, random);
  }
  Input join() override {
    Input questions = texts_->join();
    questions.images = images_->join().data;
    return questions;
  }

 private:
  std::unique_ptr<Making> images_, texts_;
};

}  // namespace

int64_t AnswerTokens::counted() const {
  return std::accumulate(loss.begin(), loss.end(), int64_t{0});
}

AnswerFeed::AnswerFeed(const Tokenizer& tokenizer, std::shared_ptr<const PromptRenderer> renderer,
                       int64_t max_length, AnswerRows rows, bool encoded,
                       const std::optional<AnswerImages>& images)
    : tokenizer_(tokenizer),
      renderer_(std::move(renderer)),
      max_length_(max_length),
      rows_(rows),
      encoded_(encoded),
      images_(images),
      text_(fmt::format("{} {} {}{}", TextFeed(tokenizer, {.max_length = max_length}).text(),
                        renderer_->text(), int(rows), encoded ? " encoded" : "")) {
  if (encoded && rows == AnswerRows::packed)
    fail(ErrorKind::recipe, "an encoder-decoder reads one text a row: set training.pack = false");
  if (!renderer_->frames() && tokenizer.special().end < 0)
    fail(ErrorKind::model,
         "the model's tokenizer has no end-of-text token, so answers could not learn to end: name "
         "it in tokenizer_config.json (eos_token)");
  if (!images_) return;
  transform_.emplace(images_->transform);
  text_ += fmt::format(" images={}x{} {}", images_->count, images_->token, transform_->text());
  if (images_->token < tokenizer.size()) image_word_ = tokenizer.token(images_->token);
  if (image_word_.empty() || tokenizer.encode(image_word_) != std::vector{images_->token})
    fail(ErrorKind::model,
         "the model's tokenizer does not have the token {}, which stands for an image, as one of "
         "its own: add it (\"<image>\") to tokenizer.json",
         images_->token);
}

AnswerTokens AnswerFeed::tokens(const Source& source, int64_t sample) const {
  const bool answered = source.answer_kind() == AnswerKind::text;
  if (!answered && encoded_ && rows_ != AnswerRows::prompts)
    fail(ErrorKind::data,
         "{}: plain text has no prompt, and an encoder-decoder answers one: learn it with a "
         "decoder, or give it instructions",
         source.origin(sample));
  const bool with_image = images_ && source.has_images();
  if (source.has_images() && (!images_ || !answered))
    fail(ErrorKind::data, "{}: {}", source.origin(sample),
         images_ ? "an image has no question and answer: name the keys of both"
                 : "the sample has an image, and the model reads texts alone: use one that sees "
                   "images, such as a LLaVA");
  if (with_image && rows_ == AnswerRows::packed)
    fail(ErrorKind::recipe, "rows of texts with images hold one each: set training.pack = false");
  if (with_image && max_length_ > 0 && max_length_ <= images_->count + kLeastPrompt)
    fail(ErrorKind::recipe,
         "text.max_length is {}, and an image alone has {} tokens: allow more, as its text needs",
         max_length_, images_->count);
  AnswerTokens tokens =
      !answered ? of_text(source.text(sample))
      : with_image
          ? of_exchange(naming_its_image(source.exchange(sample), source.origin(sample)), true)
          : of_exchange(source.exchange(sample), false);
  if (rows_ == AnswerRows::prompts ? tokens.ids.empty() : tokens.counted() == 0)
    fail(ErrorKind::data, "{}: {}", source.origin(sample),
         rows_ == AnswerRows::prompts ? "the prompt has no tokens"
                                      : "no token carries loss; remove the sample");
  return tokens;
}

AnswerTokens AnswerFeed::of_text(const Text& text) const {
  AnswerTokens tokens;
  add(tokens, tokenizer_.frame().before, false);
  add(tokens, tokenizer_.encode(text.first), true);
  if (encoded_) add(tokens, tokenizer_.frame().after, false);
  if (!tokens.loss.empty()) tokens.loss.front() = 0;  // nothing stands before it
  // A text to be continued keeps its end.
  const auto frame = int64_t(tokenizer_.frame().before.size());
  if (max_length_ > 0)
    cut(tokens, rows_ == AnswerRows::prompts ? std::min(frame, max_length_) : max_length_,
        int64_t(tokens.ids.size()) - max_length_);
  return tokens;
}

Exchange AnswerFeed::naming_its_image(Exchange exchange, const std::string& origin) const {
  int64_t named = 0;
  const auto count = [&](const std::string& text) {
    for (size_t at = 0; (at = text.find(image_word_, at)) != text.npos; at += image_word_.size())
      ++named;
  };
  for (const Message& turn : exchange.turns) count(turn.content);
  count(exchange.input);
  if (named > 1)
    fail(ErrorKind::data, "{}: the text names {} images with {}, and a sample has one", origin,
         named, image_word_);
  const auto first = std::ranges::find(exchange.turns, "user", &Message::role);
  if (named == 0 && first != exchange.turns.end())
    first->content = image_word_ + "\n" + first->content;
  return exchange;
}

Tensor AnswerFeed::images(const Source& source, std::span<const int64_t> samples) const {
  if (!transform_ || !source.has_images()) return {};
  const int64_t side = transform_->size();
  Tensor pixels = at::empty({int64_t(samples.size()), 3, side, side});
  const auto all = host_values(pixels);
  const size_t stride = all.size() / std::max<size_t>(1, samples.size());
  for (size_t i = 0; i < samples.size(); ++i)
    (*transform_)(source.image(samples[i]), Random(), all.subspan(i * stride, stride));
  return pixels;
}

AnswerTokens AnswerFeed::of_exchange(const Exchange& exchange, bool with_image) const {
  AnswerTokens tokens;
  int64_t after_image = 0;  // the tokens up to the image's last
  const auto add_part = [&](const PromptPart& part) {
    for (const int64_t id : tokenizer_.encode(part.text)) {
      const bool image = with_image && !part.answer && id == images_->token;
      add(tokens, std::vector(size_t(image ? images_->count : 1), id), part.answer);
      if (image) after_image = int64_t(tokens.ids.size());
    }
    if (part.ends) add(tokens, {tokenizer_.special().end}, part.answer);
  };
  if (!renderer_->frames()) add(tokens, tokenizer_.frame().before, false);
  const int64_t before = int64_t(tokens.ids.size());
  const auto parts = renderer_->parts(exchange);
  for (size_t i = 0; i + 1 < parts.size(); ++i) add_part(parts[i]);
  const int64_t prompt = int64_t(tokens.ids.size()) - before;
  if (encoded_) add(tokens, tokenizer_.frame().after, false);
  if (rows_ != AnswerRows::prompts) add_part(parts.back());
  if (!tokens.loss.empty()) tokens.loss.front() = 0;
  const int64_t over = int64_t(tokens.ids.size()) - max_length_;
  if (max_length_ == 0 || over <= 0) return tokens;
  // Of the prompt, its image stays, and a part of what may be cut.
  const int64_t from = std::max(before, after_image), open = before + prompt - from;
  const int64_t least = std::min(open, std::max<int64_t>(1, (max_length_ - from) / kLeastPrompt));
  cut(tokens, from, std::min(over, open - least));
  cut(tokens, max_length_, int64_t(tokens.ids.size()) - max_length_);
  return tokens;
}

std::vector<int64_t> ends_of_text(const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (const int64_t id : {tokenizer.special().end, tokenizer.special().begin})
    if (id >= 0) ids.push_back(id);
  return ids;
}

std::vector<int64_t> AnswerFeed::stops() const {
  std::vector<int64_t> ids = ends_of_text(tokenizer_);
  const auto end = tokenizer_.encode(renderer_->end());
  // A special token, such as <|im_end|>; where words end a turn, they may be part of an answer.
  if (!end.empty() && tokenizer_.decode(std::span(end).first(1), true).empty())
    ids.push_back(end.front());
  return ids;
}

std::unique_ptr<Making> AnswerFeed::begin(const Source& source, int64_t rows) const {
  return std::make_unique<AnswerBatch>(*this, tokenizer_, source, rows,
                                       rows_ == AnswerRows::packed);
}

int64_t AnswerFeed::cost(const Source& source, int64_t sample) const {
  if (source.answer_kind() != AnswerKind::text) return int64_t(source.text(sample).first.size());
  const Exchange exchange = source.exchange(sample);
  size_t bytes = exchange.input.size();
  for (const auto& turn : exchange.turns) bytes += turn.content.size();
  return int64_t(bytes + exchange.answers.front().size());
}

Input answer_rows(std::span<const AnswerTokens> samples, const Tokenizer& tokenizer, bool packed,
                  int64_t longest) {
  for (const auto& sample : samples) longest = std::max(longest, int64_t(sample.ids.size()));
  std::vector<int64_t> filled;  // tokens of each row
  std::vector<size_t> row_of;
  for (const auto& sample : samples) {
    const auto size = int64_t(sample.ids.size());
    size_t row = filled.size();
    if (packed)
      for (row = 0; row < filled.size() && filled[row] + size > longest;) ++row;
    if (row == filled.size()) filled.push_back(0);
    row_of.push_back(row);
    filled[row] += size;
  }
  longest = std::ranges::max(filled);
  const std::vector<int64_t> shape = {int64_t(filled.size()), longest};
  const int64_t pad = tokenizer.special().pad;
  Input input(at::full(shape, pad >= 0 ? pad : 0, at::kLong), at::zeros(shape, at::kLong));
  input.loss = at::zeros(shape, at::kLong);
  if (packed) input.positions = at::zeros(shape, at::kLong);
  std::ranges::fill(filled, 0);
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& [ids, loss, cut] = samples[i];
    int64_t& at = filled[row_of[i]];
    const auto place = [&](const Tensor& t) {
      return host_items(t).data() + int64_t(row_of[i]) * longest + at;
    };
    std::ranges::copy(ids, place(input.data));
    std::ranges::copy(loss, place(input.loss));
    std::fill_n(place(input.mask), ids.size(), 1);
    if (packed) std::iota(place(input.positions), place(input.positions) + ids.size(), int64_t{0});
    at += int64_t(ids.size());
  }
  return input;
}

QuestionFeed::QuestionFeed(std::unique_ptr<Feed> images, std::unique_ptr<Feed> texts)
    : images_(std::move(images)), texts_(std::move(texts)) {}

std::unique_ptr<Making> QuestionFeed::begin(const Source& source, int64_t rows) const {
  return std::make_unique<QuestionBatch>(images_->begin(source, rows), texts_->begin(source, rows));
}

}  // namespace patina
