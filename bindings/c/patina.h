// patina's interface in C: sessions that learn, predict, are saved and opened again.
//
//   patina_session* session;
//   if (patina_create("{\"learner\": \"simplecil\"}", &session) != PATINA_OK)
//     fprintf(stderr, "%s\n", patina_error());
//
// A function that can fail returns a status, and PATINA_OK is 0; patina_error() then says what was
// wrong and what to do. A call that fails changes nothing and sets what it would have returned to
// NULL. Texts are UTF-8 and end with a zero byte. What a call needs of its arguments it copies.
//
// Functions may be called from any number of threads. Of one session they answer while another
// thread learns, from the state before. A handle that was closed is refused like one that never
// was; a call that another thread closes the handle of ends as if it were open.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Rises with every change after which a program must be compiled again.
#define PATINA_ABI 1

#if defined(__GNUC__)
#define PATINA_EXPORT __attribute__((visibility("default")))
#else
#define PATINA_EXPORT
#endif

typedef enum patina_status {
  PATINA_OK = 0,
  PATINA_USAGE = 1,      // a call that cannot be: a null pointer, a closed handle, an unknown class
  PATINA_RECIPE = 2,     // an option that does not exist, or a value that it cannot have
  PATINA_FILE = 3,       // cannot be opened, read or written
  PATINA_FORMAT = 4,     // a file's contents are not what its format says
  PATINA_DATA = 5,       // samples: missing, empty, inconsistent
  PATINA_MODEL = 6,      // weights that do not fit the network
  PATINA_SCENARIO = 7,   // a learner and samples that do not go together
  PATINA_STATE = 8,      // an artefact that cannot be continued
  PATINA_MEMORY = 9,     // not enough of it
  PATINA_INTERNAL = 10,  // a fault of patina or of what it stands on
} patina_status;

/// A backbone and what was learned on it.
typedef struct patina_session patina_session;
/// Images or texts, with or without labels; or prompts, with or without answers.
typedef struct patina_samples patina_samples;

/// PATINA_ABI of the library, which must equal that of this header.
PATINA_EXPORT int patina_abi(void);
/// "0.1.0".
PATINA_EXPORT const char* patina_version(void);
/// What was wrong with the last call of this thread that failed; "" if none did. Valid until the
/// next call of this thread that fails.
PATINA_EXPORT const char* patina_error(void);
/// Chooses instruction sets that work on this machine and the number of threads (0:
/// OMP_NUM_THREADS, else one per core), for the whole process. Call it once, before anything else,
/// in a program that does not use LibTorch otherwise.
PATINA_EXPORT patina_status patina_prepare(int threads);

/// A new session. `options` is an object in JSON, with the sections and keys of a recipe:
///   {"model": "starter", "learner": {"name": "ranpac", "projection": 2000},
///    "training": {"epochs": 5}, "text": {"max_length": 64}, "engine": {"device": "cpu"},
///    "seed": 1993, "cache": true, "data_threads": 0}
/// NULL: the built-in starter backbone and SimpleCIL.
PATINA_EXPORT patina_status patina_create(const char* options, patina_session** session);
/// A session that was saved; `path` is its file, or the folder of a run. `options` may have
/// "weights" (the path of the backbone's weights), "engine", "cache" and "data_threads"; NULL:
/// none.
PATINA_EXPORT patina_status patina_open(const char* path, const char* options,
                                        patina_session** session);
/// Writes an artefact; the file appears under its name once it is complete. `options` may have
/// "with_backbone", "bf16" and "samples", all true or false; NULL: none.
PATINA_EXPORT patina_status patina_save(const patina_session* session, const char* path,
                                        const char* options);
/// Closes a session; NULL is allowed.
PATINA_EXPORT patina_status patina_close(patina_session* session);

/// The class of each sample as an index into `classes`.
typedef struct patina_labels {
  const int64_t* numbers;      // as many as there are samples
  const char* const* classes;  // their names
  size_t class_count;
} patina_labels;

/// Images of one size: `count` times height x width pixels of red, green and blue, row by row, 0 to
/// 255. They are not to be resized or normalised before. `labels` is NULL for samples without.
PATINA_EXPORT patina_status patina_pixels(const uint8_t* pixels, size_t count, size_t height,
                                          size_t width, const patina_labels* labels,
                                          patina_samples** samples);
/// JPEG or PNG files, which are read when they are needed.
PATINA_EXPORT patina_status patina_files(const char* const* files, size_t count,
                                         const patina_labels* labels, patina_samples** samples);
PATINA_EXPORT patina_status patina_texts(const char* const* texts, size_t count,
                                         const patina_labels* labels, patina_samples** samples);
/// For a learner that answers with text: prompts, and `answers` to learn, or NULL.
PATINA_EXPORT patina_status patina_prompts(const char* const* prompts, const char* const* answers,
                                           size_t count, patina_samples** samples);
/// NULL is allowed. What learned from the samples keeps what it needs of them.
PATINA_EXPORT patina_status patina_free_samples(patina_samples* samples);

/// Learns the classes of samples with labels, or the answers to prompts, as one task.
PATINA_EXPORT patina_status patina_learn(patina_session* session, const patina_samples* samples);
/// Forgets a class, as if it had never been learned, where the method can do that.
PATINA_EXPORT patina_status patina_forget(patina_session* session, const char* name);

typedef struct patina_score {
  const char* name;
  int64_t number;  // of the class, in the order of learning
  double score;    // of different learners not comparable
} patina_score;

typedef struct patina_predictions {
  size_t samples;
  size_t top;                  // of each sample: as many as asked for, or as are known
  const patina_score* scores;  // sample by sample, each best first
} patina_predictions;

/// The best `top` classes of every sample.
PATINA_EXPORT patina_status patina_predict(const patina_session* session,
                                           const patina_samples* samples, size_t top,
                                           const patina_predictions** predictions);
/// NULL is allowed.
PATINA_EXPORT void patina_free_predictions(const patina_predictions* predictions);

typedef struct patina_answer {
  const char* text;
  size_t prompt_tokens, tokens;
  int ended;  // 1: the model or a text in "stop" ended it; 0: the largest number of tokens did
} patina_answer;

typedef struct patina_answers {
  size_t count;
  const patina_answer* answers;  // one a prompt
} patina_answers;

/// Answers prompts with texts. `options` may have "max_tokens", "temperature", "top_k", "top_p",
/// "seed", "stop" (texts that end an answer), "cut" and "batch"; NULL: the likeliest tokens, at
/// most 128. Before anything is learned, the pre-trained network answers.
PATINA_EXPORT patina_status patina_ask(const patina_session* session, const patina_samples* prompts,
                                       const char* options, const patina_answers** answers);
/// NULL is allowed.
PATINA_EXPORT void patina_free_answers(const patina_answers* answers);

typedef struct patina_assessment {
  int64_t samples;
  int64_t right;
} patina_assessment;

/// Counts the samples whose predicted class is their own. Classes are compared by name.
PATINA_EXPORT patina_status patina_eval(const patina_session* session,
                                        const patina_samples* samples,
                                        patina_assessment* assessment);

typedef struct patina_names {
  size_t count;
  const char* const* names;
} patina_names;

/// The classes that a session knows, in the order of learning.
PATINA_EXPORT patina_status patina_classes(const patina_session* session,
                                           const patina_names** names);
/// NULL is allowed.
PATINA_EXPORT void patina_free_names(const patina_names* names);

#ifdef __cplusplus
}
#endif
