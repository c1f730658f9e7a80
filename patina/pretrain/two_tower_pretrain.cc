#include "patina/pretrain/two_tower_pretrain.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "patina/algebra/subspace.h"
#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/config/folder_name.h"
#include "patina/config/recipe_file.h"
#include "patina/data/catalog.h"
#include "patina/learn/adapted.h"
#include "patina/learn/class_texts.h"
#include "patina/models/text/language_model.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/pretrain/epochs.h"
#include "patina/pretrain/sentences.h"
#include "patina/pretrain/token_drop.h"
#include "patina/session/engine.h"
#include "patina/session/feed.h"

namespace patina {

void TextTowerOptions::bind(Fields& f) {
  f("width", width, "Channels of a token; at most the teacher's.", between(8, 4096));
  f("depth", depth, "Blocks.", between(1, 100));
  f("heads", heads, "Attention heads; divides width.", between(1, 256));
  f("positions", positions, "Tokens of its longest text.", between(8, 1024));
  f.require(width % heads == 0, "heads", "must divide width");
}

void CaptionOptions::bind(Fields& f) {
  f("templates", templates, "Sentences around a class name, which replaces {}.");
  f("words", words,
    "Words of the teacher's vocabulary that the text tower learns beside the class names.",
    at_least(0));
  f("words_per_step", words_per_step, "Captions of such words in a step.", at_least(0));
  f.require(!templates.empty() &&
                std::ranges::all_of(
                    templates, [](const auto& t) { return t.find("{}") != std::string::npos; }),
            "templates", "needs a sentence, and each needs {} where the class name goes");
}

void TwoTowerTraining::bind(Fields& f) {
  f("epochs", epochs, "Passes over the training set.", at_least(1));
  f("batch_size", batch_size, "Images with a caption each in a step.", at_least(2));
  f("image_tower", image_tower,
    "Whether the image tower learns. Otherwise it stays (LiT, Zhai et al., CVPR 2022), and its "
    "features of the images as they are tested are computed once.");
  f("keep_tokens", keep_tokens,
    "Part of the patches a training step sees, drawn anew each time (PatchDropout, Liu et al., "
    "WACV 2023).",
    {.low = 0, .high = 1, .low_open = true});
  f("full_epochs", full_epochs, "Epochs at the end that see every patch.", at_least(0));
  f("device", device,
    "Where to compute: cpu, cuda, cuda:1 or auto, the first GPU, otherwise the CPU.");
  optimizer.bind(f);
}

TwoTowerPretrainOptions::TwoTowerPretrainOptions() {
  image.name = "starter";
  teacher.model.name = "text_starter";
  train_transform.random_resized_crop = true;
  train_transform.scale = {0.3, 1};
  train_transform.flip = true;
  training.optimizer = {
      .optimizer = "adamw", .lr = 5e-4, .weight_decay = 0.05, .warmup_epochs = 1, .clip_norm = 1};
}

void TwoTowerPretrainOptions::bind(Fields& f) {
  f("kind", kind, "What is pre-trained: an encoder of images and one of texts.",
    {"images", "text", "two_tower"});
  folder_name(f, "name", name, "Name of the weights, and of the run's folder under runs/.");
  f("seed", seed, "Seed of the weights, the words, the captions, the order and the augmentation.",
    at_least(0));
  f.section("data", data, "The labelled images; the names of their classes are the captions.");
  f.section("image", image, "The vision transformer that begins as the image tower.");
  f.section("text", text, "The text tower.");
  f.section("teacher", teacher,
            "The sentence encoder that the text tower imitates, and whose words it has.");
  f.section("captions", captions, "From class names to texts.");
  f.section("train_transform", train_transform, "From stored image to training input.");
  f.section("test_transform", test_transform, "From stored image to test input.");
  f.section("training", training, "How it is trained.");
}

std::vector<int64_t> with_end_last(const Tokenizer& tokenizer) {
  const auto& after = tokenizer.frame().after;
  PATINA_REQUIRE(!after.empty(), "{} ends no text", tokenizer.about());
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < tokenizer.size(); ++id)
    if (id != after.back()) ids.push_back(id);
  ids.push_back(after.back());
  return ids;
}

