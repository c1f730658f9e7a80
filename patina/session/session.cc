#include "patina/session/session.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "patina/base/error.h"
#include "patina/checkpoint/artefact_file.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/ops.h"
#include "patina/session/exporting.h"
#include "patina/session/session_state.h"

namespace patina {

namespace {

bool trains(const Backbone& backbone) {
  const auto tensors = nn::tensors(const_cast<Backbone&>(backbone));  // a walk that changes nothing
  return std::ranges::any_of(tensors, [](const auto& t) { return t.tensor.requires_grad(); });
}

std::string weights_hash(const Backbone& backbone) {
  return content_hash(nn::tensors(const_cast<Backbone&>(backbone)));
}

void prepare(Backbone& backbone, const EngineOptions& engine, bool cache) {
  backbone.to(place_of(engine.device));
  backbone.set_engine(make_engine(engine));
  if (cache) backbone.set_cache(std::make_shared<FeatureStore>(engine));
}

// What two sessions must have in common for their sums to be of the same features: all settings but
// where the weights are, which are compared themselves, and how gradients are taken.
std::map<std::string, std::string> common_settings(SessionRecipe& recipe) {
  std::map<std::string, std::string> settings;
  std::istringstream lines(to_toml(recipe));
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[")) section = line.substr(1, line.find(']') - 1) + ".";
    const size_t at = line.find(" = ");
    if (at == std::string::npos) continue;
    const std::string key = section + line.substr(0, at);
    if (key.starts_with("training.") || key == "model.name" || key == "model.path" ||
        key == "model.part" || key == "model.adapter" || key == "model.seed")
      continue;
    settings[key] = line.substr(at + 3);
  }
  return settings;
}

void check_alike(SessionRecipe& first, SessionRecipe& second) {
  const auto here = common_settings(first), there = common_settings(second);
  for (const auto& settings : {here, there})
    for (const auto& setting : settings) {
      const std::string& key = setting.first;
      const auto of = [&](const auto& all) {
        const auto found = all.find(key);
        return found == all.end() ? std::string("not set") : found->second;
      };
      if (of(here) != of(there))
        fail(ErrorKind::usage,
             "what was learned cannot be merged: {} is {} in one and {} in the other, and both "
             "must have learned in the same way",
             key, of(here), of(there));
    }
}

std::string learned_hash(Learner& learner) {
  Archive archive;
  archive("learner", learner);
  return archive.hash();
}

// Whether samples that the learner refers to are not in the artefact. Throws Error(state) if one is
// another than the learner knows.
bool lacks_samples(const Archive& archive, const KeptSamples& kept) {
  bool lacks = false;
  for (const auto& [position, target] : archive.referred()) {
    const auto found = kept.at(position);
    if (found && kept.label(*found) != target)
      fail(ErrorKind::state,
           "the learner knows sample {} as one of class {}, and it is of class {}", position,
           target, kept.label(*found));
    lacks |= !found;
  }
  return lacks;
}

}  // namespace

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Session Session::create(std::unique_ptr<Backbone> backbone, const SessionOptions& options) {
  const Call call(options.observer);
  if (!backbone) fail(ErrorKind::usage, "a session needs a backbone, and this one is null");
  if (options.seed < 0) fail(ErrorKind::usage, "seed is {}; it must not be negative", options.seed);
  std::vector<std::string> settings = {
      fmt::format("seed={}", options.seed),
      Setting("name", options.learner).text("learner"),
  };
  for (const auto& setting : options.options) settings.push_back(setting.text("learner"));
  for (const auto& setting : options.training) settings.push_back(setting.text("training"));
  settings.insert(settings.end(), options.overrides.begin(), options.overrides.end());
  auto state = std::make_unique<State>();
  auto given = std::make_shared<SessionRecipe>();
  given->train_transform = options.train_transform;
  given->test_transform = options.test_transform;
  given->text = options.text;
  state->recipe = completed(given, "", settings, "the session's options");
  SessionRecipe& recipe = *state->recipe;
  state->in_memory = !take_origin(recipe.model, *backbone);
  state->hash = weights_hash(*backbone);
  state->data_threads = options.data_threads;
  state->observer = options.observer;
  state->images =
      std::make_shared<ImageCache>(options.cache ? options.engine.image_cache_bytes : 0);
  prepare(*backbone, options.engine, options.cache);

  auto model = std::make_shared<State::Model>();
  model->backbone = std::move(backbone);
  model->samples = std::make_shared<LearnedSources>(
      !model->backbone->image_input() || reads_questions(*model->backbone),
      state->row().generates ? AnswerKind::text : AnswerKind::label, 0, nullptr,
      reads_questions(*model->backbone));
  model->rig = state->rig_on(*model->backbone, *model->samples);
  if (trains(*model->backbone)) state->pretrained = model->backbone->clone();
  state->publish(std::move(model));
  return Session(std::move(state));
}

Session Session::open(const fs::path& given, OpenOptions options) {
  const Call call(options.observer);
  const fs::path path = artefact_file(given);
  Archive archive = Archive::read(path);
  if (!archive.tensors().contains("artefact.recipe"))
    fail(ErrorKind::state,
         "{}: not an artefact: name a run's model.patina or a file made by `patina learn`",
         path.string());
  Artefact artefact;
  with_context(path.string(), [&] { archive("artefact", artefact); });
  auto state = std::make_unique<State>();
  state->recipe = completed(std::make_shared<SessionRecipe>(), artefact.recipe, {}, path.string());
  SessionRecipe& recipe = *state->recipe;
  if (!options.weights.empty())
    (recipe.model.path.empty() && recipe.model.name != "starter" ? recipe.model.name
                                                                 : recipe.model.path) =
        options.weights;

  std::unique_ptr<Backbone> backbone = std::move(options.backbone);
  const bool embedded = !backbone && artefact.embedded;
  if (embedded) {
    Tensor weights;
    archive("weights", weights);
    if (!weights.defined() || weights.scalar_type() != at::kByte)
      fail(ErrorKind::state, "{}: the embedded network is missing", path.string());
    backbone = open_model({weights.data_ptr<uint8_t>(), size_t(weights.numel())}, path.string());
    if (recipe.model.fused) backbone = fused_towers(std::move(backbone));
  } else if (!backbone) {
    if (artefact.in_memory && options.weights.empty())
      fail(ErrorKind::state,
           "{}: its backbone ({}) was passed in memory by a program: pass it again in "
           "OpenOptions::backbone, or make the artefact with SaveOptions::with_backbone",
           path.string(), artefact.backbone);
    backbone = load_backbone(recipe.model);
  }
  if (!embedded && weights_hash(*backbone) != artefact.hash)
    fail(ErrorKind::state, "{}: it was made on another network ({}) than this one ({})",
         path.string(), artefact.backbone, backbone->about());

  state->grant = artefact.grant;
  state->hash = artefact.hash;
  state->in_memory = artefact.in_memory;
  state->carried = embedded;
  state->journal = artefact.journal;
  state->data_threads = options.data_threads;
  state->observer = options.observer;
  state->images =
      std::make_shared<ImageCache>(options.cache ? options.engine.image_cache_bytes : 0);
  prepare(*backbone, options.engine, options.cache);
  auto model = std::make_shared<State::Model>();
  model->backbone = std::move(backbone);
  if (state->row().generates != (artefact.answers != AnswerKind::label))
    fail(ErrorKind::state, "{}: the artefact's learner and answers do not fit together",
         path.string());
  const auto kept = with_context(path.string(), [&] { return kept_samples(archive, artefact); });
  model->samples =
      std::make_shared<LearnedSources>(artefact.is_text, artefact.answers, artefact.samples, kept);
  model->rig = state->rig_on(*model->backbone, *model->samples);
  if (trains(*model->backbone)) state->pretrained = model->backbone->clone();
  model->classes = artefact.classes;
  model->class_of_column = artefact.class_of_column;
  model->task_of_class = artefact.task_of_class;
  model->tasks = artefact.tasks;
  model->task_names = artefact.task_names;
  with_context(path.string(), [&] {
    model->rig->learner_state(archive);
    archive("trainer", model->rig->trainer());
    state->samples_lost = lacks_samples(archive, *kept);
  });
  if (model->tasks > 0) model->rig->learner().before_scores(model->rig->trainer());
  state->publish(std::move(model));
  return Session(std::move(state));
}

void Session::State::check_learnable(const Model& before, const Source& source) const {
  if (samples_lost)
    fail(ErrorKind::usage,
         "{} replays samples of earlier tasks, and this artefact was saved without them: save it "
         "with its samples (without --no-samples; run.keep_samples, SaveOptions::samples), learn "
         "with another method, or all in one session",
         row().name);
  const bool classes = source.answer_kind() == AnswerKind::label;
  if (row().generates && classes)
    fail(ErrorKind::usage,
         "{} learns to answer with texts, and the answers of these samples are classes: give it "
         "instructions or plain text",
         row().name);
  if (!row().generates && !classes)
    fail(ErrorKind::usage,
         "{} chooses among classes, and these samples have none: choose a learner that answers "
         "with text, such as sft",
         row().name);
  if (before.class_of_column.size() != before.classes.size())
    fail(ErrorKind::usage,
         "this artefact tells the classes of every domain apart, and a session cannot add to it: "
         "learn more domains in a run");
  if (source.size() == 0) fail(ErrorKind::data, "there are no samples to learn from");
}

std::shared_ptr<const LearnedSources> Session::State::with_texts(
    const Model& before, std::shared_ptr<const Source> source) const {
  const AnswerKind kind = source->answer_kind();
  auto samples = before.samples;
  const bool images = samples->size() > 0 && samples->has_images() != source->has_images();
  if (kind != samples->answer_kind() || images) {
    if (row().keeps_samples && samples->size() > 0)
      fail(ErrorKind::usage,
           "{} replays samples of earlier tasks, and does not mix {}: learn them with another "
           "method",
           row().name, images ? "texts about images with others" : "plain text with answers");
    samples = std::make_shared<LearnedSources>(/*is_text=*/true, kind, samples->size());
  }
  return samples->with(std::move(source), {0}, {"answers"});
}

void Session::State::learn(const std::shared_ptr<const Source>& source, const std::string& name) {
  const Call call(observer);
  if (!source) fail(ErrorKind::usage, "there is nothing to learn from: the source is null");
  const std::lock_guard alone(learning);
  const auto before = model();
  check_learnable(*before, *source);

  // Numbers the source's classes that have samples: known ones keep the session's number.
  std::set<int64_t> met;
  std::vector<std::string> classes = before->classes, fresh_names;
  std::vector<int64_t> numbers(source->classes().size(), -1), fresh;
  if (!row().generates)
    for (int64_t i = 0; i < source->size(); ++i) met.insert(source->label(i));
  for (const int64_t c : met) {
    const std::string& class_name = source->classes().at(size_t(c));
    int64_t& number = numbers[size_t(c)] = before->number_of(class_name);
    if (number >= 0) {
      if (row().needs.new_classes)
        fail(ErrorKind::scenario,
             "\"{}\" is already known, and {} learns all samples of a class in one task: forget "
             "the class first and learn it with all its samples, or choose another name",
             class_name, row().name);
      continue;
    }
    if (std::ranges::count(fresh_names, class_name) > 0)
      fail(ErrorKind::data, "two of the classes are called \"{}\"", class_name);
    number = int64_t(classes.size());
    classes.push_back(class_name);
    fresh_names.push_back(class_name);
    fresh.push_back(number);
  }

  const int64_t first = before->samples->size();
  const auto samples = row().generates ? with_texts(*before, source)
                                       : before->samples->with(source, numbers, classes);
  auto next = copied(*before, samples);
  std::vector<int64_t> positions(size_t(source->size())), targets;
  std::iota(positions.begin(), positions.end(), first);
  for (const int64_t position : positions) targets.push_back(samples->label(position));
  const Dataset train(*samples, std::move(positions), targets);

  Task task{.index = int(before->tasks),
            .fresh = fresh,
            .seen = std::vector<int64_t>(classes.size()),
            .names = fresh_names,
            .train = &train};
  std::iota(task.seen.begin(), task.seen.end(), int64_t{0});
  if (row().generates) {  // the one class that stands for having none
    if (task.index == 0) task.fresh = {0};
    task.seen = {0};
  }
  const std::set<int64_t> learned(targets.begin(), targets.end());
  task.classes.assign(learned.begin(), learned.end());
  next->rig->learn(task);
  PATINA_CHECK(pretrained || !trains(*next->backbone),
               "{} began to train a network that readers share", row().name);

  next->classes = std::move(classes);
  for (const int64_t number : fresh) next->class_of_column.push_back(number);
  next->task_of_class.resize(next->classes.size(), before->tasks);
  next->task_names.push_back(name);
  ++next->tasks;
  publish(std::move(next));
}

void Session::learn(const std::shared_ptr<const Source>& source, const std::string& name) {
  state_->learn(source, name);
}

void Session::learn(const Tensor& images, const std::vector<int64_t>& labels,
                    const std::vector<std::string>& classes) {
  state_->learn(image_tensor(images, labels, classes), "");
}

void Session::learn(const std::vector<fs::path>& files, const std::vector<int64_t>& labels,
                    const std::vector<std::string>& classes) {
  state_->learn(image_files(files, labels, classes), "");
}

void Session::forget(const std::string& name) {
  State& state = *state_;
  const std::lock_guard alone(state.learning);
  const auto before = state.model();
  if (state.row().generates)
    fail(ErrorKind::usage,
         "{} answers with text: what it learned of one task is in the same weights as all else, "
         "and cannot be taken out; learn anew without it",
         state.row().name);
  const int64_t number = before->number_of(name);
  if (number < 0)
    fail(ErrorKind::usage, "\"{}\" is not a class that was learned{}", name,
         did_you_mean(name, before->classes));
  auto next = state.copied(*before, before->samples);
  next->rig->learner().forget(number);
  next->classes.erase(next->classes.begin() + number);
  next->task_of_class.erase(next->task_of_class.begin() + number);
  std::erase(next->class_of_column, number);
  for (int64_t& c : next->class_of_column) c -= c > number;
  state.publish(std::move(next));
}

void Session::State::merge(const State& other) {
  const Call call(observer);
  const std::lock_guard alone(learning);
  const auto before = model(), from = other.model();
  if (row().name != other.row().name)
    fail(ErrorKind::usage, "what {} learned cannot be merged with what {} learned", row().name,
         other.row().name);
  if (hash != other.hash)
    fail(ErrorKind::usage,
         "what was learned on {} cannot be merged with what was learned on {}: "
         "their weights differ",
         before->backbone->about(), from->backbone->about());
  check_alike(*recipe, *other.recipe);
  for (const Model* one : {before.get(), from.get()})
    if (one->class_of_column.size() != one->classes.size())
      fail(ErrorKind::usage,
           "an artefact that tells the classes of every domain apart cannot be merged");
  if (from->tasks == 0) return;

  UnitedClasses classes{.names = before->classes, .numbers = {}};
  for (const auto& name : from->classes) {
    const int64_t known = before->number_of(name);
    classes.numbers.push_back(known >= 0 ? known : classes.size());
    if (known < 0) classes.names.push_back(name);
  }
  const auto samples = std::make_shared<LearnedSources>(
      before->samples->is_text(), before->samples->answer_kind(),
      before->samples->size() + from->samples->size(), nullptr, before->samples->has_images());
  auto next = copied(*before, samples);
  const Learner& learned = from->rig->learner();
  with_context(row().name, [&] {
    next->rig->learner().merge(learned, classes);
    if (learned_hash(const_cast<Rig&>(*before->rig).learner()) ==  // saving only reads
        learned_hash(const_cast<Rig&>(*from->rig).learner()))
      fail(ErrorKind::usage, "both learned the same: every sample would count twice");
  });
  next->rig->learner().before_scores(next->rig->trainer());

  for (size_t c = before->classes.size(); c < classes.names.size(); ++c) {
    next->class_of_column.push_back(int64_t(c));
    const auto there = std::ranges::find(classes.numbers, int64_t(c)) - classes.numbers.begin();
    next->task_of_class.push_back(before->tasks + from->task_of_class[size_t(there)]);
  }
  next->classes = std::move(classes.names);
  next->task_names.insert(next->task_names.end(), from->task_names.begin(), from->task_names.end());
  next->tasks += from->tasks;
  publish(std::move(next));
}

void Session::merge(const Session& other) {
  state_->merge(*other.state_);
}

std::vector<std::string> Session::classes() const {
  return state_->model()->classes;
}
bool Session::reads_texts() const {
  return state_->model()->samples->is_text();
}
bool Session::answers() const {
  return state_->row().generates;
}
std::vector<std::string> Session::task_names() const {
  return state_->model()->task_names;
}
int64_t Session::tasks() const {
  return state_->model()->tasks;
}
std::string Session::learner() const {
  return state_->row().name;
}
std::string Session::about() const {
  return state_->model()->backbone->about();
}
bool Session::keeps_samples() const {
  return state_->row().keeps_samples;
}
std::string Session::journal() const {
  return state_->journal;
}
bool Session::carried_backbone() const {
  return state_->carried;
}

void Session::save(const fs::path& given, const SaveOptions& options) const {
  const fs::path path = artefact_file(given);
  if (!options.samples) check_samples_left_out(state_->row());
  const auto model = state_->model();
  Artefact artefact{.recipe = to_toml(*state_->recipe),
                    .grant = state_->grant,
                    .classes = model->classes,
                    .class_of_column = model->class_of_column,
                    .task_of_class = model->task_of_class,
                    .tasks = model->tasks,
                    .samples = model->samples->size(),
                    .task_names = model->task_names,
                    .in_memory = state_->in_memory,
                    .backbone = model->backbone->about(),
                    .hash = state_->hash,
                    .embedded = options.with_backbone,
                    .is_text = model->samples->is_text(),
                    .has_images = model->samples->has_images(),
                    .answers = model->samples->answer_kind(),
                    .journal = options.journal.empty() ? state_->journal : options.journal};
  Tensor weights;
  // Before any learning: methods read the pre-trained weights when they are constructed.
  Backbone& backbone = state_->pretrained
                           ? const_cast<Backbone&>(*state_->pretrained)  // reads only
                           : *model->backbone;
  if (options.with_backbone) weights = network_bytes(backbone, path, options.bf16);
  Rig& rig = const_cast<Rig&>(*model->rig);  // saving only reads
  const bool samples = options.samples && !state_->samples_lost;
  write_artefact(path, artefact, weights, rig.learner(), rig.trainer(),
                 samples ? model->samples.get() : nullptr);
}

Exported Session::export_to(const fs::path& folder, const ExportOptions& options) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  const ModelOptions& origin = state_->recipe->model;
  if (state_->row().generates && model->tasks == 0)
    fail(ErrorKind::usage, "nothing has been learned yet: there is nothing to export");
  return export_learned({.row = &state_->row(),
                         .learner = &model->rig->learner(),
                         .backbone = model->backbone.get(),
                         .base = origin.path.empty() ? origin.name : origin.path,
                         .classes = model->classes,
                         .class_of_column = model->class_of_column,
                         .told_tasks = state_->grant.task_id_at_test},
                        folder, options);
}

}  // namespace patina
