/* Teaches a session colours, one after the other, and saves what it learned.
 *
 *   cc -std=c99 colours.c $(pkg-config --cflags --libs patina) -o colours
 *   ./colours colours.patina
 */
#include <patina.h>
#include <stdio.h>
#include <stdlib.h>

enum { kCount = 4, kSide = 32, kBytes = kSide * kSide * 3 };

static void check(patina_status status) {
  if (status == PATINA_OK) return;
  fprintf(stderr, "colours: %s\n", patina_error());
  exit(1);
}

/* Images of one colour, each a little brighter than the one before. */
static void paint(uint8_t* pixels, int red, int green, int blue) {
  const int colour[3] = {red, green, blue};
  for (int i = 0; i < kCount * kBytes; ++i) pixels[i] = (uint8_t)(colour[i % 3] + i / kBytes);
}

static void learn(patina_session* session, const char* name, int red, int green, int blue) {
  static uint8_t pixels[kCount * kBytes];
  const int64_t numbers[kCount] = {0};
  const char* const classes[] = {name};
  const patina_labels labels = {numbers, classes, 1};
  patina_samples* samples;
  paint(pixels, red, green, blue);
  check(patina_pixels(pixels, kCount, kSide, kSide, &labels, &samples));
  check(patina_learn(session, samples));
  check(patina_free_samples(samples));
}

int main(int argc, char** argv) {
  if (patina_abi() != PATINA_ABI) {
    fprintf(stderr, "colours: compiled for another libpatina_c; compile it again\n");
    return 1;
  }
  check(patina_prepare(0));

  patina_session* session;
  check(patina_create("{\"model\": \"starter\", \"learner\": \"simplecil\"}", &session));
  learn(session, "red", 210, 30, 30);
  learn(session, "green", 30, 200, 40);
  learn(session, "blue", 40, 50, 220);
  check(patina_save(session, argc > 1 ? argv[1] : "colours.patina", NULL));

  static uint8_t pixels[kCount * kBytes];
  patina_samples* samples;
  const patina_predictions* best;
  paint(pixels, 30, 190, 50);
  check(patina_pixels(pixels, 1, kSide, kSide, NULL, &samples));
  check(patina_predict(session, samples, 2, &best));
  for (size_t i = 0; i < best->top; ++i)
    printf("%s %.4f\n", best->scores[i].name, best->scores[i].score);
  patina_free_predictions(best);
  check(patina_free_samples(samples));
  return patina_close(session) == PATINA_OK ? 0 : 1;
}
