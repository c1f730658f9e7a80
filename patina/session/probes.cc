#include "patina/session/probes.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/base/work.h"
#include "patina/data/order.h"
#include "patina/data/sample_access.h"
#include "patina/dist/row_shares.h"
#include "patina/models/experts.h"
#include "patina/models/generate.h"
#include "patina/ops.h"
#include "patina/session/feed.h"

namespace patina {

void ProbeOptions::bind(Fields& f) {
  f("probes", probes,
    "How tasks of texts are scored, one for all or one a task: a text metric of `patina list "
    "metrics`, \"answer_loss\", or \"likelihood\" (the likeliest of the task's answers); empty: "
    "exact_match, and for plain text bits_per_byte.");
  f("max_tokens", max_tokens, "Largest number of tokens of a written answer.", at_least(1));
  f("probe_batch", probe_batch, "Texts that a probe passes through the network at once.",
    at_least(1));
  f("ahead", ahead,
    "Whether tasks of texts are scored before they are learned, too; without it, row 0 and "
    "forward transfer are undefined.");
}

namespace {

const char* const kLikelihood = "likelihood";
const char* const kAnswerLoss = "answer_loss";

// What `body` makes of every sample: a row each, in the dataset's order.
Tensor each_row(const Dataset& data, const Feed& feed, const Asking& asking,
                const std::string& label, const std::function<Tensor(const Batch&)>& body) {
  const RowShares shares(asking.workers, costliest_first(costs(feed, data)), asking.batch);
  auto own = shares.own();
  Progress progress(label, int64_t(own.size()), feed.unit());
  Loader loader(data, feed, asking.pool, std::move(own), asking.batch, Random());
  NoGrad no_grad;
  Tensor rows;
  while (const auto batch = loader.next()) {
    stop_if_asked();
    put_rows(rows, data.size(), batch->row, body(*batch));
    progress.advance(batch->size());
  }
  shares.complete(rows);
  return rows;
}

std::string stripped(const std::string& text) {
  constexpr const char* kSpaces = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// The sum of -log p of each row's tokens that carry loss: [B], in double.
Tensor losses_of_rows(const Generator& learner, const Backbone& backbone, const Input& input) {
  const Tensor losses =
      on_host(mixed_losses(backbone, input, learner.experts(input))).to(at::kDouble);
  const Tensor row = on_host(input.loss.nonzero().select(1, 0));
  return at::zeros({input.size()}, losses.options()).index_add(0, row, losses);
}

class GenerateProbe : public Probe {
 public:
  explicit GenerateProbe(const TextMetric& metric)
      : Probe(metric.name, Direction::higher), metric_(metric) {}

  const TextMetric* compares() const override { return &metric_; }

  static std::vector<TextSample> written(const Generator& learner, const Asking& asking,
                                         const Dataset& test, const std::string& label) {
    const Source& source = SampleAccess::source(test);
    const Backbone& network = asking.backbone;
    const auto feed =
        make_answer_feed(network, asking.text, AnswerRows::prompts, asking.max_tokens);
    const Tokenizer& tokenizer = *network.tokenizer();
    const auto stops = feed->stops();
    // The tokens of each answer, behind their number.
    const Tensor written = each_row(test, *feed, asking, label, [&](const Batch& batch) {
      const auto answers = generate(network, batch.input, stops, {.max_tokens = asking.max_tokens},
                                    learner.experts(batch.input));
      Tensor rows = at::zeros({batch.size(), asking.max_tokens + 1}, at::kLong);
      for (size_t i = 0; i < answers.size(); ++i) {
        const auto row = host_items(rows).subspan(i * size_t(asking.max_tokens + 1));
        row[0] = int64_t(answers[i].size());
        std::ranges::copy(answers[i], row.begin() + 1);
      }
      return rows;
    });
    std::vector<TextSample> samples;
    for (int64_t i = 0; i < test.size(); ++i) {
      const Exchange exchange = source.exchange(SampleAccess::position(test, i));
      const std::string& asked = exchange.turns.back().content;
      const auto row = items_of(written[i]);
      const std::vector<int64_t> answer(row.begin() + 1, row.begin() + 1 + row[0]);
      samples.push_back({.prediction = stripped(tokenizer.decode(answer, /*skip_special=*/true)),
                         .references = exchange.answers,
                         .source = exchange.input.empty() ? asked : exchange.input});
    }
    return samples;
  }

  Score ask(const Generator& learner, const Asking& asking, const Dataset& test,
            const std::string& label, std::vector<GivenAnswer>& given) const override {
    const Source& source = SampleAccess::source(test);
    auto samples = written(learner, asking, test, label);
    const Score score = metric_.of_samples(samples);
    for (size_t i = 0; i < samples.size(); ++i)
      given.push_back(
          {source.origin(SampleAccess::position(test, int64_t(i))), std::move(samples[i])});
    return score;
  }

 private:
  const TextMetric& metric_;
};

class LossProbe : public Probe {
 public:
  LossProbe(std::string name, Score (*of_loss)(const TokenLoss&))
      : Probe(std::move(name), Direction::lower), of_loss_(of_loss) {}

  Score ask(const Generator& learner, const Asking& asking, const Dataset& test,
            const std::string& label, std::vector<GivenAnswer>&) const override {
    const Source& source = SampleAccess::source(test);
    const auto feed = make_answer_feed(asking.backbone, asking.text, AnswerRows::whole);
    // The loss of each sample, and its tokens.
    const Tensor rows = each_row(test, *feed, asking, label, [&](const Batch& batch) {
      const Tensor tokens = on_host(batch.input.loss.sum(1)).to(at::kDouble);
      return at::stack({losses_of_rows(learner, asking.backbone, batch.input), tokens}, 1);
    });
    TokenLoss loss;
    for (const int64_t i : costliest_first(costs(*feed, test)))
      loss.add(
          rows[i][0].item<double>(), int64_t(rows[i][1].item<double>()),
          bytes_of(*feed, source, SampleAccess::position(test, i), *asking.backbone.tokenizer()));
    return of_loss_(loss);
  }

 private:
  // The bytes of the text whose tokens carry loss; of a text that was cut, of what is left.
  static int64_t bytes_of(const AnswerFeed& feed, const Source& source, int64_t sample,
                          const Tokenizer& tokenizer) {
    const AnswerTokens tokens = feed.tokens(source, sample);
    if (tokens.cut == 0 && source.answer_kind() == AnswerKind::nothing)
      return int64_t(source.text(sample).first.size());
    std::vector<int64_t> counted;
    for (size_t i = 0; i < tokens.ids.size(); ++i)
      if (tokens.loss[i]) counted.push_back(tokens.ids[i]);
    return int64_t(tokenizer.decode(counted, /*skip_special=*/true).size());
  }

  Score (*of_loss_)(const TokenLoss&);
};

// Every sample once with each of some answers: sample i with answer a is number i A + a.
class Candidates : public Source {
 public:
  Candidates(const Dataset& samples, std::vector<std::string> answers)
      : samples_(samples), answers_(std::move(answers)) {}

  int64_t size() const override { return samples_.size() * int64_t(answers_.size()); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  bool has_images() const override { return source().has_images(); }
  Image image(int64_t i) const override { return source().image(position(i)); }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override {
    Exchange exchange = source().exchange(position(i));
    exchange.answers = {answers_[size_t(i) % answers_.size()]};
    return exchange;
  }
  std::string origin(int64_t i) const override { return source().origin(position(i)); }
  const std::vector<std::string>& classes() const override { return source().classes(); }

 private:
  const Source& source() const { return SampleAccess::source(samples_); }
  int64_t position(int64_t i) const {
    return SampleAccess::position(samples_, i / int64_t(answers_.size()));
  }

  const Dataset& samples_;
  std::vector<std::string> answers_;
};

class LikelihoodProbe : public Probe {
 public:
  LikelihoodProbe() : Probe(kLikelihood, Direction::higher) {}

  Score ask(const Generator& learner, const Asking& asking, const Dataset& test,
            const std::string& label, std::vector<GivenAnswer>&) const override {
    const Source& source = SampleAccess::source(test);
    std::map<std::string, int64_t> numbers;
    std::vector<int64_t> right;
    std::vector<std::string> answers;
    for (int64_t i = 0; i < test.size(); ++i) {
      const std::string answer = source.exchange(SampleAccess::position(test, i)).answers.front();
      const auto [known, fresh] = numbers.emplace(answer, int64_t(answers.size()));
      if (fresh) answers.push_back(answer);
      right.push_back(known->second);
    }
    constexpr size_t kMostAnswers = 100;
    if (answers.size() > kMostAnswers)
      fail(ErrorKind::recipe,
           "evaluation.probes: \"{}\" compares all answers of a task, at most {}, and {} has {}: "
           "choose a metric of written answers, such as exact_match",
           kLikelihood, kMostAnswers, source.origin(SampleAccess::position(test, 0)),
           answers.size());
    if (test.size() == 0) return std::nullopt;
    const auto count = int64_t(answers.size());
    const Candidates candidates(test, std::move(answers));
    const auto feed = make_answer_feed(asking.backbone, asking.text, AnswerRows::whole);
    const Dataset all = whole(candidates);
    const Tensor losses = each_row(all, *feed, asking, label, [&](const Batch& batch) {
      return losses_of_rows(learner, asking.backbone, batch.input);
    });
    const Tensor likeliest = losses.view({-1, count}).argmin(1);
    return likeliest.eq(tensor_of(right)).to(at::kDouble).mean().item<double>();
  }
};

std::vector<std::string> probe_names() {
  std::vector<std::string> names = {kLikelihood, kAnswerLoss};
  for (const auto& metric : text_metrics()) names.push_back(metric.name);
  return names;
}

Score mean_loss(const TokenLoss& loss) {
  return loss.mean();
}

std::unique_ptr<Probe> probe_called(const std::string& name) {
  if (name == kLikelihood) return std::make_unique<LikelihoodProbe>();
  if (name == kAnswerLoss) return std::make_unique<LossProbe>(name, mean_loss);
  const auto metric = std::ranges::find(text_metrics(), name, &TextMetric::name);
  if (metric == text_metrics().end())
    fail(ErrorKind::recipe, "evaluation.probes: no probe is called \"{}\"{}", name,
         did_you_mean(name, probe_names()));
  if (metric->of_loss) return std::make_unique<LossProbe>(name, metric->of_loss);
  return std::make_unique<GenerateProbe>(*metric);
}

}  // namespace

std::unique_ptr<Probe> make_probe(const std::string& name, bool plain) {
  auto probe = probe_called(name);
  if (plain && probe->direction() == Direction::higher)
    fail(ErrorKind::recipe,
         "evaluation.probes: \"{}\" compares answers, and plain text has none: choose "
         "bits_per_byte, perplexity or answer_loss",
         probe->metric());
  return probe;
}

std::vector<Score> ask_all(const std::vector<std::unique_ptr<Probe>>& probes,
                           const Generator& learner, const Asking& asking, const Dataset& test,
                           const std::string& label) {
  std::vector<Score> scores;
  std::optional<std::vector<TextSample>> written;
  for (const auto& probe : probes) {
    std::vector<GivenAnswer> given;
    if (const TextMetric* metric = probe->compares()) {
      if (!written) written = GenerateProbe::written(learner, asking, test, label + ": answers");
      scores.push_back(metric->of_samples(*written));
    } else {
      scores.push_back(probe->ask(learner, asking, test, label + ": " + probe->metric(), given));
    }
  }
  return scores;
}

std::vector<std::unique_ptr<Probe>> probes_of(const ProbeOptions& options,
                                              const Scenario& scenario) {
  const auto tasks = size_t(scenario.tasks());
  const auto& names = options.probes;
  if (names.size() > 1 && names.size() != tasks)
    fail(ErrorKind::recipe,
         "evaluation.probes names {} probes, and the stream has {} tasks: name one for all, or one "
         "a task",
         names.size(), tasks);
  std::vector<std::unique_ptr<Probe>> probes;
  for (size_t task = 0; task < tasks; ++task) {
    const bool plain =
        SampleAccess::source(scenario.test(int(task))).answer_kind() == AnswerKind::nothing;
    const std::string usual = plain ? "bits_per_byte" : "exact_match";
    probes.push_back(
        make_probe(names.empty() ? usual : names[names.size() == 1 ? 0 : task], plain));
  }
  return probes;
}

}  // namespace patina
