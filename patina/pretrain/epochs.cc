#include "patina/pretrain/epochs.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/archive.h"
#include "patina/nn/module.h"

namespace patina {

namespace {

constexpr const char* kState = "state.safetensors";

// The weights of a plan, and how far they are.
struct Progressed {
  const std::function<void(nn::Walk&)>& weights;
  int64_t epoch = 0;
  std::vector<Tensor> optimizer = {};

  void walk(nn::Walk& w) { weights(w); }
  void state(Archive& a) {
    nn::Walk walk_tensors([&](const std::string& name, Tensor& tensor) { a(name, tensor); });
    walk(walk_tensors);
    a("epoch", epoch);
    a("optimizer", optimizer);
  }
};

}  // namespace

void begin_folder(const fs::path& folder, const std::string& recipe, bool resume) {
  if (!resume && fs::exists(folder / kState))
    fail(ErrorKind::state,
         "{} already contains a run: continue it with --resume or choose another --out",
         folder.string());
  make_folder(folder);
  write_text(folder / "recipe.toml", recipe);
}

void train_epochs(const EpochPlan& plan, const fs::path& folder, const Place& place, bool resume) {
  Progressed training{plan.weights};
  nn::bring(training, place);
  nn::freeze(training, false);
  if (resume && fs::exists(folder / kState)) {
    auto archive = Archive::read(folder / kState);
    const Archive::MadeOn there(archive, place.device);
    training.state(archive);
    note(fmt::format("continuing after epoch {}", training.epoch));
  }

  // Biases and norms are not decayed.
  std::vector<ParamGroup> groups(2);
  groups[1].weight_decay_factor = 0;
  for (const auto& item : nn::trainable(training))
    groups[item.tensor.dim() < 2 || std::ranges::count(plan.not_decayed, item.name) > 0]
        .tensors.push_back(item.tensor);
  Optimizer optimizer(plan.optimizer, groups);
  if (!training.optimizer.empty()) optimizer.set_state(training.optimizer);

  while (training.epoch < plan.epochs) {
    const int64_t epoch = training.epoch;
    const auto loader = plan.loader(epoch);
    Progress progress(fmt::format("epoch {}/{}", epoch + 1, plan.epochs), loader->batches(),
                      "batches");
    double loss_sum = 0;
    int64_t step = 0;
    while (const auto batch = loader->next()) {
      optimizer.zero_grad();
      const Tensor loss = plan.loss(*batch, {epoch, step});
      loss.backward();
      const double at = double(epoch) + double(step) / double(loader->batches());
      optimizer.step(learning_rate(plan.optimizer, at, plan.epochs),
                     unscaled_rate(plan.optimizer, at, plan.epochs));
      loss_sum += loss.item<double>();
      ++step;
      progress.advance();
      progress.note(fmt::format("loss {:.3f}", loss_sum / double(step)));
    }
    const std::string tested = plan.end(epoch + 1);
    training.epoch = epoch + 1;
    training.optimizer = optimizer.state();
    Archive archive;
    training.state(archive);
    archive.write(folder / kState);
    note(fmt::format("epoch {}/{}: loss {:.3f}, {}", training.epoch, plan.epochs,
                     loss_sum / double(loader->batches()), tested));
  }
}

}  // namespace patina
