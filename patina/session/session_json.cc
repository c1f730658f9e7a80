#include "patina/session/session_json.h"

#include <algorithm>
#include <limits>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"

namespace patina {

namespace {

// What surrounds a session and is not part of its artefact's recipe.
struct Surroundings {
  ModelOptions model;
  EngineOptions engine;
  int64_t seed = 1993;
  bool cache = true;
  int64_t data_threads = 0;

  void bind(Fields& f) {
    f.section("model", model, "The pre-trained backbone.");
    f.section("engine", engine, "How it computes.");
    f("seed", seed, "Seed of everything random.", at_least(0));
    bind_caller(f);
  }
  void bind_caller(Fields& f) {
    f("cache", cache, "Cache frozen features and decoded images in memory.");
    f("data_threads", data_threads, "Threads for decoding and transforms; 0: one per core.",
      Range{.low = 0, .high = 4096});
  }
};

struct Opening : Surroundings {
  std::string weights;

  void bind(Fields& f) {
    f("weights", weights, "Path of the backbone's weights; empty: the artefact's.");
    f.section("engine", engine, "How the backbone computes.");
    bind_caller(f);
  }
};

struct Saving : SaveOptions {
  void bind(Fields& f) {
    f("with_backbone", with_backbone, "The file is then sufficient for predicting.");
    f("bf16", bf16, "Embed the weights as bf16.");
    f("samples", samples, "With the samples of earlier tasks that the learner keeps.");
  }
};

struct Asked : AnswerOptions {
  void bind(Fields& f) {
    decoding.bind(f);
    output.bind(f);
    f("cut", cut, "Of a prompt that is too long the front is cut.");
    f("batch", batch, "Prompts in a pass.", at_least(1));
  }
};

// Whether every item of a list is what `is` asks for.
bool all_of(const Json& list, bool (Json::*is)() const noexcept) {
  return std::ranges::all_of(list, [&](const Json& item) { return (item.*is)(); });
}

Setting setting_of(const std::string& path, const std::string& key, const Json& value) {
  const auto whole = [&](const Json& number) {
    if (number.is_number_unsigned() &&
        number.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()))
      fail(ErrorKind::usage, "{}: {} is larger than 64 bits hold", path, number.dump());
    return number.get<int64_t>();
  };
  if (value.is_boolean()) return {key, value.get<bool>()};
  if (value.is_number_integer()) return {key, whole(value)};
  if (value.is_number_float()) return {key, value.get<double>()};
  if (value.is_string()) return {key, value.get<std::string>()};
  if (value.is_array() && all_of(value, &Json::is_number_integer)) {
    std::vector<int64_t> items;
    for (const Json& item : value) items.push_back(whole(item));
    return {key, items};
  }
  if (value.is_array() && all_of(value, &Json::is_number))
    return {key, value.get<std::vector<double>>()};
  if (value.is_array() && all_of(value, &Json::is_string))
    return {key, value.get<std::vector<std::string>>()};
  fail(ErrorKind::usage,
       "{}: an option is a number, a text, true or false, or a list of numbers or of texts", path);
}

void add(std::vector<std::string>& settings, const std::string& section, const std::string& key,
         const Json& value) {
  const std::string path = section.empty() ? key : section + '.' + key;
  if (value.is_null()) return;
  if (key.empty() || key.find_first_of("=\n") != std::string::npos)
    fail(ErrorKind::usage, "\"{}\" is not the name of an option", path);
  const bool named = section.empty() && (key == "model" || key == "learner");
  if (named && value.is_string())
    settings.push_back(Setting("name", value.get<std::string>()).text(key));
  else if (value.is_object())
    for (const auto& [inner, item] : value.items()) add(settings, path, inner, item);
  else
    settings.push_back(setting_of(path, key, value).text(section));
}

template <class Options>
Options read(const Json& json) {
  Options options;
  auto file = RecipeFile::parse("", "the options", settings_of(json));
  file.bind(options);
  file.finish();
  return options;
}

// The options of the session's recipe, and the others.
struct Divided {
  Json recipe = Json::object(), others = Json::object();

  explicit Divided(const Json& options) {
    static_cast<void>(settings_of(options));  // the mistakes of its form
    for (const auto& [key, value] : options.items()) {
      const bool other = key == "model" || key == "engine" || key == "seed" || key == "cache" ||
                         key == "data_threads";
      (other ? others : recipe)[key] = value;
    }
  }
};

std::unique_ptr<Backbone> loaded(Surroundings& around) {
  if (around.model.seed < 0) around.model.seed = around.seed;
  return load_backbone(around.model);
}

Session created(std::unique_ptr<Backbone> backbone, const Surroundings& around,
                const Json& recipe) {
  return Session::create(std::move(backbone), {.overrides = settings_of(recipe),
                                               .seed = around.seed,
                                               .engine = around.engine,
                                               .cache = around.cache,
                                               .data_threads = int(around.data_threads)});
}

}  // namespace

std::vector<std::string> settings_of(const Json& options) {
  if (!options.is_object())
    fail(ErrorKind::usage, "options are an object, such as {{\"learner\": \"ranpac\"}}, and not {}",
         options.type_name());
  std::vector<std::string> settings;
  for (const auto& [key, value] : options.items()) add(settings, "", key, value);
  return settings;
}

Session create_session(const Json& options) {
  const Divided divided(options);
  auto around = read<Surroundings>(divided.others);
  return created(loaded(around), around, divided.recipe);
}

Session create_session(std::unique_ptr<Backbone> backbone, const Json& options) {
  const Divided divided(options);
  if (divided.others.contains("model"))
    fail(ErrorKind::usage, "the backbone is there already: leave \"model\" out of the options");
  return created(std::move(backbone), read<Surroundings>(divided.others), divided.recipe);
}

Session open_session(const fs::path& path, const Json& options) {
  const auto opening = read<Opening>(options);
  return Session::open(path, {.weights = opening.weights,
                              .engine = opening.engine,
                              .cache = opening.cache,
                              .data_threads = int(opening.data_threads)});
}

std::unique_ptr<Backbone> create_backbone(const Json& options) {
  auto around = read<Surroundings>(options);
  auto backbone = loaded(around);
  backbone->to(place_of(around.engine.device));
  backbone->set_engine(make_engine(around.engine));
  if (around.cache) backbone->set_cache(std::make_shared<FeatureStore>(around.engine));
  return backbone;
}

SaveOptions save_options(const Json& options) {
  return read<Saving>(options);
}

AnswerOptions answer_options(const Json& options) {
  return read<Asked>(options);
}

}  // namespace patina
