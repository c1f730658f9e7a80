#include "patina/pretrain/text_pretrain.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/config/folder_name.h"
#include "patina/config/recipe_file.h"
#include "patina/data/catalog.h"
#include "patina/data/order.h"
#include "patina/models/text/bert.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/pretrain/epochs.h"
#include "patina/session/engine.h"
#include "patina/session/feed.h"

namespace patina {

void TextStudentOptions::bind(Fields& f) {
  f("vocabulary", vocabulary,
    "Tokens it keeps of the teacher's vocabulary: those most frequent in the texts.",
    between(300, 1 << 20));
  f("layers", layers, "The teacher's blocks it begins with, from 0.", between(0, 1000));
  f.require(!layers.empty(), "layers", "needs at least one block");
  f("hidden", hidden, "Units it keeps of each block's MLP.", between(1, 65536));
  f("positions", positions, "Tokens of its longest text.", between(8, 65536));
}

void TextTraining::bind(Fields& f) {
  f("epochs", epochs, "Passes over the sentences.", at_least(1));
  f("batch_size", batch_size, "Sentences a step.", at_least(2));
  f("similarity", similarity,
    "Weight of the mean squared difference between the student's and the teacher's cosines of all "
    "pairs in a batch (Tung and Mori, ICCV 2019).",
    at_least(0));
  f("masked", masked,
    "Weight of the loss of masked words: 15 % of the tokens (Devlin et al., NAACL 2019).",
    at_least(0));
  f("masked_every", masked_every, "Steps from one batch with masked words to the next.",
    at_least(1));
  f("device", device,
    "Where to compute: cpu, cuda, cuda:1 or auto, the first GPU, otherwise the CPU.");
  optimizer.bind(f);
}

TextPretrainOptions::TextPretrainOptions() {
  teacher.model.name = "";
  training.optimizer = {
      .optimizer = "adamw", .lr = 5e-4, .weight_decay = 0.01, .warmup_epochs = 0.2, .clip_norm = 1};
}

void TextPretrainOptions::bind(Fields& f) {
  f("kind", kind, "What is pre-trained: an encoder of texts.", {"images", "text", "two_tower"});
  folder_name(f, "name", name, "Name of the weights, and of the run's folder under runs/.");
  f("seed", seed, "Seed of the sentences, the order, the masks and the new weights.", at_least(0));
  f.section("data", data, "The texts; their labels are not read.");
  f.section("sentences", sentences, "Which of their sentences are used.");
  f.section("model", model, "The network to train: what it keeps of the teacher.");
  f.section("teacher", teacher, "The sentence encoder to cut it out of, and to imitate: a BERT.");
  f.section("training", training, "How it is trained.");
}

std::vector<int64_t> kept_words(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                                int64_t size) {
  const SpecialTokens& special = tokenizer.special();
  std::set<int64_t> kept;
  for (const int64_t id :
       {special.unknown, special.separator, special.classifier, special.pad, special.mask})
    if (id >= 0) kept.insert(id);
  for (char c = '!'; c <= '~'; ++c)
    for (const std::string& piece : {std::string(1, c), std::string("##") + c})
      if (const auto id = tokenizer.id(piece)) kept.insert(*id);

  std::vector<int64_t> met(size_t(tokenizer.size())), order(met.size());
  for (const auto& text : texts)
    for (const int64_t id : tokenizer.encode(text)) ++met[size_t(id)];
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](int64_t id) { return met[size_t(id)]; });
  for (const int64_t id : order) {
    if (int64_t(kept.size()) >= size) break;
    kept.insert(id);
  }
  return {kept.begin(), kept.end()};
}

namespace {

constexpr double kMaskedPart = 0.15;
constexpr int64_t kIgnored = -100;

// Rows of fc1, and columns of fc2, that matter most.
Tensor largest_units(const Tensor& fc1, const Tensor& fc2, int64_t count) {
  const Tensor weight = at::linalg_vector_norm(fc1, 2, at::IntArrayRef{1}) *
                        at::linalg_vector_norm(fc2, 2, at::IntArrayRef{0});
  return std::get<0>(at::sort(std::get<1>(at::topk(weight, count))));
}

// A tensor of the student, cut out of the teacher's tensors.
class Cutting {
 public:
  Cutting(LanguageModel& teacher, const std::vector<int64_t>& words,
          const TextStudentOptions& options)
      : words_(tensor_of(words)), options_(options) {
    for (const auto& item : nn::tensors(teacher)) tensors_[item.name] = on_host(item.floats());
    for (const int64_t layer : options.layers) {
      const std::string mlp = fmt::format("{}{}.mlp.", kBlocks, layer);
      units_.push_back(largest_units(tensors_.at(mlp + "fc1.weight"),
                                     tensors_.at(mlp + "fc2.weight"), options.hidden));
    }
  }