std::vector<std::string> plain_words(const Tokenizer& tokenizer) {
  constexpr size_t kShortest = 3;
  std::vector<std::string> words;
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    const std::string token = tokenizer.token(id);
    if (token.size() >= kShortest &&
        std::ranges::all_of(token, [](char c) { return c >= 'a' && c <= 'z'; }))
      words.push_back(token);
  }
  return words;
}

namespace {

constexpr double kFirstScale = 1 / 0.07, kLargestScale = 100;  // of similarities, as CLIP's

// "goldfish, Carassius auratus": the first name.
std::vector<std::string> first_names(std::vector<std::string> classes) {
  for (auto& name : classes) name = name.substr(0, name.find(','));
  return classes;
}

Tensor tensor_named(const std::vector<nn::NamedTensor>& all, const std::string& name) {
  return std::ranges::find(all, name, &nn::NamedTensor::name)->tensor;
}

// The teacher, checked.
std::unique_ptr<LanguageModel> open_text_teacher(const TwoTowerPretrainOptions& options) {
  const auto& name = options.teacher.model.name;
  auto teacher = load_language_model(options.teacher.model);
  const Tokenizer* tokenizer = teacher->tokenizer();
  if (teacher->shape().family != "bert" || !tokenizer || tokenizer->special().separator < 0)
    fail(ErrorKind::recipe,
         "teacher.name: {} is {}, and a BERT with a WordPiece vocabulary is needed", name,
         teacher->about());
  if (options.text.width > teacher->width())
    fail(ErrorKind::recipe, "text.width is {}, but the teacher's words have {} numbers",
         options.text.width, teacher->width());
  return teacher;
}

// Captions of names, template by template, as texts for the teacher and ids for the student.
class Captions {
 public:
  Captions(const std::vector<std::string>& names, const std::vector<std::string>& templates,
           const Tokenizer& tokenizer, int64_t longest)
      : templates_(int64_t(templates.size())), tokenizer_(tokenizer) {
    for (const auto& name : names)
      for (const auto& sentence : templates) {
        texts_.push_back(sentence_with(name, sentence));
        encoded_.push_back(tokenizer.encode_framed(texts_.back(), {}, longest));
      }
  }

  const std::vector<std::string>& texts() const { return texts_; }
  /// A caption of a name.
  int64_t draw(int64_t name, Random& random) const {
    return name * templates_ + int64_t(random.below(uint64_t(templates_)));
  }
  Input input(const std::vector<int64_t>& chosen) const {
    std::vector<Encoding> rows;
    for (const int64_t i : chosen) rows.push_back(encoded_[size_t(i)]);
    return padded(rows, tokenizer_);
  }

 private:
  int64_t templates_;
  const Tokenizer& tokenizer_;
  std::vector<std::string> texts_;
  std::vector<Encoding> encoded_;
};

// Captions of a step: one of each class in it, and of other words.
struct Drawn {
  std::vector<int64_t> captions;
  std::vector<int64_t> of_images;  // which of them each image has
};
Drawn drawn_captions(const Captions& captions, const std::vector<int64_t>& targets, int64_t classes,
                     int64_t others, int64_t count, Random random) {
  Drawn drawn;
  std::map<int64_t, int64_t> of_class;
  for (const int64_t c : targets) {
    const auto [place, fresh] = of_class.try_emplace(c, int64_t(drawn.captions.size()));
    if (fresh) drawn.captions.push_back(captions.draw(c, random));
    drawn.of_images.push_back(place->second);
  }
  for (int64_t i = 0; others > 0 && i < count; ++i)
    drawn.captions.push_back(
        captions.draw(classes + int64_t(random.below(uint64_t(others))), random));
  return drawn;
}

// Features of images under the present towers: those of a batch, with a graph, or of the test
// split.
class Images {
 public:
  Images(const Clip& clip, const Tensor& train, const Tensor& test)
      : clip_(clip), train_(train), test_(test) {}

