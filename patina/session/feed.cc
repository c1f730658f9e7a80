#include "patina/session/feed.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/data/dataset.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/ops.h"
#include "patina/text/chat/named_templates.h"
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

// A family's template, by name, with the tokens of a model that has none.
ChatTemplate named_template_for(const Backbone& backbone, const std::string& name) {
  const Tokenizer& tokenizer = *backbone.tokenizer();
  const chat::NamedTemplate* named = chat::named_template(name);
  if (!named)
    fail(ErrorKind::recipe, "text.chat_template: no chat template is called \"{}\"", name);
  if (tokenizer.chat_template())
    fail(ErrorKind::recipe,
         "text.chat_template is \"{}\", but {} has a chat template of its own: remove the key",
         name, backbone.about());
  for (const std::string_view marker : named->markers)
    if (!tokenizer.id(marker))
      fail(ErrorKind::recipe,
           "text.chat_template is \"{}\", which writes {}, and the tokenizer of {} has no such "
           "token: use another one, or a prompt with {{instruction}}",
           name, marker, backbone.about());
  std::map<std::string, std::string> tokens;
  const SpecialTokens& special = tokenizer.special();
  if (special.begin >= 0) tokens["bos_token"] = tokenizer.token(special.begin);
  if (special.end >= 0) tokens["eos_token"] = tokenizer.token(special.end);
  return {named->text, "text.chat_template = \"" + name + "\"", std::move(tokens)};
}

std::shared_ptr<const PromptRenderer> renderer_for(const Backbone& backbone,
                                                   const TextOptions& text) {
  if (text.prompt != "chat") return std::make_shared<PlainPrompt>(text.prompt);
  if (!text.chat_template.empty())
    return std::make_shared<ChatPrompt>(named_template_for(backbone, text.chat_template));
  const ChatTemplate* chat = backbone.tokenizer()->chat_template();
  if (!chat)
    fail(ErrorKind::recipe,
         "text.prompt is \"chat\", but {} has no chat template (chat_template.jinja, or "
         "\"chat_template\" in tokenizer_config.json): name a family's (text.chat_template), or "
         "write a prompt with {{instruction}}",
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
  const bool questions = source.is_text() && source.has_images();
  if (questions && backbone.compares())
    fail(ErrorKind::recipe,
         "the data are questions about images, and the model compares images with texts ({}): set "
         "model.fused = true, so that it reads both",
         backbone.about());
  if (!questions && reads_questions(backbone))
    fail(ErrorKind::recipe,
         "the data are {} alone, and the model reads questions about images ({}): set model.fused "
         "= false, or choose such data (data.name = \"easy_vqa\" or \"visual_questions\")",
         source.is_text() ? "texts" : "images", backbone.about());
  std::unique_ptr<Feed> feed;
  if (reads_questions(backbone))
    feed = std::make_unique<QuestionFeed>(
        image_feed(*pixels, std::move(transform), table, std::move(images)),
        text_feed(backbone, text));
  else if (source.is_text() && texts)
    feed = text_feed(backbone, text);
  else if (!source.is_text() && pixels)
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
  std::optional<AnswerImages> images;
  if (const auto seen = backbone.image_tokens())
    images = AnswerImages{seen->id,
                          seen->count,
                          {.size = seen->image.size,
                           .normalize = seen->image.normalize,
                           .interpolation = seen->image.interpolation}};
  auto feed = std::make_unique<AnswerFeed>(tokenizer, renderer_for(backbone, text), text.max_length,
                                           rows, backbone.has_decoder(), images);
  feed->set_place(backbone.place());
  return feed;
}

Tensor features_of(const Backbone& backbone, const Feed& feed, const Source& source,
                   ThreadPool& pool, int64_t batch_size, int64_t* tokens) {
  NoGrad no_grad;
  const Dataset data = whole(source);
  Tensor all = at::empty({data.size(), backbone.width()});
  Loader loader(data, feed, pool, batch_size);
  while (const auto batch = loader.next()) {
    stop_if_asked();
    all.index_copy_(0, batch->row, on_host(backbone.features(batch->input)).to(at::kFloat));
    if (!tokens || !batch->input.is_text()) continue;
    const Tensor& mask = batch->input.mask;
    *tokens += mask.defined() ? mask.sum().item<int64_t>() : batch->input.data.numel();
  }
  return all;
}

}  // namespace patina
