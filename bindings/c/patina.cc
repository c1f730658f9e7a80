// The C interface: every call is a call of Session whose exceptions become statuses.
//
// A handle is a number that is never given twice, kept in a table. So a closed handle is known as
// such, and what it stood for lives until the calls that use it have ended.
#include "bindings/c/patina.h"

#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "patina/base/json.h"
#include "patina/ops.h"
#include "patina/session/session_json.h"
#include "patina/session/sources.h"
#include "patina/version.h"

namespace {

using namespace patina;
namespace ops = patina::at;  // LibTorch has an `at`, too

constexpr size_t kMostBytes = size_t{1} << 46;

thread_local std::string said;  // by the last call that failed

patina_status refused(patina_status status, const char* what) noexcept {
  try {
    said = what;
  } catch (...) {
    said.clear();
  }
  return status;
}

patina_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
    case ErrorKind::workers:  // here is one
    case ErrorKind::stopped:  // nothing here can stop a call
      return PATINA_USAGE;
    case ErrorKind::recipe:
      return PATINA_RECIPE;
    case ErrorKind::file:
      return PATINA_FILE;
    case ErrorKind::format:
      return PATINA_FORMAT;
    case ErrorKind::data:
      return PATINA_DATA;
    case ErrorKind::model:
      return PATINA_MODEL;
    case ErrorKind::scenario:
      return PATINA_SCENARIO;
    case ErrorKind::state:
      return PATINA_STATE;
  }
  return PATINA_INTERNAL;
}

// Runs `body`; no exception leaves it.
template <class Body>
patina_status guarded(Body&& body) noexcept {
  try {
    body();
    return PATINA_OK;
  } catch (const Error& error) {
    return refused(status_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return refused(PATINA_MEMORY, "not enough memory");
  } catch (const std::exception& error) {
    return refused(PATINA_INTERNAL, error.what());
  } catch (...) {
    return refused(PATINA_INTERNAL, "an exception of an unknown type");
  }
}

template <class T>
T& given(T* pointer, const char* what) {
  PATINA_REQUIRE(pointer, "{} is null", what);
  return *pointer;
}

Json options_of(const char* text) try {
  return text ? parse_json(text, "the options") : Json::object();
} catch (const Error& error) {
  throw Error(ErrorKind::recipe, error.what());
}

// What handles of one type stand for.
template <class Handle, class Value>
class Table {
 public:
  explicit Table(const char* what) : what_(what) {}

  Handle* add(std::shared_ptr<Value> value) {
    const std::lock_guard lock(mutex_);
    values_.emplace(++last_, std::move(value));
    return reinterpret_cast<Handle*>(last_);  // NOLINT(performance-no-int-to-ptr): never followed
  }
  std::shared_ptr<Value> at(const Handle* handle) const {
    const std::lock_guard lock(mutex_);
    return found(handle)->second;
  }
  void remove(const Handle* handle) {
    std::shared_ptr<Value> last;  // ends after the lock
    const std::lock_guard lock(mutex_);
    const auto place = found(handle);
    last = place->second;
    values_.erase(place);
  }

 private:
  using Values = std::map<uintptr_t, std::shared_ptr<Value>>;

  typename Values::const_iterator found(const Handle* handle) const {
    given(handle, what_);
    const auto at = values_.find(reinterpret_cast<uintptr_t>(handle));
    PATINA_REQUIRE(at != values_.end(), "{} is closed or was never open", what_);
    return at;
  }

  const char* what_;
  mutable std::mutex mutex_;
  Values values_;
  uintptr_t last_ = 0;
};

struct Samples {
  std::shared_ptr<const Source> source;
  bool labelled;
};

// Never destroyed: a thread may still be in a call when the process ends.
auto& sessions() {
  static auto& table = *new Table<patina_session, Session>("the session");
  return table;
}

auto& all_samples() {
  static auto& table = *new Table<patina_samples, Samples>("the samples");
  return table;
}

std::vector<std::string> texts_of(const char* const* texts, size_t count, const char* what) {
  if (count > 0) given(texts, what);
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) {
    PATINA_REQUIRE(texts[i], "{}[{}] is null", what, i);
    all.emplace_back(texts[i]);
  }
  return all;
}