  Tensor operator()(const Batch& batch, const nn::Adaptations& adaptations = {}) const {
    return train_.defined() ? projected(train_.index_select(0, batch.row))
                            : clip_.features(batch.input, adaptations);
  }
  Tensor tested(const Batch& batch) const {
    return test_.defined() ? projected(test_.index_select(0, batch.row))
                           : clip_.features(batch.input);
  }

 private:
  Tensor projected(const Tensor& rows) const {
    return at::linear(on(clip_.place().device, rows), weight_of(clip_, "image_projection.weight"));
  }

  const Clip& clip_;
  Tensor train_, test_;  // before the projection, [N,D]; undefined: the tower computes
};

double accuracy_by_name(const Clip& clip, const Images& images, const Dataset& test,
                        const Tensor& classes, const Feed& feed, ThreadPool& pool) {
  Loader loader(test, feed, pool, 256);
  int64_t right = 0;
  while (const auto batch = loader.next()) {
    const Tensor best = clip.similarity(images.tested(*batch), classes).argmax(1);
    right += best.eq(batch->target).sum().item<int64_t>();
  }
  return double(right) / double(test.size());
}

}  // namespace

std::unique_ptr<Clip> two_towers(ViT& vit, const LanguageModel& teacher,
                                 const std::vector<int64_t>& words, const TextTowerOptions& options,
                                 Random& random) {
  ClipShape shape;
  shape.image = vit.shape();
  shape.image.classes = 0;
  shape.embedding = teacher.width();
  shape.normalize = vit.image_input()->normalize;
  shape.interpolation = vit.image_input()->interpolation;
  shape.text.block = {.width = options.width,
                      .heads = options.heads,
                      .hidden = 4 * options.width,
                      .activation = nn::Activation::gelu,
                      .eps = 1e-5};
  shape.text.depth = options.depth;
  shape.text.vocabulary = int64_t(words.size());
  shape.text.positions = shape.text.longest = options.positions;
  shape.text.causal = true;
  auto clip = std::make_unique<Clip>(shape);
  NoGrad no_grad;
  const auto pictures = nn::tensors(vit);
  for (auto& item : nn::tensors(*clip)) {
    if (item.name.starts_with("image."))
      item.tensor.copy_(tensor_named(pictures, item.name.substr(6)));
    else if (item.name.ends_with("_projection.weight"))
      nn::init_kaiming(item.tensor, random);
    else if (item.name.ends_with(".bias"))
      item.tensor.zero_();
    else if (item.name.starts_with("text.") && item.tensor.dim() > 1)
      nn::init_truncated_normal(item.tensor, random);
    else if (item.name == "logit_scale")
      item.tensor.fill_(std::log(kFirstScale));
  }
  const Tensor table = teacher.text_tower().words()(tensor_of(words));
  const Tensor main = leading_rows(table, options.width).to(at::kFloat);
  tensor_named(nn::tensors(*clip), "text.embed.weight").copy_(at::matmul(table, main.t()));
  return clip;
}

