/* The C interface as a program in C99 uses it and misuses it. Prints every expectation that does not hold.
 *   session_test FOLDER [NETWORK]   where it may write, and a decoder that answers
 */
#include <patina.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kSide = 32, kEach = 3, kImage = kSide * kSide * 3, kAll = 3 * kEach };

static int failures = 0;

#define EXPECT(condition)                                                        \
  do {                                                                           \
    if (condition) break;                                                        \
    ++failures;                                                                  \
    printf("%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, patina_error()); \
  } while (0)

/* The call is refused with that status and words in its message. */
#define EXPECT_REFUSED(call, status, words)              \
  do {                                                   \
    EXPECT((call) == (status));                          \
    EXPECT(strstr(patina_error(), (words)) != NULL);     \
  } while (0)

static const char* const kColours[] = {"red", "green", "blue"};
static uint8_t pixels[kAll * kImage];
static int64_t numbers[kAll];

static void paint(void) {
  static const int colours[3][3] = {{210, 30, 30}, {30, 200, 40}, {40, 50, 220}};
  for (int image = 0; image < kAll; ++image) {
    numbers[image] = image / kEach;
    for (int i = 0; i < kImage; ++i)
      pixels[image * kImage + i] = (uint8_t)(colours[image / kEach][i % 3] + 4 * (image % kEach));
  }
}

static patina_samples* labelled(void) {
  const patina_labels labels = {numbers, kColours, 3};
  patina_samples* samples = NULL;
  EXPECT(patina_pixels(pixels, kAll, kSide, kSide, &labels, &samples) == PATINA_OK);
  return samples;
}

static patina_samples* one_image(int image) {
  patina_samples* samples = NULL;
  EXPECT(patina_pixels(pixels + image * kImage, 1, kSide, kSide, NULL, &samples) == PATINA_OK);
  return samples;
}

static patina_session* taught(void) {
  patina_session* session = NULL;
  patina_samples* samples = labelled();
  EXPECT(patina_create(NULL, &session) == PATINA_OK);
  EXPECT(patina_learn(session, samples) == PATINA_OK);
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  return session;
}

static void test_versions(void) {
  EXPECT(patina_abi() == PATINA_ABI);
  EXPECT(strchr(patina_version(), '.') != NULL);
  EXPECT(strcmp(patina_error(), "") == 0);
}

static void test_learning(void) {
  patina_session* session = taught();
  patina_samples* samples = labelled();
  patina_assessment counted;
  const patina_predictions* best;
  const patina_names* names;

  /* What was learned does not read the caller's pixels again. */
  memset(pixels, 0, sizeof pixels);
  EXPECT(patina_eval(session, samples, &counted) == PATINA_OK);
  EXPECT(counted.samples == kAll && counted.right == kAll);
  paint();

  EXPECT(patina_predict(session, samples, 2, &best) == PATINA_OK);
  EXPECT(best->samples == kAll && best->top == 2);
  for (int image = 0; image < kAll; ++image) {
    const patina_score* first = best->scores + 2 * image;
    EXPECT(strcmp(first->name, kColours[image / kEach]) == 0);
    EXPECT(first->number == image / kEach);
    EXPECT(first[0].score >= first[1].score);
  }
  patina_free_predictions(best);
  EXPECT(patina_predict(session, samples, SIZE_MAX, &best) == PATINA_OK);
  EXPECT(best->top == 3);
  patina_free_predictions(best);

  EXPECT(patina_classes(session, &names) == PATINA_OK);
  EXPECT(names->count == 3 && strcmp(names->names[2], "blue") == 0);
  patina_free_names(names);
  EXPECT(patina_forget(session, "red") == PATINA_OK);
  EXPECT(patina_classes(session, &names) == PATINA_OK);
  EXPECT(names->count == 2 && strcmp(names->names[0], "green") == 0);
  patina_free_names(names);
  EXPECT_REFUSED(patina_forget(session, "gren"), PATINA_USAGE, "did you mean \"green\"?");
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

static void test_artefact(const char* folder) {
  char path[4096];
  patina_session* session = taught();
  patina_session* again = NULL;
  patina_samples* samples = labelled();
  const patina_predictions *before, *after;
  snprintf(path, sizeof path, "%s/colours.patina", folder);
  EXPECT(patina_save(session, path, "{\"with_backbone\": true}") == PATINA_OK);
  EXPECT(patina_open(path, "{\"engine\": {\"device\": \"cpu\"}}", &again) == PATINA_OK);
  EXPECT(patina_predict(session, samples, 3, &before) == PATINA_OK);
  EXPECT(patina_predict(again, samples, 3, &after) == PATINA_OK);
  for (size_t i = 0; i < before->samples * before->top; ++i) {
    EXPECT(before->scores[i].score == after->scores[i].score);
    EXPECT(before->scores[i].number == after->scores[i].number);
  }
  patina_free_predictions(before);
  patina_free_predictions(after);
  EXPECT(patina_close(again) == PATINA_OK);
  EXPECT_REFUSED(patina_save(session, path, "{\"compress\": true}"), PATINA_RECIPE, "compress");
  EXPECT_REFUSED(patina_save(session, "/nowhere/at/all.patina", NULL), PATINA_FILE, "/nowhere");
  EXPECT_REFUSED(patina_open("/nowhere.patina", NULL, &again), PATINA_FILE, "/nowhere.patina");
  EXPECT(again == NULL);
  EXPECT_REFUSED(patina_open(path, "{\"model\": \"starter\"}", &again), PATINA_RECIPE, "model");
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

static void test_options(void) {
  patina_session* session = NULL;
  EXPECT(patina_create("{\"model\": {\"name\": \"starter\"}, \"learner\": {\"name\": \"ranpac\", "
                       "\"adaptation\": \"none\", \"projection\": 64}, \"seed\": 5, \"cache\": "
                       "false, \"data_threads\": 1, \"training\": null}",
                       &session) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
  EXPECT_REFUSED(patina_create("{", &session), PATINA_RECIPE, "the options");
  EXPECT(session == NULL);
  EXPECT_REFUSED(patina_create("[1]", &session), PATINA_USAGE, "an object");
  EXPECT_REFUSED(patina_create("{\"learner\": \"simplcil\"}", &session), PATINA_RECIPE,
                 "simplecil");
  EXPECT_REFUSED(patina_create("{\"model\": \"nothing_at_all\"}", &session), PATINA_MODEL,
                 "nothing_at_all");
  EXPECT_REFUSED(
      patina_create("{\"learner\": {\"name\": \"ranpac\", \"projektion\": 5}}", &session),
      PATINA_RECIPE, "did you mean \"projection\"?");
  EXPECT_REFUSED(patina_create("{\"colour\": 3}", &session), PATINA_RECIPE, "colour");
  EXPECT_REFUSED(patina_create("{\"seed\": [1, \"a\"]}", &session), PATINA_USAGE, "seed");
  EXPECT_REFUSED(patina_create("{\"training\": {\"a=b\": 1}}", &session), PATINA_USAGE, "a=b");
}

static void test_null(void) {
  patina_session *session = taught(), *opened = NULL;
  patina_samples* samples = labelled();
  const patina_labels lost = {NULL, kColours, 3}, nameless = {numbers, NULL, 3};
  const char* const gap[] = {"red", NULL};
  const patina_labels missing = {numbers, gap, 2};
  const patina_predictions* best;
  const patina_names* names;
  patina_assessment counted;
  patina_samples* made;
  EXPECT_REFUSED(patina_create(NULL, NULL), PATINA_USAGE, "session is null");
  EXPECT_REFUSED(patina_open(NULL, NULL, &opened), PATINA_USAGE, "path is null");
  EXPECT_REFUSED(patina_save(session, NULL, NULL), PATINA_USAGE, "path is null");
  EXPECT_REFUSED(patina_save(NULL, "a.patina", NULL), PATINA_USAGE, "the session is null");
  EXPECT_REFUSED(patina_learn(NULL, samples), PATINA_USAGE, "the session is null");
  EXPECT_REFUSED(patina_learn(session, NULL), PATINA_USAGE, "the samples is null");
  EXPECT_REFUSED(patina_predict(session, NULL, 1, &best), PATINA_USAGE, "null");
  EXPECT(best == NULL);
  EXPECT_REFUSED(patina_predict(session, samples, 1, NULL), PATINA_USAGE, "predictions is null");
  EXPECT_REFUSED(patina_eval(session, samples, NULL), PATINA_USAGE, "assessment is null");
  EXPECT_REFUSED(patina_eval(NULL, samples, &counted), PATINA_USAGE, "the session is null");
  EXPECT_REFUSED(patina_classes(session, NULL), PATINA_USAGE, "names is null");
  EXPECT_REFUSED(patina_classes(NULL, &names), PATINA_USAGE, "the session is null");
  EXPECT_REFUSED(patina_forget(session, NULL), PATINA_USAGE, "name is null");
  EXPECT_REFUSED(patina_pixels(NULL, 1, 8, 8, NULL, &made), PATINA_USAGE, "pixels is null");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, 8, NULL, NULL), PATINA_USAGE, "samples is null");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, 8, &lost, &made), PATINA_USAGE, "numbers is null");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, 8, &nameless, &made), PATINA_USAGE,
                 "classes is null");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, 8, &missing, &made), PATINA_USAGE,
                 "classes[1] is null");
  EXPECT_REFUSED(patina_files(NULL, 1, NULL, &made), PATINA_USAGE, "files is null");
  EXPECT_REFUSED(patina_texts(gap, 2, NULL, &made), PATINA_USAGE, "texts[1] is null");
  patina_free_predictions(NULL);
  patina_free_names(NULL);
  EXPECT(patina_free_samples(NULL) == PATINA_OK);
  EXPECT(patina_close(NULL) == PATINA_OK);
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

