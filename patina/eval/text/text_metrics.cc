// The table of text metrics. The value for a test set is the mean over samples. A sample with
// several references has the best score over them, unless the metric says otherwise.
#include "patina/eval/text/text_metrics.h"

#include "patina/eval/named_rows.h"
#include "patina/eval/text/bleu.h"
#include "patina/eval/text/edit_similarity.h"
#include "patina/eval/text/rouge.h"
#include "patina/eval/text/sari.h"
#include "patina/eval/text/text_match.h"

namespace patina {
namespace {

using Samples = std::span<const TextSample>;

/// The mean of score(sample). Undefined if there are no samples, or if one score is undefined.
template <class SampleScore>
Score mean(Samples samples, SampleScore score) {
  if (samples.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& sample : samples) {
    const Score one = score(sample);
    if (!one) return std::nullopt;
    sum += *one;
  }
  return sum / static_cast<double>(samples.size());
}

/// The mean of match(prediction, references).
template <Score (*match)(std::string_view, std::span<const std::string>)>
Score mean_match(Samples samples) {
  return mean(samples, [](const TextSample& s) { return match(s.prediction, s.references); });
}

/// The mean of the best score(prediction, reference).
template <auto score>
Score mean_best(Samples samples) {
  return mean(samples, [](const TextSample& s) {
    return best_over(s.references, [&](const auto& each) { return score(s.prediction, each); });
  });
}

template <size_t n, Stemming stemming>
Score rouge_n_f(std::string_view prediction, std::string_view reference) {
  return rouge_n(prediction, reference, n, stemming).f;
}

template <auto rouge, Stemming stemming>
Score rouge_f(std::string_view prediction, std::string_view reference) {
  return rouge(prediction, reference, stemming).f;
}

// TRACE leaves samples without a score out of the sum, but counts them in the divisor.
Score trace_rouge(std::string_view prediction, std::string_view reference) {
  return trace_rouge_l_f(prediction, reference).value_or(0);
}

template <size_t order>
Score trace_bleu_n(std::string_view prediction, std::string_view reference) {
  return trace_bleu(prediction, reference, order);
}

Score score_of(const std::optional<Bleu>& bleu) {
  return bleu ? Score(bleu->score) : std::nullopt;
}

template <Case letters>
Score whole_bleu(Samples samples) {
  return score_of(corpus_bleu(samples, letters));
}

Score mean_sentence_bleu(Samples samples) {
  return mean(samples, [](const TextSample& s) {
    return score_of(sentence_bleu(s.prediction, s.references));
  });
}

Score perplexity(const TokenLoss& loss) {
  return loss.perplexity();
}

Score bits_per_byte(const TokenLoss& loss) {
  return loss.bits_per_byte();
}

const char* const kSquad = "Rajpurkar et al. (SQuAD), EMNLP 2016";
const char* const kRouge = "Lin (ROUGE), 2004; Google rouge_score";
const char* const kTrace = "Wang et al. (TRACE), 2023";
const char* const kSacrebleu = "Papineni et al., ACL 2002; Post (sacrebleu), WMT 2018";
const char* const kLevenshtein = "Levenshtein, 1966";

std::vector<TextMetric> matches() {
  return {
      {"exact_match", "mean of max_r [norm(p) = norm(r)]", kSquad,
       "Answers equal to a reference r in SQuAD v1.1's normal form: lower case, no ASCII "
       "punctuation, no articles, single spaces. In [0, 1], higher is better.",
       mean_match<exact_match>},
      {"exact_match_keeping_articles", "mean of max_r [norm(p) = norm(r)]",
       "Wang et al. (Super-NaturalInstructions), EMNLP 2022",
       "exact_match with a, an and the kept, as O-LoRA and SAPT score too. In [0, 1], higher is "
       "better.",
       mean_match<exact_match_keeping_articles>},
      {"exact_match_raw", "mean of max_r [p = r]", kTrace,
       "Answers equal to a reference byte by byte. In [0, 1], higher is better.",
       mean_match<exact_match_raw>},
      {"token_f1", "mean of max_r 2PR / (P + R)", kSquad,
       "Words shared with a reference in SQuAD v1.1's normal form: P is their share of the "
       "answer's words, R of the reference's. 0 if no word is shared, also if both are empty. In "
       "[0, 1], higher is better.",
       mean_match<token_f1>},
  };
}

std::vector<TextMetric> rouges() {
  return {
      {"rouge_1", "mean of max_r 2PR / (P + R)", kRouge,
       "Words shared with the reference, runs of a-z and 0-9 in lower case. In [0, 1], higher is "
       "better.",
       mean_best<rouge_n_f<1, Stemming::none>>},
      {"rouge_2", "mean of max_r 2PR / (P + R)", kRouge,
       "rouge_1 over pairs of adjoining words. In [0, 1], higher is better.",
       mean_best<rouge_n_f<2, Stemming::none>>},
      {"rouge_l", "mean of max_r 2PR / (P + R), P = LCS / |p|, R = LCS / |r|", kRouge,
       "The longest common subsequence of words, with beta 1. In [0, 1], higher is better.",
       mean_best<rouge_f<rouge_l, Stemming::none>>},
      {"rouge_l_sum", "mean of max_r 2PR / (P + R), hits: sum over sentences of the union of LCS",
       kRouge,
       "rouge_l of summaries with one sentence per line: each sentence of the reference is "
       "compared with all sentences of the prediction. In [0, 1], higher is better.",
       mean_best<rouge_f<rouge_l_sum, Stemming::none>>},
      {"rouge_1_stemmed", "mean of max_r 2PR / (P + R)", kRouge,
       "rouge_1 with words over three letters stemmed (Porter, 1980, as NLTK extends it): "
       "rouge_score's use_stemmer. Higher is better.",
       mean_best<rouge_n_f<1, Stemming::porter>>},
      {"rouge_2_stemmed", "mean of max_r 2PR / (P + R)", kRouge,
       "rouge_2 with stemmed words. Higher is better.", mean_best<rouge_n_f<2, Stemming::porter>>},
      {"rouge_l_stemmed", "mean of max_r 2PR / (P + R), P = LCS / |p|, R = LCS / |r|", kRouge,
       "rouge_l with stemmed words. Super-NaturalInstructions, O-LoRA and SAPT report it times "
       "100. "
       "Higher is better.",
       mean_best<rouge_f<rouge_l, Stemming::porter>>},
      {"rouge_l_sum_stemmed",
       "mean of max_r 2PR / (P + R), hits: sum over sentences of the union of LCS", kRouge,
       "rouge_l_sum with stemmed words. Higher is better.",
       mean_best<rouge_f<rouge_l_sum, Stemming::porter>>},
      {"trace_rouge_l", "mean of 2PR / (P + R + 1e-8)", kTrace,
       "ROUGE-L of the Python package rouge 1.0.1: sentences end at full stops, case and "
       "punctuation are kept, a repeated word counts once per text. A sample whose prediction or "
       "reference is empty counts 0. In [0, 1], higher is better.",
       mean_best<trace_rouge>},
  };
}

std::vector<TextMetric> bleus() {
  return {
      {"bleu", "100 exp(min(0, 1 - r/c)) (prod_{n<=4} p_n)^(1/4)", kSacrebleu,
       "Corpus BLEU, 13a tokens, p_n clipped precisions with exp smoothing, r and c the tokens of "
       "references and predictions. In [0, 100], higher is better.",
       whole_bleu<Case::kept>},
      {"bleu_lowercase", "100 exp(min(0, 1 - r/c)) (prod_{n<=4} p_n)^(1/4)", kSacrebleu,
       "bleu over lower-cased text: sacrebleu's lowercase option. Higher is better.",
       whole_bleu<Case::lowered>},
      {"sentence_bleu", "mean of 100 exp(min(0, 1 - r/c)) (prod_{n<=N} p_n)^(1/N)", kSacrebleu,
       "The mean of single samples' BLEU over the N <= 4 orders that the prediction is long enough "
       "for. In [0, 100], higher is better.",
       mean_sentence_bleu},
      {"trace_bleu_1", "mean of exp(min(0, 1 - r/c)) p_1", kTrace,
       "nltk's BLEU-1 without smoothing, tokens split at white space and full stops. In [0, 1], "
       "higher is better.",
       mean_best<trace_bleu_n<1>>},
      {"trace_bleu_4", "mean of exp(min(0, 1 - r/c)) (prod_{n<=4} p_n)^(1/4)", kTrace,
       "nltk's BLEU-4 without smoothing: the precision of an order without a match is 2.2e-308, "
       "so the sample's score is almost 0. In [0, 1], higher is better.",
       mean_best<trace_bleu_n<4>>},
  };
}

std::vector<TextMetric> others() {
  return {
      {"sari", "mean of 100/3 (F_keep + P_delete + F_add), each the mean over n <= 4",
       "Xu et al., TACL 2016; Hugging Face evaluate",
       "What a simpler text rightly keeps of its source, deletes and adds, by n-grams of "
       "lower-cased "
       "13a tokens; 0/0 is 1. All references count together. In [0, 100], higher is better.",
       corpus_sari},
      {"edit_similarity", "mean of max_r (1 - D(p,r) / max(|p|,|r|))", kLevenshtein,
       "D: insertions, deletions and substitutions of characters. In [0, 1], higher is better.",
       mean_best<normalised_edit_similarity>},
      {"indel_ratio", "mean of max_r 2 LCS(p,r) / (|p| + |r|)", "python-Levenshtein, rapidfuzz",
       "Edit similarity without substitutions, over characters. In [0, 1], higher is better.",
       mean_best<indel_ratio>},
      {"fuzz_ratio", "mean of max_r round(100 indel_ratio)", kTrace,
       "fuzzywuzzy's fuzz.ratio with python-Levenshtein, which TRACE calls edit similarity. In "
       "[0, 100], higher is better.",
       mean_best<fuzz_ratio>},
      {"fuzz_ratio_difflib", "mean of max_r round(100 * 2M / (|p| + |r|))", kTrace,
       "The same without python-Levenshtein: M counts characters in difflib's matching blocks, "
       "with its rule for popular ones. In [0, 100], higher is better.",
       mean_best<fuzz_ratio_difflib>},
      {"perplexity", "exp(-sum log p(token) / tokens)", "Jelinek et al., 1977",
       "Over all tokens scored, not a mean of batches. Undefined without tokens. At least 1, lower "
       "is better; not comparable between tokenisers.",
       nullptr, perplexity},
      {"bits_per_byte", "-sum log p(token) / (ln 2 * bytes)", "Gao et al. (The Pile), 2020",
       "Bits a model needs for one byte of UTF-8 text, whatever its tokeniser. Undefined without "
       "bytes. Lower is better.",
       nullptr, bits_per_byte},
  };
}

}  // namespace

const std::vector<TextMetric>& text_metrics() {
  static const std::vector<TextMetric> table = [] {
    std::vector<TextMetric> all;
    for (const auto& group : {matches(), rouges(), bleus(), others()})
      all.insert(all.end(), group.begin(), group.end());
    return all;
  }();
  return table;
}

const TextMetric& text_metric(std::string_view name) {
  return row_named(text_metrics(), name, "text metric");
}

std::string text_metrics_markdown() {
  std::string page =
      "\n# Text metrics\n\n"
      "Over predictions `p` and references `r`, or over a language model's losses. With several\n"
      "references the best counts, unless a metric has its own rule. Undefined without samples,\n"
      "and where a sample has no reference.\n";
  return page + rows_markdown(text_metrics());
}

}  // namespace patina
