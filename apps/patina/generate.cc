// `patina generate`: a language model, or what was learned on it, continues a text or answers in a
// conversation.
#include <fmt/core.h>

#include <iostream>
#include <iterator>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/options/option_fields.h"
#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/answer_feed.h"
#include "patina/models/answer_text.h"
#include "patina/models/catalog.h"
#include "patina/place.h"
#include "patina/session/feed.h"
#include "patina/session/sources.h"
#include "patina/text/chat_template.h"
#include "patina/text/tokenizer.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string model, adapter, form = "fp32", prompt, image, system, device = "auto";
  bool chat = false;
  GenerateOptions options;
  OutputOptions output;
};

// A question about an image, if there is one.
Exchange exchange_of(const Arguments& arguments) {
  Exchange exchange{.turns = {}, .input = "", .answers = {""}};
  if (!arguments.system.empty()) exchange.turns.push_back({"system", arguments.system});
  exchange.turns.push_back({"user", arguments.prompt});
  return exchange;
}

std::vector<fs::path> images_of(const Arguments& arguments) {
  if (arguments.image.empty()) return {};
  return {arguments.image};
}

// The prompt's tokens with those of its image.
Input seen(const Arguments& arguments, const Backbone& model) {
  if (!model.image_tokens())
    fail(ErrorKind::usage,
         "--image is for a model that reads images among words, such as a LLaVA; {} "
         "reads texts alone",
         model.about());
  const auto source = prompts({exchange_of(arguments)}, {}, images_of(arguments));
  const auto feed = make_answer_feed(model, {.prompt = arguments.chat ? "chat" : "{instruction}"},
                                     AnswerRows::prompts);
  const std::vector<int64_t> first = {0};
  Input read = tensor_of(feed->tokens(*source, 0).ids).unsqueeze(0);
  read.images = feed->images(*source, first);
  return read.on(model.place().device);
}

// The prompt as a question through the model's chat template, which also says what ends an answer.
std::vector<int64_t> question(const Arguments& arguments, const Tokenizer& tokenizer,
                              std::vector<int64_t>& stop) {
  const ChatTemplate* chat = tokenizer.chat_template();
  if (!chat)
    fail(ErrorKind::model,
         "{}: the model has no chat template (chat_template.jinja, or \"chat_template\" in "
         "tokenizer_config.json); without --chat it continues the text",
         arguments.model);
  std::vector<ChatMessage> messages;
  if (!arguments.system.empty()) messages.push_back({"system", arguments.system});
  messages.push_back({"user", arguments.prompt});
  const auto end = tokenizer.encode(chat->turn_end());
  if (!end.empty() && tokenizer.decode(std::span(end).first(1), true).empty())
    stop.push_back(end.front());  // a special token, such as <|im_end|>
  return tokenizer.encode(chat->render(messages, {.generation_prompt = true}));
}