  Tensor operator()(const std::string& name) const {
    if (name == "text.embed.weight") return tensors_.at(name).index_select(0, words_);
    if (name == "text.position.weight") return tensors_.at(name).slice(0, 0, options_.positions);
    if (!name.starts_with(kBlocks)) return tensors_.at(name);
    const size_t dot = name.find('.', kBlocks.size());
    const size_t block = std::stoul(name.substr(kBlocks.size(), dot - kBlocks.size()));
    const std::string rest = name.substr(dot);
    const Tensor whole = tensors_.at(fmt::format("{}{}{}", kBlocks, options_.layers[block], rest));
    if (rest.starts_with(".mlp.fc1")) return whole.index_select(0, units_[block]);
    if (rest == ".mlp.fc2.weight") return whole.index_select(1, units_[block]);
    return whole;
  }

 private:
  static constexpr std::string_view kBlocks = "text.blocks.";
  Tensor words_;
  const TextStudentOptions& options_;
  std::map<std::string, Tensor> tensors_;
  std::vector<Tensor> units_;  // of each of the student's blocks
};

// A batch with masked words: its input, and each token's own id where it is to be told, else -100.
struct MaskedWords {
  Input input;
  Tensor labels;  // [B,T]
};

// Of the tokens to tell, 80 % become [MASK], 10 % any token, and 10 % stay.
MaskedWords with_masks(const Input& input, const SpecialTokens& special, int64_t vocabulary,
                       Random random) {
  std::vector<int64_t> ids = items_of(input.data.reshape(-1)), labels(ids.size(), kIgnored);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int64_t id = ids[i];
    if (id == special.pad || id == special.classifier || id == special.separator) continue;
    if (!random.chance(kMaskedPart)) continue;
    labels[i] = id;
    const double what = random.uniform();
    if (what < 0.8)
      ids[i] = special.mask;
    else if (what < 0.9)
      ids[i] = int64_t(random.below(uint64_t(vocabulary)));
  }
  const auto tensor = [&](const std::vector<int64_t>& items) {
    return tensor_of(items, input.data.device()).view_as(input.data);
  };
  return {{tensor(ids), input.mask, input.types}, tensor(labels)};
}

// The head scores only the words to tell.
Tensor masked_loss(const LanguageModel& model, const MaskedWords& masked) {
  const Tensor labels = masked.labels.reshape(-1);
  const Tensor rows = labels.ne(kIgnored).nonzero().squeeze(1);
  const Tensor tokens = model.tokens(masked.input).flatten(0, 1).index_select(0, rows);
  if (rows.numel() == 0) return tokens.sum();
  return nn::cross_entropy(model.word_scores(tokens.unsqueeze(0)).squeeze(0),
                           labels.index_select(0, rows));
}

// The mean squared difference of all pairs' cosines; a, b [B,D] with rows of length one.
Tensor similarity_loss(const Tensor& a, const Tensor& b) {
  return at::mse_loss(at::mm(a, a.t()), at::mm(b, b.t()));
}

double mean_cosine(const LanguageModel& model, const Dataset& test, const Tensor& wanted,
                   const Feed& feed, ThreadPool& pool) {
  constexpr int64_t kBatch = 128;
  NoGrad no_grad;
  Loader loader(test, feed, pool, kBatch);
  double sum = 0;
  while (const auto batch = loader.next()) {
    const Tensor features = on_host(model.features(batch->input));
    sum += at::cosine_similarity(features, wanted.index_select(0, batch->row)).sum().item<double>();
  }
  return sum / double(test.size());
}

// The teacher, checked.
std::unique_ptr<LanguageModel> open_teacher(const TextPretrainOptions& options) {
  const auto& name = options.teacher.model.name;
  if (name.empty())
    fail(ErrorKind::recipe,
         "teacher.name is empty: name a sentence encoder's folder, such as the one that "
         "tools/weights minilm fetches");
  auto bert = load_language_model(options.teacher.model);
  if (bert->shape().family != "bert")
    fail(ErrorKind::recipe, "teacher.name: {} is {}, and a BERT is needed", name, bert->about());
  if (!bert->tokenizer() || bert->tokenizer()->special().mask < 0)
    fail(ErrorKind::recipe, "teacher.name: {} has no tokenizer with a [MASK] beside its weights",
         name);
  if (!bert->shape().unit_length)
    fail(ErrorKind::recipe,
         "teacher.name: {} is no sentence encoder whose features have length one: its modules.json "
         "lacks Normalize",
         name);
  return bert;
}

}  // namespace

