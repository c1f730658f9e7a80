// Uses an installed patina from both of its libraries: metrics and weight files from patina::core,
// tensors and the registry from patina::patina. Exits 0 when all of it works.
#include <cstdio>
#include <filesystem>

#include "patina/checkpoint/safetensors.h"
#include "patina/eval/matrix.h"
#include "patina/learners/registry.h"
#include "patina/tensor.h"
#include "patina/version.h"

int main(int, char** argv) {
  using namespace patina;
  prepare_cpu(1);
  const std::vector<int64_t> items{3, 1, 2};
  Tensor tensor = tensor_of(items);

  const fs::path file = fs::path(argv[0]).replace_filename("consumer.safetensors");
  const auto* bytes = static_cast<const uint8_t*>(tensor.data_ptr());
  write_safetensors(file, {{"items", {DType::i64, {3}, {bytes, 24}}}});
  const auto written = SafetensorsFile::open(file);

  AccuracyMatrix matrix(1);
  matrix.set(1, 0, 0.75);
  const auto accuracy = metric("average_accuracy").value(matrix);

  std::printf("patina %s: %zu learners, items of shape %s, average accuracy %.2f\n", kVersion,
              learners().size(), shape_text(tensor.sizes()).c_str(), accuracy.value_or(-1));
  const bool good = written.at("items").shape == std::vector<int64_t>{3} &&
                    items_of(tensor) == items && find_learner("simplecil") != nullptr &&
                    accuracy == 0.75;
  return good ? 0 : 1;
}