double pretrain(TwoTowerPretrainOptions& options, const fs::path& folder, bool resume) {
  const auto& how = options.training;
  const Place place = place_of(how.device);
  begin_folder(folder, to_toml(options), resume);
  const auto teacher = open_text_teacher(options);

  ThreadPool pool;
  const Seeds seeds{uint64_t(options.seed)};
  const DataSplits data = open_data(options.data);
  if (data.train->is_text()) fail(ErrorKind::recipe, "data.name: the samples are not images");
  const Dataset train = whole(*data.train), test = whole(*data.test);
  const auto classes = first_names(data.train->classes());

  const Tokenizer& its = *teacher->tokenizer();
  const auto words = with_end_last(its);
  std::string vocabulary;
  for (const int64_t id : words) vocabulary += its.token(id) + "\n";
  Random weights = seeds("weights");
  const auto vit = load_vit(options.image);
  const auto clip = two_towers(*vit, *teacher, words, options.text, weights);
  clip->set_tokenizer(word_piece_tokenizer(vocabulary, "the text tower's vocabulary"));

  const auto others = drawn(plain_words(its), options.captions.words, seeds("words"));
  std::vector<std::string> names = classes;
  names.insert(names.end(), others.begin(), others.end());
  const Captions captions(names, options.captions.templates, *clip->tokenizer(),
                          options.text.positions);
  const Sentences sentences(captions.texts());
  EngineOptions engine;
  engine.precision = "fp32";
  engine.device = how.device;
  const auto kept_features = [&](Backbone& network, const Dataset& samples, const char* file) {
    network.set_engine(make_engine(engine));
    return teacher_features(network, place, samples, pool, folder / file);
  };
  const Tensor targets = kept_features(*teacher, whole(sentences), "teacher.safetensors");
  Tensor train_images, test_images;
  if (!how.image_tower) {
    train_images = kept_features(*vit, train, "images.safetensors");
    test_images = kept_features(*vit, test, "test_images.safetensors");
  }
  clip->to(place);
  const Images images(*clip, train_images, test_images);
  const auto train_feed = how.image_tower ? make_feed(*clip, *data.train, options.train_transform,
                                                      {}, "train_transform")
                                          : make_feed(*clip, *data.train, options.test_transform);
  const auto test_feed = make_feed(*clip, *data.test, options.test_transform);
  note(fmt::format("{}; {} captions", clip->about(), sentences.size()));

  double accuracy = 0;
  std::optional<TokenDrop> drop;  // of the epoch
  const EpochPlan plan{
      .epochs = how.epochs,
      .optimizer = how.optimizer,
      .not_decayed = {"image.cls_token", "image.pos_embed", "text.position.weight"},
      .weights =
          [&](nn::Walk& w) {
            nn::Walk learned([&](const std::string& name, Tensor& tensor) {
              if (how.image_tower || !name.starts_with("image.")) w(name, tensor);
            });
            clip->walk(learned);
          },
      .loader =
          [&](int64_t epoch) {
            const double keep =
                !how.image_tower || epoch >= how.epochs - how.full_epochs ? 1 : how.keep_tokens;
            drop.reset();
            if (keep < 1) {
              drop.emplace(keep, seeds("tokens", uint64_t(epoch)));
              drop->set_tower(nn::Tower::image);
            }
            return std::make_unique<Loader>(
                train, *train_feed, pool, seeds("order", uint64_t(epoch)).permutation(train.size()),
                how.batch_size, seeds("augment", uint64_t(epoch)));
          },
      .loss =
          [&](const Batch& batch, const StepAt& at) {
            {
              NoGrad no_grad;
              tensor_named(nn::tensors(*clip), "logit_scale").clamp_max_(std::log(kLargestScale));
            }
            const Drawn chosen =
                drawn_captions(captions, items_of(on_host(batch.target)), int64_t(classes.size()),
                               int64_t(others.size()), options.captions.words_per_step,
                               seeds("captions", uint64_t(at.epoch)).at(uint64_t(at.step)));
            const Tensor texts = clip->features(captions.input(chosen.captions).on(place.device));
            const Tensor wanted =
                on(place.device, targets.index_select(0, tensor_of(chosen.captions)));
            const Tensor own = texts.index_select(0, tensor_of(chosen.of_images, place.device));
            const Tensor shown = images(batch, drop ? nn::Adaptations{&*drop} : nn::Adaptations{});
            return contrastive_loss(clip->similarity(shown, own), batch.target) +
                   options.teacher.weight * nn::cosine_distance(texts, wanted);
          },
      .end =
          [&](int64_t epoch) {
            NoGrad no_grad;
            const ClassTexts texts(*clip, {.templates = options.captions.templates});
            accuracy =
                accuracy_by_name(*clip, images, test, texts.encoded(classes), *test_feed, pool);
            save_clip(*clip, vocabulary, folder / "weights.safetensors", /*bf16=*/true,
                      {{"name", options.name}, {"epochs", std::to_string(epoch)}});
            return fmt::format("test accuracy by names {:.1f} %", 100 * accuracy);
          }};
  train_epochs(plan, folder, place, resume);
  return accuracy;
}

}  // namespace patina
