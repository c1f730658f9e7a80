// Uses an installed patina through its one header: SimpleCIL learns four plain colours, two at a
// time, from the starter backbone's features. Exits 0 when it then knows all of them and the files,
// tensors and metrics of both libraries work.
#include <algorithm>
#include <array>
#include <cstdio>

#include "patina/patina.h"

#include "patina/checkpoint/safetensors.h"

namespace {

using namespace patina;

// Squares of one colour each, which differs a little from sample to sample.
class Squares : public Source {
 public:
  explicit Squares(int64_t per_class) : per_class_(per_class) {}
  int64_t size() const override { return per_class_ * int64_t(classes_.size()); }
  int64_t label(int64_t i) const override { return i % int64_t(classes_.size()); }
  std::string origin(int64_t i) const override { return "square " + std::to_string(i); }
  const std::vector<std::string>& classes() const override { return classes_; }
  Image image(int64_t i) const override {
    constexpr std::array<std::array<int, 3>, 4> kColours = {
        {{220, 30, 30}, {30, 200, 40}, {40, 50, 220}, {230, 220, 40}}};
    Image image(32, 32);
    for (size_t p = 0; p < image.pixels.size(); ++p)
      image.pixels[p] = uint8_t(kColours[size_t(label(i))][p % 3] + i / 4 % 5 * 4);
    return image;
  }

 private:
  int64_t per_class_;
  std::vector<std::string> classes_{"red", "green", "blue", "yellow"};
};

// The part of all test samples that SimpleCIL knows after the last task.
double accuracy_of_simplecil() {
  const DataSplits data{"squares", std::make_unique<Squares>(4), std::make_unique<Squares>(2)};
  const auto backbone = load_backbone({});
  backbone->set_engine(make_engine({}));
  const auto feed = make_feed(*backbone, *data.train);
  ThreadPool pool(1);
  const Seeds seeds(1993);
  const SampleLoader samples(*data.train, *feed, pool);
  const Scenario scenario = make_scenario({.classes_per_task = 2}, data);

  const LearnerRow* row = find_learner("simplecil");
  const auto learner = row->make({*backbone, seeds, scenario.grant(), &samples}, *row->options());
  Trainer trainer(row->training, *feed, *feed, pool, seeds);
  Stream stream = scenario.stream();
  while (const auto task = stream.next()) trainer.learn(*learner, *task, scenario.grant());

  int64_t right = 0, asked = 0;
  for (int task = 0; task < scenario.tasks(); ++task) {
    trainer.each_batch(scenario.test(task), "test", [&](const Batch& batch) {
      const auto best = items_of(learner->scores(batch).argmax(1)), target = items_of(batch.target);
      for (size_t i = 0; i < best.size(); ++i) right += best[i] == target[i];
      asked += batch.size();
    });
  }
  return double(right) / double(asked);
}

bool writes_and_reads(const fs::path& file) {
  const std::vector<int64_t> items{3, 1, 2};
  const Tensor tensor = tensor_of(items);
  const auto* bytes = static_cast<const uint8_t*>(tensor.data_ptr());
  write_safetensors(file, {{"items", {DType::i64, {3}, {bytes, 24}}}});
  const auto written = SafetensorsFile::open(file);
  return written.at("items").shape == std::vector<int64_t>{3} && items_of(tensor) == items;
}

}  // namespace

int main(int, char** argv) {
  prepare_cpu(1);
  AccuracyMatrix matrix(1);
  matrix.set(1, 0, accuracy_of_simplecil());
  const auto accuracy = metric("average_accuracy").value(matrix);
  std::printf("patina %s: %zu learners, accuracy of simplecil %.2f\n", kVersion, learners().size(),
              accuracy.value_or(-1));
  return accuracy == 1.0 &&
                 writes_and_reads(fs::path(argv[0]).replace_filename("consumer.safetensors"))
             ? 0
             : 1;
}
