#include "patina/learn/class_texts.h"

#include <algorithm>

#include "patina/algebra/cosine.h"
#include "patina/base/error.h"
#include "patina/data/class_names.h"
#include "patina/data/feed.h"
#include "patina/ops.h"
#include "patina/text/tokenizer.h"

namespace patina {

void ClassTextOptions::bind(Fields& f) {
  f("templates", templates, "Sentences around a class name, which replaces {}.");
  f("templates_file", templates_file,
    "A JSON file of templates instead: a list, or sets by name, each with its `templates`.");
  f("templates_set", templates_set, "The set of that file, for example \"cifar100\".");
  f.require(!templates.empty(), "templates", "needs a sentence");
  f.require(templates_set.empty() || !templates_file.empty(), "templates_set",
            "needs templates_file");
  f.require(std::ranges::all_of(templates,
                                [](const auto& t) { return t.find("{}") != std::string::npos; }),
            "templates", "each needs {} where the class name goes");
}

std::string sentence_with(std::string name, std::string sentence) {
  std::ranges::replace(name, '_', ' ');
  return sentence.replace(sentence.find("{}"), 2, name);
}

ClassTexts::ClassTexts(const Backbone& clip, const ClassTextOptions& options, int64_t room)
    : clip_(clip), templates_(options.templates), room_(room) {
  if (!options.templates_file.empty())
    templates_ = read_templates(options.templates_file, options.templates_set);
  const auto& frame = clip.tokenizer()->frame();
  const int64_t longest = clip.text_input()->longest;
  const int64_t least = room + int64_t(frame.before.size() + frame.after.size()) + 1;
  if (longest > 0 && least > longest)
    fail(ErrorKind::recipe,
         "{} learned tokens leave no room for a class name: the model's texts have at most {} "
         "tokens",
         room, longest);
}

Input ClassTexts::sentences(const std::vector<std::string>& names) const {
  const Tokenizer& tokenizer = *clip_.tokenizer();
  const int64_t longest = clip_.text_input()->longest;
  std::vector<Encoding> encoded;
  for (const std::string& name : names) {
    for (const std::string& sentence : templates_) {
      Encoding text = tokenizer.encode_framed(sentence_with(name, sentence), {},
                                              longest > 0 ? longest - room_ : 0);
      // Copies of the first token: no vocabulary lacks it, and it is not the end's.
      text.ids.insert(text.ids.begin() + 1, size_t(room_), text.ids.front());
      text.types.insert(text.types.begin(), size_t(room_), 0);
      encoded.push_back(std::move(text));
    }
  }
  return padded(encoded, tokenizer).on(clip_.place().device);
}

Tensor ClassTexts::encoded(const std::vector<std::string>& names,
                           const nn::Adaptations& adaptations) const {
  const Tensor features = clip_.features(sentences(names), adaptations);
  passed_ += features.size(0);
  const int64_t n = int64_t(names.size());
  return normalized(normalized(features).reshape({n, -1, features.size(1)}).mean(1));
}

Tensor ClassTexts::frozen(const std::vector<std::string>& names) const {
  NoGrad no_grad;
  const std::lock_guard lock(mutex_);
  std::vector<Tensor> rows;
  for (const std::string& name : names) {
    Tensor& row = known_[name];
    if (!row.defined()) row = encoded({name});
    rows.push_back(row);
  }
  return at::cat(rows);
}

void ClassTexts::state(Archive& a, const std::vector<std::string>& names) {
  Tensor rows;  // [n,E]
  if (!a.loading() && !names.empty()) rows = frozen(names);
  a("features", rows);
  if (!a.loading()) return;
  if (!names.empty() &&
      (!rows.defined() || rows.dim() != 2 || rows.size(0) != int64_t(names.size())))
    fail(ErrorKind::state, "there are not as many features of texts as class names");
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < names.size(); ++i)
    known_[names[i]] = rows.slice(0, int64_t(i), int64_t(i) + 1);
}

}  // namespace patina
