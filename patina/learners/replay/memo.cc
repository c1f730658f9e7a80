// MEMO: tasks share all blocks of a vision transformer but the last. Every task adds a last block
// of its own, and one head reads the concatenated outputs. Zhou et al., "A Model or 603 Exemplars:
// Towards Memory-Efficient Class-Incremental Learning", ICLR 2023.
#include "patina/adapt/per_sample.h"
#include "patina/base/error.h"
#include "patina/learners/replay/der.h"

namespace patina {

class Memo : public Der {
 public:
  struct Options : LearnerOptions, DerOptions {
    void bind(Fields& f) override { DerOptions::bind(f); }
  };

  Memo(Setup setup, const Options& options)
      : Der(setup, options), last_(int(setup.backbone.layers()) - 1) {
    if (own_tensors(newest()).empty())
      fail(ErrorKind::recipe,
           "memo divides a vision transformer before its last block; this network is {}",
           newest().about());
  }

 private:
  // The task-specific part: the last block and the norms after it.
  bool is_own(const std::string& name) const {
    if (name.starts_with("blocks.")) return name.starts_with(fmt::format("blocks.{}.", last_));
    return name.find("norm.") != std::string::npos;
  }
  std::vector<nn::NamedTensor> own_tensors(Backbone& network) const {
    std::vector<nn::NamedTensor> own;
    for (auto& item : nn::tensors(network))
      if (is_own(item.name)) own.push_back(item);
    return own;
  }

  // Copies the task-specific part; everything else is shared with the newest network.
  std::unique_ptr<Backbone> kept() const override {
    auto network = newest().clone();
    nn::freeze(*network);
    auto from = nn::tensors(newest());
    nn::Walk walk([&, next = from.begin()](const std::string& name, Tensor& tensor) mutable {
      if (!is_own(name)) tensor = next->tensor.detach();
      ++next;
    });
    network->walk(walk);
    return network;
  }
  void state_of(Archive& a, const std::string& key, Backbone& network) override {
    for (auto& item : own_tensors(network)) a(key + "." + item.name, item.tensor);
  }
  void unfreeze(Backbone& newest) override {
    nn::freeze(newest);
    for (auto& item : own_tensors(newest)) item.tensor.requires_grad_(true);
  }

  // The shared blocks are computed once.
  std::vector<Tensor> features(const Input& input) const override {
    if (earlier().empty()) return {newest().features(input)};
    adapt::KeptTokens entering(last_);
    const Tensor own = newest().features(input, {&entering});
    adapt::FromTokens from(last_, entering.kept());
    std::vector<Tensor> parts;
    for (const auto& network : earlier()) parts.push_back(network->features(input, {&from}));
    parts.push_back(own);
    return parts;
  }

  int last_;  // index of the last block
};

LearnerRow memo_learner() {
  return learner_row<Memo>(
      {.paper = "Zhou et al., ICLR 2023",
       .about =
           "Adds a last block for every task to a network that is otherwise shared, and a head "
           "over the features of all.",
       .stores = "The network, its last block and norm once more for every task, a head, the "
                 "memory's samples.",
       .differs = "LAMDA-PILOT, whose rate for pre-trained networks is the default, trains the "
                  "first task for 10 epochs and later ones for 20.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .training = {.epochs = 20,
                    .batch_size = 32,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
