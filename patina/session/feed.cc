#include "patina/session/feed.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/text/tokenizer.h"

namespace patina {

namespace {

std::unique_ptr<Feed> image_feed(const ImageInput& takes, TransformOptions options,
                                 const char* table, std::shared_ptr<ImageCache> cache) {
  if (options.size == 0) options.size = takes.size;
  if (options.normalize.empty()) options.normalize = takes.normalize;
  if (options.interpolation.empty()) options.interpolation = takes.interpolation;
  if (options.size != takes.size)
    fail(ErrorKind::recipe, "{}.size is {}, but the model takes {} px: set model.image_size", table,
         options.size, takes.size);
  return std::make_unique<ImageFeed>(std::move(options), std::move(cache));
}

// The tokenizer of a network, and its limit in options.max_length.
const Tokenizer& tokenizer_for(const Backbone& backbone, TextOptions& options) {
  const TextInput takes = *backbone.text_input();
  const Tokenizer* tokenizer = backbone.tokenizer();
  const std::string about = backbone.about();
  if (!tokenizer)
    fail(ErrorKind::model,
         "{}: there is no tokenizer beside the weights: put the model's tokenizer files "
         "(tokenizer.json, tokenizer.model or vocab.txt, for example) into the folder of the "
         "weights",
         about);
  if (tokenizer->size() > takes.vocabulary)
    fail(ErrorKind::model, "{}: its tokenizer has {} tokens, the network knows {}", about,
         tokenizer->size(), takes.vocabulary);
  if (takes.longest > 0 && options.max_length > takes.longest)
    fail(ErrorKind::recipe, "text.max_length is {}, but the model takes {} tokens at most",
         options.max_length, takes.longest);
  if (options.max_length == 0) options.max_length = takes.longest;
  return *tokenizer;
}

std::shared_ptr<const PromptRenderer> renderer_for(const Backbone& backbone,
                                                   const std::string& prompt) {
  if (prompt != "chat") return std::make_shared<PlainPrompt>(prompt);
  const ChatTemplate* chat = backbone.tokenizer()->chat_template();
  if (!chat)
    fail(ErrorKind::recipe,
         "text.prompt is \"chat\", but {} has no chat template (chat_template.jinja, or "
         "\"chat_template\" in tokenizer_config.json): write a prompt with {{instruction}}",
         backbone.about());
  return std::make_shared<ChatPrompt>(*chat);
}

std::unique_ptr<Feed> text_feed(const Backbone& backbone, TextOptions options) {
  const Tokenizer& tokenizer = tokenizer_for(backbone, options);
  return std::make_unique<TextFeed>(tokenizer, options);
}

}  // namespace

std::unique_ptr<Feed> make_feed(const Backbone& backbone, const Source& source,
                                TransformOptions transform, const TextOptions& text,
                                const char* table, std::shared_ptr<ImageCache> images) {
  const auto pixels = backbone.image_input();
  const auto texts = backbone.text_input();
  std::unique_ptr<Feed> feed;
  if (source.is_text() && texts) feed = text_feed(backbone, text);
  if (!source.is_text() && pixels)
    feed = image_feed(*pixels, std::move(transform), table, std::move(images));
  if (feed) {
    feed->set_place(backbone.place());
    return feed;
  }
  const char* kind = source.is_text() ? "texts" : "images";
  const char* taken = texts ? "texts" : "images";
  fail(ErrorKind::recipe,
       "the data are {}, but the model takes {} ({}): choose data of {} (data.name) or a model of "
       "{} (model.name)",
       kind, taken, backbone.about(), taken, kind);
}

std::unique_ptr<AnswerFeed> make_answer_feed(const Backbone& backbone, TextOptions text,
                                             AnswerRows rows, int64_t room) {
  if (!backbone.text_input())
    fail(ErrorKind::recipe, "texts are to be answered, but the model takes images ({})",
         backbone.about());
  const Tokenizer& tokenizer = tokenizer_for(backbone, text);
  const int64_t longest = backbone.text_input()->longest;
  if (longest > 0) text.max_length = std::min(text.max_length, longest - room);
  if (longest > 0 && text.max_length < 1)
    fail(ErrorKind::recipe,
         "{} tokens of an answer leave no room for its prompt: the model takes {}", room, longest);
  auto feed = std::make_unique<AnswerFeed>(tokenizer, renderer_for(backbone, text.prompt),
                                           text.max_length, rows, backbone.has_decoder());
  feed->set_place(backbone.place());
  return feed;
}

}  // namespace patina
