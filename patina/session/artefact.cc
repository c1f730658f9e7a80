#include "patina/session/artefact.h"

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/version.h"

namespace patina {

void SessionRecipe::bind(Fields& f) {
  f("seed", seed, "Seed of everything random.", at_least(0));
  f.section("model", model, "The pre-trained backbone.");
  f.section("learner", learner, "The method and its options.");
  if (const LearnerRow* row = find_learner(learner.name); row && training_of_ != learner.name) {
    training = row->training;
    training_of_ = learner.name;
  }
  f.section("training", training, "How a task is trained.");
  f.section("train_transform", train_transform, "From stored image to training input.");
  f.section("test_transform", test_transform, "From stored image to test input and features.");
  f.section("text", text, "From stored text to input.");
}

namespace {

constexpr bool Grant::*kGrants[] = {&Grant::task_id_at_train, &Grant::task_id_at_test,
                                    &Grant::boundaries,       &Grant::many_passes,
                                    &Grant::new_classes,      &Grant::past_data};

}  // namespace

void Artefact::state(Archive& a) {
  int format = is_text && has_images ? kWithImages : kFormat;
  a("format", format);
  constexpr int kWithoutSamples = 2;
  if (format < kWithoutSamples || format > kWithImages)
    fail(ErrorKind::state, "it is an artefact of format {}, and patina {} reads formats {} to {}",
         format, kVersion, kWithoutSamples, kWithImages);
  a("recipe", recipe);
  std::vector<int64_t> granted;
  for (const auto member : kGrants) granted.push_back(grant.*member);
  a("grant", granted);
  Json names = classes, tasks_called = task_names;
  a("classes", names);
  a("task_names", tasks_called);
  a("class_of_column", class_of_column);
  a("task_of_class", task_of_class);
  a("tasks", tasks);
  a("samples", samples);
  a("in_memory", in_memory);
  a("backbone", backbone);
  a("hash", hash);
  a("embedded", embedded);
  a("is_text", is_text);
  has_images = !is_text || format == kWithImages;
  int kind = int(answers);
  a("answers", kind);
  if (format != kWithoutSamples) {
    a("kept", kept);
    a("left_out", left_out);
  }
  if (a.loading() ? a.tensors().contains("artefact.journal") : !journal.empty())
    a("journal", journal);
  if (!a.loading()) return;
  const auto damaged = [](const char* what) {
    fail(ErrorKind::state, "the artefact's {} do not fit together", what);
  };
  if (granted.size() != std::size(kGrants)) damaged("grants");
  for (size_t i = 0; i < std::size(kGrants); ++i) grant.*kGrants[i] = granted[i] != 0;
  const auto texts = [&](const Json& list, const char* what) {
    std::vector<std::string> all;
    for (const auto& name : list) {
      if (!name.is_string()) damaged(what);
      all.push_back(name.get<std::string>());
    }
    return all;
  };
  classes = texts(names, "classes");
  task_names = texts(tasks_called, "tasks");
  if (kind < int(AnswerKind::label) || kind > int(AnswerKind::nothing)) damaged("answers");
  answers = AnswerKind(kind);
  for (const int64_t c : class_of_column)
    if (c < 0 || c >= int64_t(classes.size())) damaged("scores and classes");
  if (task_of_class.size() != classes.size() || tasks < 0 || samples < 0 ||
      int64_t(task_names.size()) != tasks)
    damaged("tasks and classes");
  if (kept < 0 || left_out < 0 || kept > samples || left_out > samples) damaged("kept samples");
}

std::shared_ptr<SessionRecipe> completed(std::shared_ptr<SessionRecipe> recipe,
                                         const std::string& text,
                                         const std::vector<std::string>& settings,
                                         std::string_view origin) {
  auto file = RecipeFile::parse(text, origin, settings);
  file.bind(*recipe);
  file.finish();
  return recipe;
}

bool take_origin(ModelOptions& model, const Backbone& backbone) {
  if (backbone.origin().empty()) return false;
  auto file = RecipeFile::parse(backbone.origin(), "the backbone's options");
  file.bind(model);
  file.finish();
  return true;
}

Tensor network_bytes(Backbone& backbone, const fs::path& path, bool bf16) {
  const fs::path beside = path.string() + ".weights.tmp";
  const Finally clean([&] {
    std::error_code ignored;
    fs::remove(beside, ignored);
  });
  save_model(backbone, beside, bf16);
  const Bytes bytes = read_file(beside);
  Tensor tensor = at::empty({int64_t(bytes.size())}, at::kByte);
  std::ranges::copy(bytes, tensor.data_ptr<uint8_t>());
  return tensor;
}

void write_artefact(const fs::path& path, Artefact& artefact, Tensor weights, Learner& learner,
                    Trainer& trainer, const Source* samples) {
  Archive archive;
  archive("weights", weights);
  archive("learner", learner);
  archive("trainer", trainer);
  const auto& referred = archive.referred();
  artefact.kept = samples && artefact.grows() ? int64_t(referred.size()) : 0;
  artefact.left_out = int64_t(referred.size()) - artefact.kept;
  if (artefact.kept > 0) {
    KeptSamples kept(*samples, referred);
    archive("samples", kept);
  }
  archive("artefact", artefact);
  archive.write(path);
}

void check_samples_left_out(const LearnerRow& row) {
  if (row.answers_from_samples)
    fail(
        ErrorKind::usage,
        "{} compares what it is asked with the samples it keeps, so its artefact cannot be without "
        "them: save it with its samples (without --no-samples; run.keep_samples, "
        "SaveOptions::samples), or learn with another method",
        row.name);
}

std::shared_ptr<const KeptSamples> kept_samples(Archive& archive, const Artefact& artefact) {
  // Of texts as answers, the one class stands for having none.
  auto kept = std::make_shared<KeptSamples>(artefact.is_text, artefact.answers,
                                            artefact.answers == AnswerKind::label
                                                ? artefact.classes
                                                : std::vector<std::string>{"answers"},
                                            artefact.has_images);
  if (artefact.kept > 0) archive("samples", *kept);
  if (kept->size() != artefact.kept)
    fail(ErrorKind::state, "the artefact holds {} samples, and its header says {}", kept->size(),
         artefact.kept);
  return kept;
}

}  // namespace patina