struct Labels {
  std::vector<int64_t> numbers;
  std::vector<std::string> classes;

  Labels(const patina_labels* labels, size_t count) {
    PATINA_REQUIRE(count > 0, "there are no samples");
    if (!labels) {
      numbers.assign(count, 0);
      classes = {"?"};
      return;
    }
    given(labels->numbers, "labels->numbers");
    numbers.assign(labels->numbers, labels->numbers + count);
    classes = texts_of(labels->classes, labels->class_count, "labels->classes");
  }
};

void keep(std::shared_ptr<const Source> source, const patina_labels* labels,
          patina_samples** samples) {
  *samples =
      all_samples().add(std::make_shared<Samples>(Samples{std::move(source), labels != nullptr}));
}

const Source& labelled(const Samples& samples) {
  PATINA_REQUIRE(samples.labelled, "these samples have no {}: pass them when they are made",
                 samples.source->answer_kind() == AnswerKind::text ? "answers" : "labels");
  return *samples.source;
}

// What a struct of the interface points into, behind it.
struct OwnedPredictions : patina_predictions {
  std::vector<std::vector<Prediction>> all;
  std::vector<patina_score> flat;
};

struct OwnedAnswers : patina_answers {
  std::vector<Answer> all;
  std::vector<patina_answer> flat;
};

struct OwnedNames : patina_names {
  std::vector<std::string> all;
  std::vector<const char*> pointers;
};

}  // namespace

int patina_abi(void) {
  return PATINA_ABI;
}

const char* patina_version(void) {
  return kVersion;
}

const char* patina_error(void) {
  return said.c_str();
}

patina_status patina_prepare(int threads) {
  return guarded([&] {
    PATINA_REQUIRE(threads >= 0, "threads is {}; it must not be negative", threads);
    prepare_cpu(threads);
  });
}

patina_status patina_create(const char* options, patina_session** session) {
  return guarded([&] {
    given(session, "session") = nullptr;
    *session = sessions().add(std::make_shared<Session>(create_session(options_of(options))));
  });
}

patina_status patina_open(const char* path, const char* options, patina_session** session) {
  return guarded([&] {
    given(session, "session") = nullptr;
    given(path, "path");
    *session = sessions().add(std::make_shared<Session>(open_session(path, options_of(options))));
  });
}

patina_status patina_save(const patina_session* session, const char* path, const char* options) {
  return guarded([&] {
    const auto own = sessions().at(session);
    given(path, "path");
    own->save(path, save_options(options_of(options)));
  });
}

patina_status patina_close(patina_session* session) {
  return guarded([&] {
    if (session) sessions().remove(session);
  });
}

patina_status patina_pixels(const uint8_t* pixels, size_t count, size_t height, size_t width,
                            const patina_labels* labels, patina_samples** samples) {
  return guarded([&] {
    given(samples, "samples") = nullptr;
    given(pixels, "pixels");
    PATINA_REQUIRE(height >= 1 && height <= kLargestSide && width >= 1 && width <= kLargestSide,
                   "images have sides of 1 to {} pixels, and these are {} x {}", kLargestSide,
                   height, width);
    const size_t bytes = height * width * 3;
    PATINA_REQUIRE(count <= kMostBytes / bytes, "{} images are more than memory holds", count);
    const Labels own(labels, count);
    const Tensor rows =
        ops::empty({int64_t(count), int64_t(height), int64_t(width), 3}, ops::kByte);
    std::memcpy(rows.data_ptr(), pixels, count * bytes);
    keep(image_tensor(rows.permute({0, 3, 1, 2}), own.numbers, own.classes), labels, samples);
  });
}

patina_status patina_files(const char* const* files, size_t count, const patina_labels* labels,
                           patina_samples** samples) {
  return guarded([&] {
    given(samples, "samples") = nullptr;
    const auto names = texts_of(files, count, "files");
    const Labels own(labels, count);
    std::vector<fs::path> paths(names.begin(), names.end());
    keep(image_files(std::move(paths), own.numbers, own.classes), labels, samples);
  });
}