void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// "-0.1234  " the"   " a" -2.5, " an" -3.1": a token, and the likeliest ones in its place.
void print(const std::vector<TokenLogprob>& tokens) {
  const auto quoted = [](const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  for (const auto& token : tokens) {
    std::string others;
    for (const auto& other : token.top)
      others += fmt::format("{} {} {:.4f}", others.empty() ? "  " : ",", quoted(other.text),
                            other.logprob);
    fmt::print("{:9.4f}  {}{}\n", token.logprob, quoted(token.text), others);
  }
}

// The network with what an artefact has learned.
void generate_learned(const Arguments& arguments) {
  if (!arguments.adapter.empty())
    fail(ErrorKind::usage, "--adapter is for a model, and {} is an artefact", arguments.model);
  if (arguments.form != "fp32")
    fail(ErrorKind::usage, "--form is for a model, and {} is an artefact, whose model has its own",
         arguments.model);
  OpenOptions opened;
  opened.engine.device = arguments.device;
  opened.engine.precision = "fp32";  // as a model without what was learned
  const Session session = Session::open(arguments.model, std::move(opened));
  const bool sees = !arguments.image.empty();
  if (!arguments.chat && !sees) write(arguments.prompt);
  const auto asked = prompts({exchange_of(arguments)}, {}, images_of(arguments));
  // A text to be continued has no place for an image: a question about one is asked as learned.
  const PromptForm form = arguments.chat ? PromptForm::chat
                          : sees         ? PromptForm::learned
                                         : PromptForm::continued;
  const Answer answer =
      session
          .answer(*asked, {.decoding = arguments.options,
                           .output = arguments.output,
                           .form = form,
                           .said = [](int64_t, const std::string& piece) { write(piece); }})
          .front();
  write("\n");
  print(answer.prompt_logprobs);
  print(answer.logprobs);
}

void generate(Arguments& arguments) {
  if (!arguments.chat && !arguments.system.empty())
    fail(ErrorKind::usage, "--system belongs to --chat");
  check(arguments.output);
  if (arguments.prompt == "-")
    arguments.prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (is_artefact(arguments.model)) return generate_learned(arguments);
  const Place place = place_of(arguments.device);
  const auto model = load_backbone(
      {.name = arguments.model, .adapter = arguments.adapter, .form = arguments.form});
  model->to(place);
  if (!model->text_input()) fail(ErrorKind::model, "{} does not generate text", model->about());
  const Tokenizer* tokenizer = model->tokenizer();
  if (!tokenizer)
    fail(ErrorKind::model,
         "{}: no tokenizer beside the weights; put the model's tokenizer.json (or vocabulary "
         "files) there",
         arguments.model);
  std::vector<int64_t> stop = ends_of_text(*tokenizer);
  auto ids = arguments.chat ? question(arguments, *tokenizer, stop)
                            : tokenizer->encode_framed(arguments.prompt).ids;
  if (ids.empty() && tokenizer->special().end >= 0) ids = {tokenizer->special().end};
  const bool sees = !arguments.image.empty();
  const Input read = sees ? seen(arguments, *model) : tensor_of(ids, place.device).unsqueeze(0);
  if (sees) ids = items_of(read.data[0]);
  const bool answers = model->prompt_layers() < model->layers();  // an encoder-decoder
  if (!answers && !arguments.chat && !sees) write(arguments.prompt);
  AnswerText text(*tokenizer, arguments.output);
  if (!answers) text.after(ids);
  patina::generate(*model, read, stop, arguments.options, {}, [&](const ChosenToken& token) {
    write(text.push(token));
    return !text.stopped();
  });
  write(text.finish() + "\n");
  if (arguments.output.echo)
    print(prompt_logprobs(*model, read, {}, arguments.output.top_logprobs, *tokenizer).front());
  print(text.logprobs());
}

}  // namespace

void add_generate(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command("generate", "Continue a text with a language model");
  command
      .option(
          "model", arguments->model,
          "A model folder (a decoder such as GPT-2 or LLaMA, or T5 or BART), a .gguf file, or an "
          "artefact")
      .required();
  command
      .option("prompt", arguments->prompt,
              "The text to continue or to answer; - reads it from standard input")
      .required();
  command.flag("--chat", arguments->chat,
               "The prompt is a question: the model's chat template is put around it, and only the "
               "answer is written");
  command.option(
      "--image", arguments->image,
      "A JPEG or PNG file that the prompt is about, for a LLaVA: it stands where the prompt "
      "says <image>, or in front; only the answer is written");
  command.option("--system", arguments->system,
                 "With --chat: what the model is told before the question");
  OptionFields fields(command);
  arguments->options.bind(fields);
  arguments->output.bind(fields);
  command.option("--adapter", arguments->adapter,
                 "A folder of PEFT's with a LoRA, added to the model's weights");
  command
      .option("--form", arguments->form,
              "How layers hold their weights: fp32; bf16, in half the memory; stored, as the file "
              "has them, so that a GGUF file's stay quantised")
      .one_of(held_names());
  command.device(arguments->device);
  command.action([arguments] { generate(*arguments); });
}

}  // namespace patina::cli
