// Uses an installed patina as an application does: a session that learns, predicts, is saved and
// opened, and is asked from several threads while it learns. Exits 0 when all of it works.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "patina/ops.h"
#include "patina/patina.h"

namespace {

using namespace patina;
namespace ops = patina::at;  // LibTorch has an `at`, too

// `count` images of one colour: [count,3,32,32] uint8.
Tensor squares(int64_t count, int red, int green, int blue) {
  Tensor images = ops::empty({count, 3, 32, 32}, ops::kByte);
  const std::vector<int> colour{red, green, blue};
  for (int64_t c = 0; c < 3; ++c) images.select(1, c).fill_(colour[size_t(c)]);
  return images;
}

bool learns_and_predicts(const fs::path& file) {
  const Tensor images =
      ops::cat({squares(5, 220, 30, 30), squares(5, 30, 200, 40), squares(5, 40, 50, 220)});
  const std::vector<int64_t> labels{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2};

  auto backbone = load_backbone({.name = "starter"});
  auto session = Session::create(
      std::move(backbone), {.learner = "ranpac",
                            .options = options::Ranpac{.adaptation = "none", .projection = 200},
                            .seed = 1993});
  session.learn(images, labels, {"red", "green", "blue"});  // one task
  const auto top = session.predict(images[0], {.top = 5});  // class names and scores
  session.save(file);
  auto again = Session::open(file);
  if (top.front().name != "red" || top.size() != 3) return false;

  // Readers go on while another thread teaches a fourth class.
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0, answers = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!done || answers < 10) {
        wrong += again.predict(images[7]).front().name != "green";
        ++answers;
      }
    });
  again.learn(squares(5, 230, 220, 40), {0, 0, 0, 0, 0}, {"yellow"});
  done = true;
  for (auto& reader : readers) reader.join();
  if (wrong > 0 || again.classes().size() != 4) return false;
  return again.predict(squares(1, 225, 215, 45)[0]).front().name == "yellow";
}

bool refuses_in_words() try {
  auto session = Session::create(load_backbone({.name = "starter"}), {});
  (void)session.predict(squares(1, 0, 0, 0)[0]);
  return false;
} catch (const Error& error) {
  std::printf("refused: %s\n", error.what());
  return true;
}

}  // namespace

int main(int, char** argv) {
  return learns_and_predicts(fs::path(argv[0]).replace_filename("squares.patina")) &&
                 refuses_in_words()
             ? 0
             : 1;
}
