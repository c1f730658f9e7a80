#include "patina/data/feed.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/ops.h"
#include "patina/text/chat/named_templates.h"

namespace patina {

namespace {

// Every row's pixels are written straight into the batch.
class ImageBatch : public Making {
 public:
  ImageBatch(const Transform& transform, ImageCache& cache, const ContentHash& fixed_by,
             const Source& source, int64_t rows)
      : transform_(transform),
        cache_(cache),
        fixed_by_(fixed_by),
        source_(source),
        pixels_(at::empty({rows, 3, transform.size(), transform.size()})),
        first_(host_values(pixels_).data()),
        stride_(3 * size_t(transform.size()) * size_t(transform.size())) {}

  void prepare(int64_t row, int64_t sample, Random random) override {
    const auto image =
        cache_.find(key(sample), [&] { return transform_.fixed(source_.image(sample)); });
    transform_.finish(*image, random, {first_ + size_t(row) * stride_, stride_});
  }
  Input join() override { return pixels_; }

 private:
  // Only computed with a cache: a fingerprint may have to read the whole sample.
  ImageCache::Key key(int64_t sample) const {
    return cache_.keeps() ? sample_key(fixed_by_, source_, sample) : ImageCache::Key{};
  }

  const Transform& transform_;
  ImageCache& cache_;
  const ContentHash& fixed_by_;
  const Source& source_;
  Tensor pixels_;  // [B,3,H,W]
  float* first_;
  size_t stride_;
};

// Two vocabularies may have the same description, so the tokens are hashed as well.
std::string text_of(const Tokenizer& tokenizer, int64_t max_length) {
  ContentHash vocabulary;
  for (int64_t id = 0; id < tokenizer.size(); ++id) vocabulary.add(tokenizer.token(id) + '\n');
  const auto& frame = tokenizer.frame();
  return fmt::format("tokenizer={} ({}) frame={}|{}|{}|{}{} max_length={}", tokenizer.about(),
                     vocabulary.hex(), fmt::join(frame.before, ","), fmt::join(frame.after, ","),
                     fmt::join(frame.between, ","), fmt::join(frame.after_pair, ","),
                     frame.second_type ? " second_type" : "", max_length);
}

int64_t first_known(std::initializer_list<int64_t> ids) {
  const auto found = std::ranges::find_if(ids, [](int64_t id) { return id >= 0; });
  return found == ids.end() ? 0 : *found;
}

class TextBatch : public Making {
 public:
  TextBatch(const Tokenizer& tokenizer, const Source& source, int64_t max_length, int64_t rows)
      : tokenizer_(tokenizer), source_(source), max_length_(max_length), rows_(size_t(rows)) {}

  void prepare(int64_t row, int64_t sample, Random) override {
    const Text text = source_.text(sample);
    std::optional<std::string_view> second;
    if (!text.second.empty()) second = text.second;
    Encoding& encoding = rows_[size_t(row)];
    encoding = tokenizer_.encode_framed(text.first, second, max_length_);
    if (!encoding.ids.empty()) return;
    // A text of unusual characters may give no tokens, which a network cannot process.
    const auto& special = tokenizer_.special();
    encoding = {{first_known({special.unknown, special.end, special.pad})}, {0}};
  }

  Input join() override { return padded(rows_, tokenizer_); }

 private:
  const Tokenizer& tokenizer_;
  const Source& source_;
  int64_t max_length_;
  std::vector<Encoding> rows_;
};

}  // namespace

Input padded(std::span<const Encoding> texts, const Tokenizer& tokenizer) {
  size_t longest = 0;
  bool typed = false;
  for (const auto& text : texts) {
    longest = std::max(longest, text.ids.size());
    typed = typed || std::ranges::any_of(text.types, [](int64_t type) { return type != 0; });
  }
  const std::vector<int64_t> shape = {int64_t(texts.size()), int64_t(longest)};
  Input input(at::full(shape, first_known({tokenizer.special().pad}), at::kLong),
              at::zeros(shape, at::kLong));
  if (typed) input.types = at::zeros(shape, at::kLong);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto& [ids, types] = texts[i];
    const auto at_row = [&](const Tensor& t) { return host_items(t).data() + i * longest; };
    std::ranges::copy(ids, at_row(input.data));
    std::fill_n(at_row(input.mask), ids.size(), 1);
    if (typed) std::ranges::copy(types, at_row(input.types));
  }
  return input;
}

ImageFeed::ImageFeed(TransformOptions options, std::shared_ptr<ImageCache> cache)
    : transform_(std::move(options)), cache_(std::move(cache)) {
  fixed_by_.add(transform_.fixed_text());
}

std::unique_ptr<Making> ImageFeed::begin(const Source& source, int64_t rows) const {
  return std::make_unique<ImageBatch>(transform_, *cache_, fixed_by_, source, rows);
}

void TextOptions::bind(Fields& f) {
  f("max_length", max_length,
    "Tokens of a text, with those the model wants around it; what is longer is cut. 0: the model's "
    "limit.",
    between(0, 1 << 20));
  f("prompt", prompt,
    "How an instruction and its input are written where texts answer them; the answer follows. A "
    "line that names {input} is left out where there is none. \"chat\": as the model's chat "
    "template "
    "writes a conversation.");
  std::vector<std::string> names = {""};
  for (const auto& known : chat::named_templates()) names.emplace_back(known.name);
  f("chat_template", chat_template,
    "With prompt = \"chat\", the chat template of a family, for a model whose files have none.",
    names);
  f.require(chat_template.empty() || prompt == "chat", "chat_template",
            "is for conversations: it needs prompt = \"chat\"");
}

TextFeed::TextFeed(const Tokenizer& tokenizer, const TextOptions& options)
    : tokenizer_(tokenizer), max_length_(options.max_length) {
  const auto& frame = tokenizer.frame();
  const size_t single = frame.before.size() + frame.after.size();
  const size_t pair = frame.before.size() + frame.between.size() + frame.after_pair.size();
  const int64_t around = int64_t(std::max(single, pair));
  if (max_length_ != 0 && max_length_ <= around)
    fail(ErrorKind::recipe,
         "text.max_length is {}, but {} tokens stand around a text or pair; allow more",
         max_length_, around);
  text_ = text_of(tokenizer, max_length_);
}

std::unique_ptr<Making> TextFeed::begin(const Source& source, int64_t rows) const {
  return std::make_unique<TextBatch>(tokenizer_, source, max_length_, rows);
}

int64_t TextFeed::cost(const Source& source, int64_t sample) const {
  const Text text = source.text(sample);
  return int64_t(text.first.size() + text.second.size());
}

}  // namespace patina