patina_status patina_texts(const char* const* texts, size_t count, const patina_labels* labels,
                           patina_samples** samples) {
  return guarded([&] {
    given(samples, "samples") = nullptr;
    std::vector<Text> all;
    for (auto& text : texts_of(texts, count, "texts")) all.push_back({std::move(text), ""});
    const Labels own(labels, count);
    keep(labelled_texts(std::move(all), own.numbers, own.classes), labels, samples);
  });
}

patina_status patina_prompts(const char* const* prompts, const char* const* answers, size_t count,
                             patina_samples** samples) {
  return guarded([&] {
    given(samples, "samples") = nullptr;
    PATINA_REQUIRE(count > 0, "there are no prompts");
    const auto asked = texts_of(prompts, count, "prompts");
    std::vector<std::string> wanted;
    if (answers) wanted = texts_of(answers, count, "answers");
    *samples = all_samples().add(
        std::make_shared<Samples>(Samples{text_prompts(asked, wanted), answers != nullptr}));
  });
}

patina_status patina_free_samples(patina_samples* samples) {
  return guarded([&] {
    if (samples) all_samples().remove(samples);
  });
}

patina_status patina_learn(patina_session* session, const patina_samples* samples) {
  return guarded([&] {
    const auto own = sessions().at(session);
    const auto taught = all_samples().at(samples);
    labelled(*taught);
    own->learn(taught->source);
  });
}

patina_status patina_forget(patina_session* session, const char* name) {
  return guarded([&] {
    const auto own = sessions().at(session);
    given(name, "name");
    own->forget(name);
  });
}

patina_status patina_predict(const patina_session* session, const patina_samples* samples,
                             size_t top, const patina_predictions** predictions) {
  return guarded([&] {
    given(predictions, "predictions") = nullptr;
    const auto own = sessions().at(session);
    const auto asked = all_samples().at(samples);
    const auto most = size_t(std::numeric_limits<int64_t>::max());
    auto made = std::make_unique<OwnedPredictions>();
    made->all = own->predict(*asked->source, {.top = int64_t(std::min(top, most))});
    for (const auto& one : made->all)
      for (const auto& [name, number, score] : one)
        made->flat.push_back({name.c_str(), number, score});
    made->samples = made->all.size();
    made->top = made->flat.size() / made->samples;
    made->scores = made->flat.data();
    *predictions = made.release();
  });
}

void patina_free_predictions(const patina_predictions* predictions) {
  delete static_cast<const OwnedPredictions*>(predictions);
}

patina_status patina_ask(const patina_session* session, const patina_samples* prompts,
                         const char* options, const patina_answers** answers) {
  return guarded([&] {
    given(answers, "answers") = nullptr;
    const auto own = sessions().at(session);
    const auto asked = all_samples().at(prompts);
    auto made = std::make_unique<OwnedAnswers>();
    made->all = own->answer(*asked->source, answer_options(options_of(options)));
    for (const Answer& one : made->all)
      made->flat.push_back(
          {one.text.c_str(), size_t(one.prompt_tokens), size_t(one.tokens), one.ended});
    made->count = made->flat.size();
    made->patina_answers::answers = made->flat.data();
    *answers = made.release();
  });
}

void patina_free_answers(const patina_answers* answers) {
  delete static_cast<const OwnedAnswers*>(answers);
}

patina_status patina_eval(const patina_session* session, const patina_samples* samples,
                          patina_assessment* assessment) {
  return guarded([&] {
    given(assessment, "assessment") = {};
    const auto own = sessions().at(session);
    const auto asked = all_samples().at(samples);
    const Assessment counted = own->eval(labelled(*asked));
    *assessment = {counted.samples, counted.right};
  });
}

patina_status patina_classes(const patina_session* session, const patina_names** names) {
  return guarded([&] {
    given(names, "names") = nullptr;
    auto made = std::make_unique<OwnedNames>();
    made->all = sessions().at(session)->classes();
    for (const auto& name : made->all) made->pointers.push_back(name.c_str());
    made->count = made->pointers.size();
    made->names = made->pointers.data();
    *names = made.release();
  });
}

void patina_free_names(const patina_names* names) {
  delete static_cast<const OwnedNames*>(names);
}
