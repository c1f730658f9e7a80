#include "patina/run/feed.h"

#include "patina/base/error.h"

namespace patina {

namespace {

std::unique_ptr<Feed> image_feed(const Backbone& backbone, TransformOptions options,
                                 const char* table) {
  if (options.size == 0) options.size = backbone.image_size();
  if (options.normalize.empty()) options.normalize = backbone.normalize();
  if (options.size != backbone.image_size())
    fail(ErrorKind::recipe, "{}.size is {}, but the model takes {} px: set model.image_size", table,
         options.size, backbone.image_size());
  return std::make_unique<ImageFeed>(std::move(options));
}

std::unique_ptr<Feed> text_feed(const Backbone& backbone, TextOptions options) {
  const int64_t most = backbone.max_tokens();
  if (most > 0 && options.max_length > most)
    fail(ErrorKind::recipe, "text.max_length is {}, but the model takes {} tokens at most",
         options.max_length, most);
  if (options.max_length == 0) options.max_length = most;
  return std::make_unique<TextFeed>(*backbone.tokenizer(), options);
}

}  // namespace

std::unique_ptr<Feed> make_feed(const Backbone& backbone, const Source& source,
                                TransformOptions transform, const TextOptions& text,
                                const char* table) {
  const bool takes_text = backbone.tokenizer() != nullptr;
  if (takes_text != source.is_text())
    fail(ErrorKind::recipe, "the data are {}, but the model takes {} ({}): choose another of them",
         source.is_text() ? "texts" : "images", takes_text ? "texts" : "images", backbone.about());
  if (takes_text) return text_feed(backbone, text);
  return image_feed(backbone, std::move(transform), table);
}

}  // namespace patina