static void test_samples(void) {
  patina_session *session = taught(), *fresh = NULL;
  const int64_t wrong[] = {7};
  const patina_labels beyond = {wrong, kColours, 3};
  const char* const files[] = {"/nowhere/photo.jpg"};
  const char* const texts[] = {"a text"};
  patina_samples *samples = NULL, *known = labelled();
  const patina_predictions* best;
  patina_assessment counted;
  EXPECT_REFUSED(patina_pixels(pixels, 0, 8, 8, NULL, &samples), PATINA_USAGE, "no samples");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 0, 8, NULL, &samples), PATINA_USAGE, "0 x 8");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, SIZE_MAX, NULL, &samples), PATINA_USAGE, "sides");
  EXPECT_REFUSED(patina_pixels(pixels, SIZE_MAX, 8, 8, NULL, &samples), PATINA_USAGE, "memory");
  EXPECT_REFUSED(patina_pixels(pixels, 1, 8, 8, &beyond, &samples), PATINA_DATA, "a label is 7");
  EXPECT(samples == NULL);

  samples = one_image(0);
  EXPECT_REFUSED(patina_learn(session, samples), PATINA_USAGE, "no labels");
  EXPECT_REFUSED(patina_eval(session, samples, &counted), PATINA_USAGE, "no labels");
  EXPECT_REFUSED(patina_predict(session, samples, 0, &best), PATINA_USAGE, "top is 0");
  EXPECT(patina_create(NULL, &fresh) == PATINA_OK);
  EXPECT_REFUSED(patina_predict(fresh, samples, 1, &best), PATINA_USAGE, "nothing has been learned");
  EXPECT(patina_free_samples(samples) == PATINA_OK);

  EXPECT_REFUSED(patina_learn(session, known), PATINA_SCENARIO, "\"red\" is already known");
  EXPECT(patina_files(files, 1, NULL, &samples) == PATINA_OK);
  EXPECT_REFUSED(patina_predict(session, samples, 1, &best), PATINA_FILE, "/nowhere/photo.jpg");
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_texts(texts, 1, NULL, &samples) == PATINA_OK);
  EXPECT_REFUSED(patina_predict(session, samples, 1, &best), PATINA_USAGE, "these are texts");
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_free_samples(known) == PATINA_OK);
  EXPECT(patina_close(fresh) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

static void test_closed_handles(void) {
  patina_session *session = taught(), *later = NULL;
  patina_samples* samples = labelled();
  const patina_predictions* best;
  EXPECT(patina_close(session) == PATINA_OK);
  EXPECT(patina_create(NULL, &later) == PATINA_OK); /* does not take its place */
  EXPECT_REFUSED(patina_predict(session, samples, 1, &best), PATINA_USAGE, "the session is closed");
  EXPECT_REFUSED(patina_learn(session, samples), PATINA_USAGE, "the session is closed");
  EXPECT_REFUSED(patina_close(session), PATINA_USAGE, "the session is closed");
  EXPECT_REFUSED(patina_learn((patina_session*)pixels, samples), PATINA_USAGE, "never open");
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT_REFUSED(patina_free_samples(samples), PATINA_USAGE, "the samples is closed");
  EXPECT_REFUSED(patina_learn(later, samples), PATINA_USAGE, "the samples is closed");
  EXPECT(patina_close(later) == PATINA_OK);
}

static void* in_another_thread(void* unused) {
  (void)unused;
  EXPECT(strcmp(patina_error(), "") == 0);
  EXPECT_REFUSED(patina_create("{", NULL), PATINA_USAGE, "session is null");
  return NULL;
}

static void test_errors_belong_to_a_thread(void) {
  pthread_t thread;
  patina_session* session = NULL;
  EXPECT_REFUSED(patina_create("[]", &session), PATINA_USAGE, "an object");
  EXPECT(pthread_create(&thread, NULL, in_another_thread, NULL) == 0);
  EXPECT(pthread_join(thread, NULL) == 0);
  EXPECT(strstr(patina_error(), "an object") != NULL);
}

static void test_texts(void) {
  const char* const good[] = {"a wonderful film", "I loved every minute", "great acting"};
  const int64_t zeros[] = {0, 0, 0};
  const char* const good_class[] = {"good"};
  const patina_labels labels = {zeros, good_class, 1};
  const patina_predictions* best;
  patina_session* session = NULL;
  patina_samples* samples = NULL;
  EXPECT(patina_create("{\"model\": \"text_starter\"}", &session) == PATINA_OK);
  EXPECT(patina_texts(good, 3, &labels, &samples) == PATINA_OK);
  EXPECT(patina_learn(session, samples) == PATINA_OK);
  EXPECT(patina_predict(session, samples, 5, &best) == PATINA_OK);
  EXPECT(best->samples == 3 && best->top == 1 && strcmp(best->scores[2].name, "good") == 0);
  patina_free_predictions(best);
  EXPECT(patina_free_samples(samples) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

static void test_answers(const char* network) {
  const char* const prompts[] = {"Greet Ada", "Greet Bob"};
  const char* const greetings[] = {"Hello Ada", "Hello Bob"};
  const char* const missing[] = {"Hello Ada", NULL};
  const patina_answers *first, *again, *stopped;
  const patina_predictions* best;
  char options[4096];
  patina_session *session = NULL, *classes = taught();
  patina_samples *lessons = NULL, *asked = NULL;
  snprintf(options, sizeof options,
           "{\"model\": \"%s\", \"learner\": {\"name\": \"sft\"}, \"training\": {\"epochs\": 30, "
           "\"batch_size\": 2, \"lr\": 0.05}}",
           network);
  EXPECT(patina_create(options, &session) == PATINA_OK);
  EXPECT(patina_prompts(prompts, NULL, 2, &asked) == PATINA_OK);
  EXPECT(patina_prompts(prompts, greetings, 2, &lessons) == PATINA_OK);
  EXPECT(patina_ask(session, asked, "{\"max_tokens\": 5}", &first) == PATINA_OK); /* pre-trained */
  EXPECT(patina_learn(session, lessons) == PATINA_OK);
  EXPECT(patina_ask(session, asked, "{\"max_tokens\": 5}", &again) == PATINA_OK);
  EXPECT(first->count == 2 && again->count == 2);
  EXPECT(again->answers[0].prompt_tokens > 0 && again->answers[0].tokens <= 5);
  EXPECT(strcmp(first->answers[0].text, again->answers[0].text) != 0);
  EXPECT(patina_ask(session, asked, "{\"max_tokens\": 1}", &stopped) == PATINA_OK);
  EXPECT(stopped->answers[1].tokens <= 1);
  patina_free_answers(stopped);
  patina_free_answers(again);
  patina_free_answers(first);
  patina_free_answers(NULL);

  EXPECT_REFUSED(patina_ask(session, asked, "{\"max_tokens\": -1}", &first), PATINA_RECIPE, "max_tokens");
  EXPECT(first == NULL);
  EXPECT_REFUSED(patina_ask(session, NULL, NULL, &first), PATINA_USAGE, "the samples is null");
  EXPECT_REFUSED(patina_ask(session, asked, NULL, NULL), PATINA_USAGE, "answers is null");
  EXPECT_REFUSED(patina_ask(classes, asked, NULL, &first), PATINA_USAGE, "chooses among classes");
  EXPECT_REFUSED(patina_predict(session, asked, 1, &best), PATINA_USAGE, "answers with text");
  EXPECT_REFUSED(patina_learn(session, asked), PATINA_USAGE, "no answers");
  EXPECT_REFUSED(patina_prompts(prompts, missing, 2, &lessons), PATINA_USAGE, "answers[1] is null");
  EXPECT_REFUSED(patina_prompts(prompts, NULL, 0, &lessons), PATINA_USAGE, "no prompts");
  EXPECT(patina_free_samples(asked) == PATINA_OK);
  EXPECT(patina_close(classes) == PATINA_OK);
  EXPECT(patina_close(session) == PATINA_OK);
}

int main(int argc, char** argv) {
  paint();
  test_versions();
  EXPECT_REFUSED(patina_prepare(-1), PATINA_USAGE, "threads is -1");
  EXPECT(patina_prepare(0) == PATINA_OK);
  test_learning();
  test_artefact(argc > 1 ? argv[1] : ".");
  test_options();
  test_null();
  test_samples();
  test_closed_handles();
  test_errors_belong_to_a_thread();
  test_texts();
  if (argc > 2) test_answers(argv[2]);
  if (failures > 0) printf("%d expectations do not hold\n", failures);
  return failures > 0;
}