std::unique_ptr<LanguageModel> cut_out(LanguageModel& teacher, const std::vector<int64_t>& words,
                                       const TextStudentOptions& options, Random& random) {
  LanguageShape shape = teacher.shape();
  const auto largest = std::ranges::max(options.layers);
  if (largest >= shape.text.depth)
    fail(ErrorKind::recipe, "model.layers has {}, but the teacher's blocks are 0 to {}", largest,
         shape.text.depth - 1);
  if (options.hidden > shape.text.block.hidden)
    fail(ErrorKind::recipe, "model.hidden is {}, but the teacher's MLPs have {} units",
         options.hidden, shape.text.block.hidden);
  if (options.positions > shape.text.positions)
    fail(ErrorKind::recipe, "model.positions is {}, but the teacher has {}", options.positions,
         shape.text.positions);
  shape.text.vocabulary = int64_t(words.size());
  shape.text.positions = shape.text.longest = options.positions;
  shape.text.depth = int64_t(options.layers.size());
  shape.text.block.hidden = options.hidden;
  shape.pooling = Pooling::mean;
  shape.unit_length = true;
  shape.pooler = shape.next_sentence = shape.class_dense = false;
  shape.classes = 0;
  shape.words = true;
  shape.word_head = {.transform = true,
                     .activation = shape.text.block.activation,
                     .tied = true,
                     .bias = true,
                     .eps = shape.text.block.eps};
  auto student = std::make_unique<LanguageModel>(shape);
  const Cutting cut(teacher, words, options);
  NoGrad no_grad;
  for (auto& item : nn::tensors(*student)) {
    if (item.name.starts_with("text."))
      item.tensor.copy_(cut(item.name));
    else if (item.name == "word_head.transform.weight")
      nn::init_truncated_normal(item.tensor, random);
    else if (item.name == "word_head.transform.bias")
      item.tensor.zero_();
  }
  return student;
}

double pretrain(TextPretrainOptions& options, const fs::path& folder, bool resume) {
  const auto& how = options.training;
  const Place place = place_of(how.device);
  begin_folder(folder, to_toml(options), resume);
  const auto teacher = open_teacher(options);
  const Tokenizer& its = *teacher->tokenizer();

  ThreadPool pool;
  const Seeds seeds{uint64_t(options.seed)};
  const DataSplits data = open_data(options.data);
  if (!data.train->is_text()) fail(ErrorKind::recipe, "data.name: the samples are not texts");
  const auto all = sentences_of(*data.train, options.sentences);
  const auto tests = sentences_of(*data.test, options.sentences);
  if (all.empty() || tests.empty())
    fail(ErrorKind::recipe, "data: no sentence of {} to {} words (sentences.shortest and longest)",
         options.sentences.shortest, options.sentences.longest);
  const Sentences train_source(drawn(all, options.sentences.train, seeds("sentences")));
  const Sentences test_source(drawn(tests, options.sentences.test, seeds("test_sentences")));
  const Dataset train = whole(train_source), test = whole(test_source);

  const auto words = kept_words(its, all, options.model.vocabulary);
  std::string vocabulary;
  for (const int64_t id : words) vocabulary += its.token(id) + "\n";
  Random weights = seeds("weights");
  const auto student = cut_out(*teacher, words, options.model, weights);
  student->set_tokenizer(word_piece_tokenizer(vocabulary, "the student's vocabulary"));
  EngineOptions engine;
  engine.precision = "fp32";
  engine.device = how.device;
  teacher->set_engine(make_engine(engine));
  const auto features_of = [&](const Dataset& samples, const char* file) {
    return teacher_features(*teacher, place, samples, pool, folder / file);
  };
  const Tensor targets = features_of(train, "teacher.safetensors");
  const Tensor test_targets = features_of(test, "teacher_test.safetensors");
  student->to(place);
  const auto feed = make_feed(*student, train_source);
  const auto lengths = costs(*feed, train);
  int64_t kept = 0;
  for (const auto& item : nn::tensors(*student))
    if (item.name.starts_with("text.")) kept += item.tensor.numel();
  note(fmt::format("{} of {} sentences; {} weights", train.size(), all.size(), kept));

  double cosine = 0;
  const EpochPlan plan{
      .epochs = how.epochs,
      .optimizer = how.optimizer,
      .not_decayed = {"text.position.weight", "text.type.weight"},
      .weights = [&](nn::Walk& w) { student->walk(w); },
      .loader =
          [&](int64_t epoch) {
            const uint64_t e = uint64_t(epoch);
            return std::make_unique<Loader>(train, *feed, pool,
                                            bucketed(seeds("order", e).permutation(train.size()),
                                                     lengths, how.batch_size, seeds("batches", e)),
                                            how.batch_size, seeds("augment", e));
          },
      .loss =
          [&](const Batch& batch, const StepAt& at) {
            const Tensor wanted = on(place.device, targets.index_select(0, batch.row));
            const Tensor features = student->features(batch.input);
            Tensor loss = options.teacher.weight * nn::cosine_distance(features, wanted);
            if (how.similarity > 0)
              loss = loss + how.similarity * similarity_loss(features, wanted);
            if (how.masked > 0 && at.step % how.masked_every == 0)
              loss = loss +
                     how.masked *
                         masked_loss(
                             *student,
                             with_masks(batch.input, student->tokenizer()->special(),
                                        int64_t(words.size()),
                                        seeds("masks", uint64_t(at.epoch)).at(uint64_t(at.step))));
            return loss;
          },
      .end =
          [&](int64_t epoch) {
            cosine = mean_cosine(*student, test, test_targets, *feed, pool);
            save_bert(*student, vocabulary, folder / "weights.safetensors", /*bf16=*/true,
                      {{"name", options.name}, {"epochs", std::to_string(epoch)}});
            return fmt::format("test cosine {:.4f}", cosine);
          }};
  train_epochs(plan, folder, place, resume);
  return cosine;
}

}  // namespace patina
